"""The server: Aegra with our routes under uvicorn, and one worker as its child."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from agora import team
from agora.app import aegra
from agora.app.draining import stopping, working
from agora.app.supervising import supervise
from agora.domain.errors import AgoraError, UsageError
from agora.domain.settings import ServeSettings
from memory import extensions
from memory.database import EmbeddedPostgres

CUT_S = 1
"""How long connections may stay open once the runs behind them have ended or were let go."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
Tell = Callable[[str], None]


class Server(uvicorn.Server):
    """Uvicorn that we alone tell to stop: it waits for runs, and lets go of the rest."""

    def __init__(self, app: Any, url: str, drain_s: float) -> None:
        options: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "on"}
        super().__init__(uvicorn.Config(app, timeout_graceful_shutdown=CUT_S, **options))
        self.url, self.drain_s, self.is_ready = url, drain_s, asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the server."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the doors, and say so."""
        async with aegra.alone(self.url):
            await super().startup(sockets)
        self.is_ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, wait for what runs, and hand over what does not end in time."""
        stopping.set()
        for listening in self.servers:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if going_on := {*aegra.running().values(), *working()}:
            await asyncio.wait(going_on, timeout=self.drain_s)
        if left := await aegra.let_go():
            await team.current().holding.hand_over(left)
        await super().shutdown(sockets)


def door(settings: ServeSettings) -> socket.socket:
    """Return the listening socket; raise UsageError: the address is taken, or open to others."""
    host, port = settings.host, settings.port
    if settings.token is None and host not in LOOPBACK:
        hint = "export AGORA_TOKEN=…, or serve at 127.0.0.1"
        raise UsageError(f"at {host} others can reach the server, and it has no token", hint)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        hint = "another server may run there; --port 0 takes a free one"
        raise UsageError(f"{host}:{port} cannot be served at: {error.strerror}", hint) from None


def address(door: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(door: socket.socket, settings: ServeSettings, tell: Tell) -> None:
    """Serve until a signal, then stop in good order; a second signal kills.

    `tell` gets what a person should know. Raises AgoraError when the server does not start.
    """
    url = await _database()
    aegra.configure(url, settings.log_level)
    await aegra.prepare(url)
    server = Server(await asyncio.to_thread(aegra.application), url, settings.drain_s)
    worker = asyncio.create_task(_beside(server, address(door), tell))
    try:
        with _heeding_signals(server, worker, tell):
            await server.serve([door])
    except SystemExit:  # how uvicorn says that the app's own start has failed
        raise AgoraError("the server does not start", "its log says why") from None
    finally:
        worker.cancel()
        await asyncio.wait({worker})


async def _database() -> str:
    """Return the URL of a database that has what Aegra needs."""
    database = team.current().database
    url = await database.url()
    if isinstance(database.postgres, EmbeddedPostgres):
        await asyncio.to_thread(extensions.offer, url, database.postgres.folder)
    return url


async def _beside(server: Server, url: str, tell: Tell) -> None:
    """Say when the server is ready, and keep a worker beside it."""
    await server.is_ready.wait()
    tell(f"serving at {url}; Ctrl-C to stop")
    await supervise(tell)


@contextmanager
def _heeding_signals(server: Server, worker: asyncio.Task[None], tell: Tell) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for one in SIGNALS:
            loop.remove_signal_handler(one)
        tell("stopping; what runs may end")
        server.should_exit = True
        worker.cancel()

    for one in SIGNALS:
        loop.add_signal_handler(one, stop)
    try:
        yield
    finally:
        for one in SIGNALS:
            loop.remove_signal_handler(one)
