"""Sessions: who looks and decides. A signed cookie keeps one for half a day; nothing is stored."""

import hmac
import json
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from agora.domain.settings import Settings

LASTS_S = 12 * 3600
"""How long a session is good for, in seconds."""
TRIES, TRIES_S = 10, 60.0
"""Wrong tokens that are heard within so many seconds; whoever guesses waits."""


@dataclass(frozen=True)
class Visit:
    """One browser's session; without a name nobody has logged in yet."""

    nonce: str
    until: float  # seconds since 1970
    by: str = ""


@dataclass
class Sessions:
    """The sessions of one secret; another secret ends them all."""

    secret: str
    token: str | None = None  # what opens a session; None: everybody on this machine may
    _wrong: deque[float] = field(default_factory=deque, init=False)

    @property
    def _key(self) -> bytes:
        return sha256(f"agora session {self.secret}".encode()).digest()

    def begin(self, by: str = "") -> Visit:
        """Return a new session."""
        return Visit(secrets.token_urlsafe(16), time.time() + LASTS_S, by)

    def seal(self, visit: Visit) -> str:
        """Return the cookie of a session."""
        body = urlsafe_b64encode(json.dumps(asdict(visit)).encode()).decode()
        return f"{body}.{self._sign(body)}"

    def read(self, cookie: str) -> Visit | None:
        """Return the session of a cookie, or None: it is not ours, or over."""
        body, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return None
        visit = Visit(**json.loads(urlsafe_b64decode(body)))
        return visit if visit.until > time.time() else None

    def form_token(self, visit: Visit) -> str:
        """Return what every form of a session must bring back: no other site can know it."""
        return self._sign(f"form {visit.nonce}")

    def is_form_of(self, visit: Visit, form_token: str) -> bool:
        """Return whether a form was made for this session."""
        return hmac.compare_digest(form_token.encode(), self.form_token(visit).encode())

    def opens(self, token: str) -> bool:
        """Return whether this is the token; False, too, while too many were wrong."""
        now = time.monotonic()
        while self._wrong and now - self._wrong[0] > TRIES_S:
            self._wrong.popleft()
        if len(self._wrong) >= TRIES:
            return False
        if self.token is not None and hmac.compare_digest(token.encode(), self.token.encode()):
            return True
        self._wrong.append(now)
        return False

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), sha256).hexdigest()


def sessions_of(token: str) -> Sessions:
    """Return the sessions that a token opens."""
    return Sessions(token, token)


def choose_sessions(settings: Settings) -> Sessions:
    """Return the sessions of a server: all that have its token, or its data folder, agree."""
    if settings.serve.token:
        return sessions_of(settings.serve.token.get_secret_value())
    return Sessions(_kept(settings.folder / "keys" / "sessions"))


def _kept(path: Path) -> str:
    if not path.exists():
        _make(path)
    return path.read_text("utf-8")


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(secrets.token_urlsafe(32), "utf-8")
    try:
        os.link(fresh, path)  # of two processes the first wins
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
