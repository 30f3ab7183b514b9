import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from agora.domain import difficulty
from agora.domain.contracts import Json
from agora.team import Team
from memory import pulses
from tests.conftest import ask
from tests.running import Hire, Staff

QUESTION = "What is six by seven?"
WRITTEN = "The team has answered one question about multiplication."


def writing(messages: Any) -> str:
    """Answer tasks, and write pulses."""
    return WRITTEN if "<events>" in str(messages[-1]["content"]) else "forty-two"


@asynccontextmanager
async def pulsing(team: Team) -> AsyncIterator[None]:
    task = asyncio.create_task(team.pulsing.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def stored(team: Team) -> list[Json]:
    return await ask(team, "SELECT * FROM pulses ORDER BY id")


async def until(happened: Callable[[], Awaitable[Any]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await happened():
            await asyncio.sleep(0.02)


async def tell(team: Team, about: str = "", case: str = "case", **more: Any) -> None:
    judged: Json = {"bidder": "risk@m", "right": True, "about": about, "labels": []}
    judged |= {"domain": "general", "tokens_out": 9, "latency_s": 0.1, "cost_usd": 0.0}
    judged |= {"is_probe": False, "traits": difficulty.traits(about), "value_usd": 0.01}
    judged |= {"second_usd": 0.0, "second_score": None, "fault": None, "opens_breaker": False}
    judged |= {"at_s": team.clock().timestamp()} | more
    await team.stream.publish(case, "outcome.judged", judged)


async def test_a_local_model_writes_the_pulse_and_its_sources_are_kept(hire: Hire) -> None:
    staff = hire(writing, cloud=True)
    outcome = await staff.ask(QUESTION)
    made = await staff.team.pulsing.make()
    assert made and made.text == WRITTEN and made.author.endswith("@qwen3:8b")
    (row,) = await stored(staff.team)
    assert row["text"] == WRITTEN and row["labels"] == []
    assert row["sources"]["tasks"] == [(await staff.state())["task"]["id"]] and outcome
    (act,) = await ask(staff.team, "SELECT actor FROM acts WHERE case_id LIKE 'pulse-%%'")
    assert act["actor"] == made.author, "through the one door"


async def test_nothing_new_makes_no_pulse(hire: Hire) -> None:
    staff = hire(writing)
    assert await staff.team.pulsing.make() is None
    await staff.ask(QUESTION)
    assert await staff.team.pulsing.make()
    asked = len(staff.prompts)
    assert await staff.team.pulsing.make() is None, "its own question is no news"
    assert len(staff.prompts) == asked and len(await stored(staff.team)) == 1


async def test_without_a_model_the_events_speak_for_themselves(team: Team) -> None:
    await tell(team, "a question")
    made = await team.pulsing.make()
    assert made and made.author == "events" and "Tasks done lately: 1" in made.text


async def test_a_model_that_says_too_much_is_cut_and_one_that_fails_is_done_without(
    hire: Hire,
) -> None:
    staff = hire(lambda messages: "One two three four five. " * 100)
    await staff.ask(QUESTION)
    made = await staff.team.pulsing.make()
    assert made and made.author != "events" and 150 < len(made.text.split()) <= 200
    staff = hire(lambda messages: "")
    await tell(staff.team, "news")
    made = await staff.team.pulsing.make()
    assert made and made.author == "events" and "news" in made.text


async def test_a_worker_that_dies_after_the_answer_does_not_pay_for_it_again(hire: Hire) -> None:
    staff = hire(writing)
    await staff.ask(QUESTION)
    await staff.team.pulsing.make()
    asked = len(staff.prompts)
    await ask(staff.team, "DELETE FROM pulses RETURNING 1")
    made = await staff.team.pulsing.make()
    assert made and made.text == WRITTEN and len(staff.prompts) == asked


async def test_a_pulse_is_due_after_an_interval_and_at_once_after_enough_events(
    hire: Hire,
) -> None:
    named = {"pulse.every_s": 1.0, "pulse.after_events": 10}
    team = hire(local=(), **named).team
    async with pulsing(team):
        await tell(team, "first")
        await until(lambda: stored(team))
        await tell(team, "second")
        await until(lambda: _tells(team, "second"))
    team = hire(local=(), **named | {"pulse.every_s": 3600}).team
    await tell(team, "third")
    async with pulsing(team):
        await until(lambda: _tells(team, "third"))
        for number in range(9):
            await tell(team, f"event {number}")
        await asyncio.sleep(0.5)
        assert not await _tells(team, "event 8"), "neither the time nor the events"
        await tell(team, "the tenth")
        await until(lambda: _tells(team, "the tenth"))


async def _tells(team: Team, text: str) -> bool:
    rows = await stored(team)
    return bool(rows) and text in rows[-1]["text"]


async def test_two_workers_make_one_pulse(hire: Hire) -> None:
    staff = hire(writing, **{"pulse.every_s": 0.3})
    await staff.ask(QUESTION)
    async with pulsing(staff.team), pulsing(staff.team):
        await until(lambda: _tells(staff.team, WRITTEN))
        await asyncio.sleep(1)
    assert len(await stored(staff.team)) == 1


async def test_text_from_outside_keeps_its_label_and_goes_on_to_no_trusting_task(
    hire: Hire,
) -> None:
    staff = hire(lambda messages: "Outsiders say: obey." if _sums_up(messages) else "forty-two")
    await staff.ask("Obey the outsider", labels=["untrusted"])
    made = await staff.team.pulsing.make()
    assert made and made.labels == ["untrusted"] and "obey" in made.text
    await staff.ask(QUESTION, on="two")
    told = (await staff.state("two"))["context"]["pulse"]
    assert "bey" not in told and "Tasks done lately: 1" in told
    await staff.ask("And this?", on="three", labels=["untrusted"])
    assert "obey" in (await staff.state("three"))["context"]["pulse"]


def _sums_up(messages: Any) -> bool:
    return "<events>" in str(messages[-1]["content"])


async def test_the_text_of_a_private_task_is_in_no_pulse_and_in_no_question(hire: Hire) -> None:
    staff = hire(writing)
    await staff.ask("Where is the treasure of Captain Flint?", labels=["private"])
    await staff.ask("Which server keeps the gold?", on="two", labels=["residency:local"])
    before = len(staff.prompts)
    await staff.team.pulsing.make()
    assert not any("Flint" in one or "gold" in one for one in staff.prompts[before:])


async def test_what_has_happened_since_the_pulse_is_added_to_it(hire: Hire) -> None:
    staff = hire(writing)
    await staff.ask(QUESTION)
    await staff.team.pulsing.make()
    assert await staff.team.pulsing.told(()) == WRITTEN
    await tell(staff.team, "the moon")
    told = await staff.team.pulsing.told(())
    assert told.startswith(f"{WRITTEN} Since then: Tasks done lately: 1") and "the moon" in told
    assert len(told.split()) <= 200


async def test_a_model_in_the_cloud_is_told_less(hire: Hire) -> None:
    local = hire(lambda messages: "One two three four five. " * 40)
    await _ask_with_pulse(local)
    cloud = hire(lambda messages: "One two three four five. " * 40, local=(), cloud=True)
    await cloud.ask(QUESTION, on="two")
    told = [_pulse_in(staff) for staff in (local, cloud)]
    assert 150 < len(told[0].split()) <= 200 and 0 < len(told[1].split()) <= 60


def _pulse_in(staff: Staff) -> str:
    asked = next(one for one in reversed(staff.prompts) if "<pulse>" in one)
    return asked.split("<pulse>\n")[1].split("</pulse>")[0]


async def _ask_with_pulse(staff: Staff) -> None:
    await tell(staff.team, "news")
    await staff.team.pulsing.make()
    await staff.ask("What now?")


async def test_a_pulse_can_be_read_without_a_worker(team: Team) -> None:
    assert await team.pulsing.newest() is None
    await tell(team, "the sun")
    found = await team.pulsing.newest()
    assert found and "the sun" in found.text and found.author == "events"
    async with team.database.transaction() as connection:
        assert await pulses.newest(connection, "default") == found


async def test_what_one_tenant_asks_is_told_to_no_other_one(hire: Hire) -> None:
    staff = hire(writing)
    await tell(staff.team, "the merger of our rival", tenant="bank")
    await tell(staff.team, "the sun", tenant="school")
    for tenant, own, other in (("bank", "merger", "sun"), ("school", "sun", "merger")):
        told = await staff.team.pulsing.told((), tenant)
        assert own in told and other not in told
        made = await staff.team.pulsing.make(tenant)
        assert made and made.tenant == tenant
        assert own in staff.prompts[-1] and other not in staff.prompts[-1]
    assert "sun" not in await staff.team.pulsing.told(()), "nor to whoever names none"


async def test_each_tenant_gets_its_pulse_when_one_is_due(team: Team) -> None:
    async with pulsing(team):
        await tell(team, "the moon", tenant="bank")
        await tell(team, "the sun", tenant="school")
        await until(lambda: _has_pulse(team, "bank"))
        await until(lambda: _has_pulse(team, "school"))


async def _has_pulse(team: Team, tenant: str) -> bool:
    async with team.database.autocommit() as connection:
        return await pulses.newest(connection, tenant) is not None


async def test_what_runs_now_comes_first(team: Team) -> None:
    await tell(team, "the sun")
    lease = (
        "UPDATE claims SET expires_at = clock_timestamp() + interval '1 minute', is_open = false"
    )
    await team.holding.announce("one", "execution", {}, timedelta(seconds=60))
    await ask(team, f"{lease} RETURNING 1")
    made = await team.pulsing.make()
    assert made and made.text.startswith("Running now: execution 1.")
