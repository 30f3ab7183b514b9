import asyncio
import json
import random
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agora.team import Team
from memory import claims
from memory.claims import Claim
from tests.conftest import ask
from tests.reading import ROOT

LEASE = timedelta(seconds=30)
MINE = Claim("thread", "first", "me", "c1", LEASE)
THEIRS = replace(MINE, holder="they")
RACER = """
import json, sys
from datetime import timedelta
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from memory.claims import CLAIM, Claim
from dataclasses import asdict
order = json.loads(sys.stdin.readline())
won = []
with psycopg.connect(order["url"], autocommit=True, row_factory=dict_row) as connection:
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in order["threads"]:
        wanted = Claim(thread, "s", order["holder"], "", timedelta(seconds=30))
        told = {"correlation_id": thread, "told": Jsonb({})}
        if row := connection.execute(CLAIM, asdict(wanted) | told).fetchone():
            won.append([thread, row["token"]])
print(json.dumps(won))
"""


async def claim(team: Team, wanted: Claim) -> int | None:
    async with team.database.transaction() as connection:
        return await claims.claim(connection, wanted, "case", {"stage": wanted.stage})


async def expire(team: Team) -> None:
    await ask(team, "UPDATE claims SET expires_at = '2000-01-01' RETURNING 1")


async def test_a_thread_has_one_holder(team: Team) -> None:
    token = await claim(team, MINE)
    assert token is not None and await claim(team, THEIRS) is None
    told = await ask(team, "SELECT kind, body FROM events")
    assert told == [{"kind": "stage.entered", "body": {"stage": "first"}}], "only who got in"
    assert await claim(team, replace(MINE, stage="second")) == token
    assert await claim(team, replace(THEIRS, thread_id="another")) not in (None, token)


@pytest.mark.parametrize("way", ["expired", "left"])
async def test_another_may_follow_and_the_first_is_fenced_off(team: Team, way: str) -> None:
    token = await claim(team, MINE)
    assert token is not None
    async with team.database.transaction() as connection:
        assert await claims.is_ours(connection, "thread", token)
        if way == "left":
            await claims.leave(connection, "thread", token)
    if way == "expired":
        await expire(team)
    taken = await claim(team, THEIRS)
    assert taken is not None and taken > token
    async with team.database.transaction() as connection:
        assert not await claims.is_ours(connection, "thread", token)
        assert not await claims.renew(connection, "thread", token, LEASE)
        assert await claims.renew(connection, "thread", taken, LEASE)


async def test_who_starts_from_an_older_checkpoint_is_stale(team: Team) -> None:
    await claim(team, replace(MINE, checkpoint_id="c5"))
    await expire(team)
    assert await claim(team, replace(THEIRS, checkpoint_id="c4")) is None
    assert await claim(team, replace(THEIRS, checkpoint_id="")) is not None, "of a subgraph"
    assert await claim(team, replace(THEIRS, checkpoint_id="c6")) is not None


async def test_tokens_grow_also_after_the_row_is_gone(team: Team) -> None:
    first = await claim(team, MINE)
    assert first is not None
    async with team.database.transaction() as connection:
        await claims.forget(connection, "thread", first)
        assert await claims.find(connection, "thread") is not None, "it is held"
        await claims.leave(connection, "thread", first)
        await claims.forget(connection, "thread", first)
        assert await claims.find(connection, "thread") is None
    second = await claim(team, MINE)
    assert second is not None and second > first


async def test_a_fence_holds_off_a_takeover_until_its_act_has_committed(team: Team) -> None:
    token = await claim(team, MINE)
    assert token is not None
    await expire(team)
    async with team.database.transaction() as acting:
        assert await claims.is_ours(acting, "thread", token)
        taking = asyncio.create_task(claim(team, THEIRS))
        await asyncio.sleep(0.2)
        assert not taking.done()
    assert await taking is not None


async def test_a_run_is_announced_once_and_begun_without_its_input(team: Team) -> None:
    async with team.database.transaction() as connection:
        assert await claims.announce(connection, "thread", "first", {"n": 1}, LEASE)
    await expire(team)
    async with team.database.transaction() as connection:
        (left,) = await claims.abandoned(connection)
    assert (left["stage"], left["input"]) == ("first", {"n": 1})

    token = await claim(team, MINE)
    async with team.database.transaction() as connection:
        assert not await claims.announce(connection, "thread", "first", {"n": 2}, LEASE)
        assert await claims.abandoned(connection) == []
    await expire(team)
    async with team.database.transaction() as connection:
        (left,) = await claims.abandoned(connection)
    assert (left["token"], left["input"]) == (token, None)


async def test_a_run_that_is_announced_on_a_known_thread_has_its_lease_and_is_not_forgotten(
    team: Team,
) -> None:
    token = await claim(team, MINE)
    assert token is not None
    async with team.database.transaction() as connection:
        await claims.leave(connection, "thread", token)
    await expire(team)
    async with team.database.transaction() as connection:
        assert await claims.announce(connection, "thread", "first", {"n": 1}, LEASE)
        assert await claims.abandoned(connection) == [], "nobody else begins it"
        await claims.forget(connection, "thread", token)
        (left,) = await claims.abandoned(connection, with_open=True)
    assert left["input"] == {"n": 1}


async def test_of_what_was_left_one_thread_can_be_asked_for(team: Team) -> None:
    for name in ("one", "two"):
        await claim(team, replace(MINE, thread_id=name))
    await expire(team)
    async with team.database.transaction() as connection:
        (left,) = await claims.abandoned(connection, "two")
        assert await claims.abandoned(connection, "three") == []
    assert left["thread_id"] == "two"


async def test_what_was_left_open_is_shown_on_demand_only(team: Team) -> None:
    token = await claim(team, MINE)
    assert token is not None
    async with team.database.transaction() as connection:
        await claims.leave(connection, "thread", token)
        assert await claims.abandoned(connection) == []
        (left,) = await claims.abandoned(connection, with_open=True)
    assert left["thread_id"] == "thread"


def test_of_two_processes_each_thread_has_one(url: str) -> None:
    threads = [f"thread-{n}" for n in range(300)]
    racers = [racer(url, name, threads) for name in ("a", "b")]
    for process in racers:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in racers:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [json.loads(process.communicate(timeout=120)[0]) for process in racers]
    assert sorted(thread for one in won for thread, _ in one) == sorted(threads)
    assert all(won), "one process was too late to race"
    tokens = [token for one in won for _, token in one]
    assert len(set(tokens)) == len(tokens)


def racer(url: str, holder: str, threads: list[str]) -> subprocess.Popen[Any]:
    order = {"url": url, "holder": holder, "threads": random.sample(threads, len(threads))}
    command = [sys.executable, "-W", "ignore", "-c", RACER]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return process
