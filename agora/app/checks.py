"""Checks: what this installation has and lacks, each with the remedy."""

import os
import platform
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from hashlib import sha256

import psycopg
from redis.exceptions import RedisError

from agora import team
from agora.domain.contracts import Json
from agora.domain.errors import AgoraError
from agora.domain.settings import load
from agora.team import Team
from agora.team.pulsing import GROUP
from memory import cursors, events
from memory.chroma import IndexHeldError
from memory.database import address
from memory.redis_streams import RedisStreams

OK, MISSING, WRONG = "ok", "missing", "wrong"
Kind = Callable[[Team], Awaitable[Iterable[Json]]]


async def all_checks() -> list[Json]:
    """Return every check: name, status (ok, missing, wrong), what is said, remedy."""
    try:
        load(os.environ)
    except AgoraError as error:
        return [_check("settings", WRONG, str(error), error.hint)]
    kinds: list[Kind] = [
        _settings,
        _git,
        _database,
        _redis,
        _worker,
        _sandbox,
        _log,
        _index,
        _models,
    ]
    begun = time.monotonic()
    async with team.opened() as current:
        found = [one for kind in kinds for one in await kind(current)]
        await _note(current, found, time.monotonic() - begun)
    return found


async def _note(current: Team, found: list[Json], took_s: float) -> None:
    """Tell the stream how an environment was found: from it its validation is timed."""
    wrong = [one["name"] for one in found if one["status"] == WRONG]
    place = sha256(f"{platform.node()} {current.settings.folder}".encode()).hexdigest()[:16]
    told = {"wrong": len(wrong), "names": wrong, "took_s": took_s}
    with suppress(AgoraError, psycopg.Error):  # what is wrong may be the database
        async with current.database.autocommit() as connection:
            await events.note(connection, place, "environment.checked", told)


def _check(name: str, status: str, said: str, remedy: str = "") -> Json:
    return {"name": name, "status": status, "said": said, "remedy": remedy}


async def _settings(current: Team) -> list[Json]:
    named = os.environ.get("AGORA_CONFIG")
    read = f"config/local.yaml and {named}" if named else "config/local.yaml as shipped"
    return [
        _check("settings", OK, read),
        _check("data", OK, str(current.settings.folder)),
    ]


async def _git(current: Team) -> list[Json]:
    if shutil.which("git"):
        return [_check("git", OK, "installed")]
    return [_check("git", MISSING, "workspaces are git repositories", "apt-get install git")]


async def _sandbox(current: Team) -> list[Json]:
    try:
        await current.repairing.try_sandbox()
    except AgoraError as error:
        return [_check("sandbox", MISSING, str(error), error.hint)]
    return [_check("sandbox", OK, "bubblewrap confines unknown code")]


async def _database(current: Team) -> list[Json]:
    try:
        url = await current.database.url()
    except AgoraError as error:
        return [_check("postgresql", WRONG, str(error), error.hint)]
    where = address(url) if current.settings.database.url else "embedded"
    return [_check("postgresql", OK, where)]


async def _redis(current: Team) -> list[Json]:
    streams = current.stream.delivery
    if not isinstance(streams, RedisStreams):
        return [_check("redis", OK, "not configured; events go by PostgreSQL alone")]
    try:
        await streams.ensure_ours()
    except RedisError as error:
        remedy = "start it, or unset REDIS_URL: until then events go by PostgreSQL"
        return [_check("redis", WRONG, f"Redis cannot be reached: {error}", remedy)]
    except AgoraError as error:
        return [_check("redis", WRONG, str(error), error.hint)]
    return [_check("redis", OK, "events go through knowledge_stream")]


async def _worker(current: Team) -> list[Json]:
    try:
        async with current.database.autocommit() as connection:
            is_there = await cursors.is_read(connection, GROUP)
    except AgoraError:
        return []  # the database has a line of its own
    if is_there:
        return [_check("worker", OK, "pulses, takeover and upkeep are done")]
    return [_check("worker", MISSING, "nobody does the background work", "agora worker")]


async def _log(current: Team) -> list[Json]:
    try:
        async with current.database.transaction() as connection:
            found = await current.acting.decisions.verify(connection)
    except AgoraError as error:
        return [_check("decisions", WRONG, str(error), error.hint)]
    if found.first_bad is None:
        return [_check("decisions", OK, f"{found.entries} entries, chained and signed")]
    said = f"entry {found.first_bad}: {found.reason}"
    return [_check("decisions", WRONG, said, "agora log show; restore the database from a backup")]


async def _index(current: Team) -> list[Json]:
    embedder = current.settings.memory.embedder
    where = "a Chroma server" if current.settings.memory.chroma_url else "files"
    try:
        await current.indexing.touch()
    except IndexHeldError:
        return [_check("index", OK, f"{where}, held by another process; vectors by {embedder}")]
    except AgoraError as fault:
        return [_check("index", WRONG, str(fault), fault.hint)]
    return [_check("index", OK, f"{where}, vectors by {embedder}")]


async def _models(current: Team) -> list[Json]:
    found = await current.market.models()
    told = [
        _check("model", OK, f"{model.name} ({model.family}, {model.residency}) at {model.server}")
        for model in found.models
    ]
    told += [_check("model", MISSING, str(fault), fault.hint) for fault in found.faults]
    if not told:
        said = "none is configured; the repairer and the librarian work without"
        told = [_check("model", MISSING, said, "export OLLAMA_HOST=http://127.0.0.1:11434")]
    return told
