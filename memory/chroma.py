"""Where Chroma keeps vectors: files of our own, held by one process at a time, or a server."""

import fcntl
import os
import shutil
import socket
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog

from agora.domain.errors import AgoraError, SettingsError
from agora.domain.settings import Settings

log = structlog.get_logger()
CONNECT_S, TIMEOUT_S = 2.0, 10.0


class IndexHeldError(AgoraError):
    """Another process has the files of the index: it catches up with what we write."""


class IndexLostError(AgoraError):
    """The index cannot be read or reached; everything that it holds is in PostgreSQL, too."""


class Chroma(Protocol):
    """A Chroma, wherever it runs. Its calls block: they belong into a thread."""

    def client(self) -> Any:
        """Return an open client; raise IndexHeldError or IndexLostError."""

    def repair(self) -> None:
        """Do what can be done about an index that fails, so that `client` may be asked again."""

    def close(self) -> None:
        """Let others have it."""


@dataclass
class ChromaFiles:
    """A folder, held from the first use to the end of the process."""

    folder: Path
    _client: Any = field(default=None, init=False)
    _lock: int | None = field(default=None, init=False)

    def client(self) -> Any:
        """Open the files, made anew if they cannot be read."""
        if self._client is None:
            self._hold()
            try:
                self._client = _open(self.folder)
            except Exception as error:  # whatever SQLite and Rust say of files that are broken
                log.info("index.made_anew", reason=str(error)[:200])
                self.repair()
                self._client = _open(self.folder)
        return self._client

    def repair(self) -> None:
        """Throw the files away: rows in PostgreSQL fill them again."""
        self._let_go()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let the files go, and the lock with them."""
        self._let_go()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _hold(self) -> None:
        if self._lock is not None:
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(
            self.folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise IndexHeldError(f"another process has {self.folder} open") from None
        self._lock = lock  # the system opens it again even for a process that was killed

    def _let_go(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


@dataclass
class ChromaServer:
    """A server that someone else runs (`chroma run`)."""

    url: str
    _client: Any = field(default=None, init=False)

    def client(self) -> Any:
        """Connect on first use; raise IndexLostError."""
        if self._client is None:
            import chromadb

            parts = urlsplit(self.url)
            port = parts.port or (443 if parts.scheme == "https" else 8000)
            try:
                # It waits for ever for a host that swallows what it is sent.
                socket.create_connection((str(parts.hostname), port), CONNECT_S).close()
                client = chromadb.HttpClient(
                    host=str(parts.hostname),
                    port=port,
                    ssl=parts.scheme == "https",
                    headers=_credentials(parts.username, parts.password),
                    settings=_silent(),
                )
            except Exception as error:  # httpx, chromadb and ValueError alike
                raise IndexLostError(
                    f"Chroma at {parts.hostname} cannot be reached: {error}",
                    "start it (`chroma run`), or unset CHROMA_URL to keep vectors in files",
                ) from None
            self._client = client
            for session in self._sessions():
                session.timeout = TIMEOUT_S  # it has none
        return self._client

    def repair(self) -> None:
        """Connect again; whoever runs the server repairs it."""
        self.close()

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            for session in self._sessions():
                session.close()  # `close` leaves its connections open
            self._client.close()
            self._client = None

    def _sessions(self) -> list[Any]:
        servers = (self._client._server, self._client._admin_client._server)
        return [server._session for server in servers]


def choose_chroma(settings: Settings) -> Chroma:
    """Use the server at `CHROMA_URL` where there is one, else files of our own."""
    if settings.memory.chroma_url is None:
        return ChromaFiles(settings.folder / "index")
    url = settings.memory.chroma_url.get_secret_value()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("CHROMA_URL is no URL of a server", "such as http://127.0.0.1:8000")
    return ChromaServer(url)


def _open(folder: Path) -> Any:
    import chromadb

    folder.mkdir(parents=True, exist_ok=True)
    client = chromadb.PersistentClient(str(folder), settings=_silent())
    client.list_collections()  # reads what it has opened
    return client


def _silent() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from chromadb.config import Settings as ChromaSettings

        return ChromaSettings(anonymized_telemetry=False)


def _credentials(user: str | None, password: str | None) -> dict[str, str]:
    import base64

    if user is None:
        return {}
    return {
        "Authorization": "Basic " + base64.b64encode(f"{user}:{password or ''}".encode()).decode()
    }
