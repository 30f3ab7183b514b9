"""Behaviours of the stream that hold for both deliveries, and those of Redis alone."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from agora.domain.errors import ClaimLostError, SettingsError
from agora.domain.settings import Settings, load
from agora.team import Team, assemble
from agora.team.relaying import Relaying
from agora.team.stream import START
from memory import cursors, deliveries, events
from memory.database import end
from memory.events import Cursor, Event
from memory.redis_streams import RedisStreams
from tests.conftest import ask
from tests.reading import ROOT
from tests.redis_server import RedisServer

REDIS = pytest.param("redis", marks=pytest.mark.needs("redis-server"))
alone = pytest.mark.parametrize("delivery", ["outbox"])
through_redis = pytest.mark.parametrize("delivery", [REDIS])
both = pytest.mark.parametrize("delivery", ["outbox", REDIS])
SOON_S = 45  # on a busy machine; less than a reading waits in vain
LEASE_S = 3.0  # longer than a busy machine lets a heart wait


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer.started()
    yield server
    server.close()


@asynccontextmanager
async def relaying(team: Team) -> AsyncIterator[None]:
    """Relay as a worker does."""
    streams = team.stream.delivery
    if not isinstance(streams, RedisStreams):
        yield
        return
    task = asyncio.create_task(Relaying(team.stream, streams).run())
    try:
        yield
    finally:
        assert not task.done(), task
        await end(task)


def named(settings: Settings, **more: Any) -> Settings:
    assert settings.database.url
    url = settings.database.url.get_secret_value()
    given = {"database.url": url, "home": settings.home, "stream.lease_s": LEASE_S}
    return load({}, **given | {name.replace("_", "."): value for name, value in more.items()})


@pytest.fixture
async def teams(
    settings: Settings, delivery: str, request: pytest.FixtureRequest
) -> AsyncIterator[Callable[[], Team]]:
    """Make teams of as many processes as a test wants."""
    more = {"redis_url": request.getfixturevalue("redis").url} if delivery == "redis" else {}
    made: list[Team] = []

    def make() -> Team:
        made.append(assemble(named(settings, **more)))
        return made[-1]

    yield make
    for team in made:
        await team.close()


@pytest.fixture
async def live(teams: Callable[[], Team]) -> AsyncIterator[Team]:
    """A team whose events are relayed."""
    worker = teams()
    async with relaying(worker):
        yield teams()


async def tell(team: Team, *said: Any, case: str = "case", **more: Any) -> None:
    for one in said:
        await team.stream.publish(case, "trial", one, **more)


async def heard(stream: AsyncIterator[Event], count: int) -> list[Any]:
    """Return what the next events say."""
    found: list[Any] = []
    async with asyncio.timeout(SOON_S):
        async for event in stream:
            found.append(event.body)
            if len(found) == count:
                return found
    return found


async def until(happened: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(SOON_S):
        while not await happened():
            await asyncio.sleep(0.02)


@both
async def test_a_follower_hears_what_is_kept_and_then_what_happens(live: Team) -> None:
    await tell(live, "a", "b")
    following = live.stream.follow(after=START)
    assert await heard(following, 2) == ["a", "b"]
    await tell(live, "c")
    assert await heard(following, 1) == ["c"]


@both
async def test_a_follower_goes_on_from_where_it_was(live: Team) -> None:
    await tell(live, *range(20))
    seen = [event async for event in _some(live.stream.follow(after=START), 20)]
    for event in seen[4], seen[15]:
        again = await heard(live.stream.follow(after=event.cursor), 19 - event.body)
        assert again == list(range(event.body + 1, 20))
    assert Cursor.parse(str(seen[4].cursor)) == seen[4].cursor


async def _some(stream: AsyncIterator[Event], count: int) -> AsyncIterator[Event]:
    async with asyncio.timeout(SOON_S):
        async for event in stream:
            yield event
            if not (count := count - 1):
                return


@both
async def test_a_follower_hears_only_what_it_wants(live: Team) -> None:
    await live.stream.publish("one", "kept", 1)
    await live.stream.publish("two", "kept", 2)
    await live.stream.publish("one", "other", 3)
    await live.stream.publish("one", "kept", 4)
    following = live.stream.follow(after=START, kinds=["kept"], correlation_id="one")
    assert await heard(following, 2) == [1, 4]


@both
async def test_no_event_is_skipped_when_transactions_commit_out_of_order(live: Team) -> None:
    following = live.stream.follow(after=START)
    async with live.database.transaction() as early:
        await early.execute("SELECT pg_current_xact_id()")
        async with live.database.transaction() as late:
            await events.publish(late, "case", "trial", "smaller id, later transaction")
            await events.publish(early, "case", "trial", "larger id, earlier transaction")
        waiting = asyncio.create_task(heard(following, 2))
        await asyncio.sleep(0.3)
        assert not waiting.done(), "an event was told that another one may come before"
    told = await waiting
    assert told == ["larger id, earlier transaction", "smaller id, later transaction"]


@both
async def test_events_of_one_subject_come_in_order_whoever_publishes(
    live: Team, teams: Callable[[], Team]
) -> None:
    others = [teams() for _ in range(3)]

    async def talk(team: Team, case: str) -> None:
        for number in range(40):
            await tell(team, number, case=case)

    following = live.stream.follow(after=START)
    reading = asyncio.create_task(_all(following, 120))
    await asyncio.gather(*(talk(team, str(n)) for n, team in enumerate(others)))
    seen = await reading
    for case in "012":
        assert [e.body for e in seen if e.correlation_id == case] == list(range(40))


async def _all(stream: AsyncIterator[Event], count: int) -> list[Event]:
    return [event async for event in _some(stream, count)]


@both
async def test_what_was_not_acknowledged_comes_again(live: Team, teams: Callable[[], Team]) -> None:
    await tell(live, *"abcd")
    async with live.stream.consume("readers") as consumer:
        async for event in _some(aiter(consumer), 3):
            if event.body == "b":
                await consumer.acknowledge(event)
    async with teams().stream.consume("readers") as consumer:
        assert await heard(aiter(consumer), 2) == ["c", "d"]


@both
async def test_each_group_hears_everything(live: Team) -> None:
    await tell(live, "a", "b")
    for group in "first", "second":
        async with live.stream.consume(group) as consumer:
            seen = await _all(aiter(consumer), 2)
            assert [event.body for event in seen] == ["a", "b"]
            await consumer.acknowledge(seen[-1])
    await tell(live, "c")
    for group in "first", "second":
        async with live.stream.consume(group) as consumer:
            assert await heard(aiter(consumer), 1) == ["c"]


@both
async def test_one_of_a_group_reads_and_another_one_takes_over_when_it_dies(
    live: Team, teams: Callable[[], Team]
) -> None:
    await tell(live, "a", "b")
    other = teams()
    consuming = live.stream.consume("readers")
    first = await consuming.__aenter__()
    assert await heard(aiter(first), 2) == ["a", "b"]

    async def stand_by() -> list[Any]:
        async with other.stream.consume("readers") as second:
            return await heard(aiter(second), 2)

    waiting = asyncio.create_task(stand_by())
    await asyncio.sleep(1.2 * LEASE_S)
    assert not waiting.done(), "two of a group read at once"
    for task in asyncio.all_tasks():
        if "keep_holding" in repr(task.get_coro()):
            task.cancel()  # its heart stops, as kill -9 would stop it
    assert await waiting == ["a", "b"]
    with pytest.raises(ClaimLostError):
        await first.acknowledge((await live.stream.kept())[-1])
    await consuming.__aexit__(None, None, None)


@both
async def test_an_acknowledgement_never_goes_back(live: Team) -> None:
    await tell(live, "a", "b")
    async with live.stream.consume("readers") as consumer:
        first, second = await _all(aiter(consumer), 2)
        await consumer.acknowledge(second)
        await consumer.acknowledge(first)
    await tell(live, "c")
    async with live.stream.consume("readers") as consumer:
        assert await heard(aiter(consumer), 1) == ["c"]


@both
async def test_a_temporary_channel_is_apart_from_the_stream(live: Team) -> None:
    await tell(live, "aside", channel="room:1")
    await tell(live, "elsewhere", channel="room:2")
    await tell(live, "aloud")
    assert await heard(live.stream.follow(after=START), 1) == ["aloud"]
    inside = live.stream.follow(after=START, channel="room:1")
    assert await heard(inside, 1) == ["aside"]
    await tell(live, "more", channel="room:1")
    assert await heard(inside, 1) == ["more"]


@both
async def test_a_consumer_of_some_kinds_passes_over_the_others(live: Team) -> None:
    async with live.stream.consume("readers", kinds=["wanted"]) as consumer:
        await tell(live, *range(5))
        await live.stream.publish("case", "wanted", "this")
        assert await heard(aiter(consumer), 1) == ["this"]


@alone
async def test_a_follower_is_woken_rather_than_left_to_look(
    teams: Callable[[], Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "LOOK_S", 10 * SOON_S)
    following, other = teams().stream.follow(after=START), teams()
    await tell(other, "first")
    assert await heard(following, 1) == ["first"]
    waiting = asyncio.create_task(heard(following, 1))
    await asyncio.sleep(0.5)
    await tell(other, "second")
    assert await waiting == ["second"]


@alone
async def test_an_event_is_heard_whose_publisher_died_before_it_could_wake_anybody(
    teams: Callable[[], Team], url: str
) -> None:
    following = teams().stream.follow(after=START)
    waiting = asyncio.create_task(heard(following, 1))
    await asyncio.sleep(0.3)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO events (correlation_id, kind, body) VALUES ('', '', '1')")
    assert await waiting == [1]


@alone
async def test_a_transaction_that_is_rolled_back_tells_nobody(teams: Callable[[], Team]) -> None:
    team = teams()
    with suppress(ZeroDivisionError):
        async with team.database.transaction() as connection:
            await events.publish(connection, "case", "trial", "never")
            raise ZeroDivisionError
    await tell(team, "after")
    assert await heard(team.stream.follow(after=START), 1) == ["after"]


# Redis alone


@through_redis
async def test_the_stream_is_in_redis_under_its_name(live: Team, redis: RedisServer) -> None:
    await tell(live, "a", "b")
    with redis.client() as client:
        await until(lambda: asyncio.to_thread(lambda: client.xlen("knowledge_stream") == 2))
        (first, fields), _ = client.xrange("knowledge_stream")
        assert Cursor.parse(first) == (await live.stream.kept())[0].cursor
        assert fields["kind"] == "trial" and fields["body"] == '"a"'
        await tell(live, "x", channel="room:1")
        await until(lambda: asyncio.to_thread(lambda: client.exists("room:1")))
        assert 0 < client.ttl("room:1") <= live.settings.stream.channel_s


@through_redis
async def test_what_consumers_acknowledge_leaves_the_list_of_redis(
    live: Team, redis: RedisServer
) -> None:
    with redis.client() as client:
        await tell(live, *"abc")
        await until(lambda: asyncio.to_thread(lambda: client.xlen("knowledge_stream") == 3))
        async with live.stream.consume("readers") as consumer:
            seen = await _all(aiter(consumer), 3)
            assert client.xpending("knowledge_stream", "readers")["pending"] == 3
            await consumer.acknowledge(seen[1])
            assert client.xpending("knowledge_stream", "readers")["pending"] == 1
        other = replace(live.stream.delivery, consumer="another process")  # type: ignore[type-var]
        async with replace(live.stream, delivery=other).consume("readers") as consumer:
            assert await heard(aiter(consumer), 1) == ["c"]
            (left,) = client.xpending_range("knowledge_stream", "readers", "-", "+", 9)
            assert left["consumer"] == "another process", "it has claimed what was left"
            await consumer.acknowledge(seen[2])
            assert client.xpending("knowledge_stream", "readers")["pending"] == 0


@through_redis
async def test_a_relay_that_repeats_itself_adds_nothing_twice(
    live: Team, redis: RedisServer
) -> None:
    await tell(live, *range(10))
    with redis.client() as client:
        await until(lambda: asyncio.to_thread(lambda: client.xlen("knowledge_stream") == 10))
        streams = live.stream.delivery
        assert isinstance(streams, RedisStreams)
        await streams.add((await live.stream.kept())[3:], 60)
        assert client.xlen("knowledge_stream") == 10


@through_redis
async def test_without_redis_everything_goes_on_and_is_made_up_for_later(
    live: Team, redis: RedisServer
) -> None:
    following = live.stream.follow(after=START)
    await tell(live, 0)
    assert await heard(following, 1) == [0]
    with capture_logs() as logs:
        redis.kill()
        await tell(live, *range(1, 50))
        assert await heard(following, 49) == list(range(1, 50))
        async with live.stream.consume("readers") as consumer:
            seen = await _all(aiter(consumer), 50)
            await consumer.acknowledge(seen[20])

        def warned() -> int:
            return sum("Redis is of no use" in entry["event"] for entry in logs)

        async def warned_twice() -> bool:  # the worker may notice a moment later
            return warned() >= 2

        await until(warned_twice)
        assert warned() == 2, "each process says it once"
    redis.start()
    await tell(live, 50)
    with redis.client() as client:
        await until(lambda: asyncio.to_thread(lambda: client.xlen("knowledge_stream") == 51))
    assert await heard(following, 1) == [50]
    async with live.stream.consume("readers") as consumer:
        assert await heard(aiter(consumer), 30) == list(range(21, 51))


@through_redis
async def test_a_redis_of_another_database_is_refused(
    live: Team, redis: RedisServer, server: str
) -> None:
    streams = live.stream.delivery
    assert isinstance(streams, RedisStreams)
    await streams.ensure_ours()
    await ask(live, "UPDATE stream_origin SET id = 'another' RETURNING 1")
    with pytest.raises(SettingsError, match="another database"):
        await streams.ensure_ours()
    fresh = replace(live.stream, delivery=RedisStreams(streams.client, streams.outbox))
    await tell(live, "a")
    with capture_logs() as logs:
        assert await heard(fresh.follow(after=START), 1) == ["a"]
    warned = [entry["error"] for entry in logs]
    assert warned and all("another database" in error for error in warned)


@through_redis
@pytest.mark.parametrize("loss", ["flush", "restart"])
async def test_what_redis_has_lost_it_is_given_again(
    live: Team, redis: RedisServer, loss: str
) -> None:
    with redis.client() as client:

        def holds(count: int) -> Callable[[], Awaitable[Any]]:
            return lambda: asyncio.to_thread(lambda: client.xlen("knowledge_stream") == count)

        following = live.stream.follow(after=START)
        await tell(live, *range(10))
        assert await heard(following, 10) == list(range(10))
        await until(holds(10))
        if loss == "flush":
            client.flushall()
        else:
            redis.kill()
            redis.start()
        await tell(live, *range(10, 20))
        await until(holds(20))
        assert await heard(following, 10) == list(range(10, 20))
        assert await heard(live.stream.follow(after=START), 20) == list(range(20))


@through_redis
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_relay_that_is_killed_between_reading_and_acknowledging_loses_nothing(
    teams: Callable[[], Team], redis: RedisServer, settings: Settings, moment: str
) -> None:
    team = teams()
    await tell(team, *range(10))
    named = {"REDIS_URL": redis.url, "AGORA_STREAM__LEASE_S": "1", "AGORA_HOME": str(settings.home)}
    assert settings.database.url
    named |= {"DATABASE_URL": settings.database.url.get_secret_value(), "KILL": moment}
    command = [sys.executable, "-W", "ignore", "-m", "tests.relay"]
    relay = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, env=os.environ | named)
    assert relay.returncode == -signal.SIGKILL
    async with team.database.autocommit() as connection:
        assert await cursors.find(connection, "redis") == START, "nothing was acknowledged"
    with redis.client() as client:
        assert client.xlen("knowledge_stream") == (0 if moment == "before" else 10)
    async with relaying(team):
        await tell(team, *range(10, 20))
        assert await heard(team.stream.follow(after=START), 20) == list(range(20))
        with redis.client() as client:
            await until(lambda: asyncio.to_thread(lambda: client.xlen("knowledge_stream") == 20))


@through_redis
async def test_readers_do_without_a_relay(teams: Callable[[], Team]) -> None:
    team = teams()
    following = team.stream.follow(after=START)
    await tell(team, "a")
    assert await heard(following, 1) == ["a"]
    await tell(team, "b")
    assert await heard(following, 1) == ["b"]
