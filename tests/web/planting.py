"""Rows that a long life leaves behind, for pages to show: changes, tools, trials, a pulse."""

from datetime import UTC, datetime, timedelta

from agora.domain.contracts import Change, Json, Opportunity, Ruling, Vote
from agora.domain.health import Check
from agora.team import Team
from agora.team.acting import standing_alone
from memory import beats, changes, events, incidents, opportunities, pulses, rooms
from memory.events import Cursor
from memory.pulses import Pulse
from tests.improving import BEFORE, DIFF, FAILING, OTHER_DIFF

PULSE = "Two tasks were answered. A patch for prices.py waits for a person."
TOOLS = {"prices.total": 7, "prices.discount": 19, "dates.next_day": 20}


async def plant(team: Team) -> None:
    """Leave something of everything."""
    await team.acting.record("approve_change", "planted", "approve", actor="operator")
    await plant_change(team)
    await plant_tools(team)
    await plant_trial(team)
    await plant_pulse(team)
    await plant_room(team)
    await plant_incident(team)


async def plant_change(
    team: Team, diff: str = DIFF, title: str = "Repair total in prices.py"
) -> None:
    """Leave a change that waits."""
    change = Change(
        id="planted",
        subject="prices.py",
        workspace="/home/operator/shop",
        base="4be17a9" * 5 + "4be17",
        diff=diff,
        at="2026-01-01T00:00:00Z",
        title=title,
    )
    tests = {"failing_before": [FAILING], "failing_after": [], "passing_after": [FAILING]}
    rival = {"diff": OTHER_DIFF, "description": "swap the operands", "reasons": ["equally short"]}
    evidence = {
        "report": "1 of 2 tests fails.\n  test_three_pieces: AssertionError: assert 5.5 == 7.5",
        "tests": tests | {"seconds": 1.2},
        "verdict": {"verdict": "flag", "rule": "result", "reason": "prices.py:3: a result changes"},
        "rivals": [rival],
        "reasons": ["passes all tests", "one operator changes"],
        "target": BEFORE.as_json(),
    }
    with standing_alone("case", "improving"):
        await team.changing.propose(change, None, evidence)
    async with team.database.transaction() as connection:
        await changes.move(connection, "planted", "waiting", "proposed")


async def plant_tools(team: Team) -> None:
    """Leave judged calls of three tools over some days, and what one of them has led to."""
    now = datetime.now(UTC)
    async with team.database.transaction() as connection:
        for tool, right in TOOLS.items():
            for number in range(20):
                told = {"workspace": "/home/operator/shop", "path": "prices.py", "tool": tool}
                told |= {"is_right": number < right, "arguments": {}, "error": None}  # type: ignore[dict-item]
                await events.publish(connection, "use", "tool.judged", told)
        await connection.execute(
            "UPDATE events SET at = %s - make_interval(days => (id %% 6)::int) "
            "WHERE kind = 'tool.judged'",
            [now],
        )
    await team.watching.detect("/home/operator/shop")


async def plant_trial(team: Team) -> None:
    """Leave a trial that runs, and one that has ended."""
    proving = team.proving
    for subject, pairs in (("researcher", 30), ("engineer", 12)):
        trial_id = await proving.open("prompt", subject, {"version": 2})
        for number in range(pairs):
            await proving.pair(trial_id, f"{subject}-{number}", number % 3 > 0, number % 6 > 0)
        if subject == "engineer":
            await proving.end(trial_id, "dropped")


async def plant_pulse(team: Team, text: str = PULSE) -> None:
    """Leave a pulse that a model has written."""
    pulse = Pulse(
        tenant="default",
        at=datetime.now(UTC) - timedelta(minutes=3),
        text=text,
        author="generalist@qwen3:8b",
        labels=[],
        sources={"events": [], "tasks": []},
        cursor=Cursor(1, 1),
    )
    async with team.database.transaction() as connection:
        await pulses.keep(connection, pulse)


async def plant_room(team: Team, said: str = "wait") -> None:
    """Leave the minutes of a meeting."""
    votes = tuple(
        Vote(
            expert=expert,
            model="qwen3:8b",
            department="Risk",
            family=family,
            answer=answer,
            meaning=answer,
            argument="It says so.",
            confidence=0.8,
            weight=weight,
        )
        for expert, family, answer, weight in (
            ("risk", "qwen", said, 1.4),
            ("ml", "gemma", "sell", 0.6),
        )
    )
    ruling = Ruling(
        answer=said,
        confidence=0.7,
        votes=votes,
        is_consensus=True,
        reason="most weight stands behind it",
        decided_by="vote",
        dissent=("sell",),
        calls=2,
    )
    minutes = {"task": {"text": f"Sell or {said}?"}, "seats": [], "ruling": ruling.as_json()}
    minutes |= {"spent": {"calls": 2, "tokens": 812, "cost_usd": 0.0021}}
    async with team.database.transaction() as connection:
        await rooms.keep(connection, "room-1", "thread", "general", minutes)


async def plant_incident(team: Team) -> None:
    """Leave an incident that was healed, an alarm, an alert, beats, and a capability that rests."""
    now = datetime.now(UTC)
    remedy = {"remedy": "shift_weight", "said": "qwen3:8b gets one task in ten", "took_s": 0.1}
    evidence = {"fault": "slow_model", "subject": "qwen3:8b", "cause": "five times slower"}
    told: Json = {"detected_at": (now - timedelta(minutes=20)).isoformat(), **evidence}
    told |= {"healed_at": now.isoformat(), "duration_s": 1140.0, "remedies": [remedy]}
    watch = {"change": "planted", "watch": {"outcomes": 12}}
    alarm = Opportunity(
        id="alarm", kind="alarm", subject="/home/operator/shop:planted", evidence=watch
    )
    async with team.database.transaction() as connection:
        await incidents.keep(connection, "slow", "slow_model qwen3:8b", told)
        await incidents.close(connection, "slow_model qwen3:8b", told, "healed")
        await opportunities.open_one(connection, alarm)
        await opportunities.close(connection, "alarm", "reverted")
        await connection.execute(ALERT, [now, now])
        checks = [Check("store:postgresql"), Check("model:servers", "warn", "qwen3:8b is slow")]
        await beats.beat(connection, checks, now, timedelta(seconds=15))
    await team.capabilities.pause("scout", "overload: too many jobs")


ALERT = """
INSERT INTO alerts (id, kind, subject, severity, text, at, last_at, status)
VALUES ('alert', 'regression', 'prices.py', 'high', 'A change was taken back', %s, %s, 'sent')
"""
