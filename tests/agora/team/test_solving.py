from typing import Any

from yoyo import get_backend, read_migrations

from agora.domain.contracts import Change, Json, Opportunity
from agora.domain.repair.solutions import RIVALS, Instinct
from agora.team import Team
from agora.team.acting import standing_alone
from memory.database import migrate
from tests.agora.domain.repair.test_solutions import lesson
from tests.conftest import ask
from tests.reading import ROOT


async def applied(team: Team, number: int, kind: str = "variable", status: str = "applied") -> str:
    """Write an accepted fix down, as deploying leaves it."""
    given: Json = {"id": f"change{number}", "subject": "tool.py", "workspace": "/w", "base": "b"}
    change = Change.model_validate(given | {"diff": f"+{number}\n", "at": "2026-01-01T00:00:00Z"})
    told: Json = {"operator": kind, "context": "Name in Return", "exception": "KeyError"}
    told |= {"candidates": 40, "until_first": 7, "lesson": lesson(kind)}
    with standing_alone("case", "improving"):
        await team.changing.propose(change, None, {"solution": told})
    await ask(team, "UPDATE changes SET status = %s WHERE id = %s RETURNING id", status, change.id)
    return change.id


async def ended(team: Team, number: int, verdict: str) -> None:
    subject = f"/w:{number}"
    await team.watching.open_one(Opportunity(id="", kind="failing_tests", subject=subject))
    (row,) = [one for one in await team.watching.living() if one["subject"] == subject]
    await team.watching.close(row["id"], verdict)


async def test_an_accepted_fix_teaches_the_next_search_and_is_listed(team: Team) -> None:
    assert await team.solving.instinct() == Instinct()
    for number in range(3):
        change = await applied(team, number)
        await team.solving.learn(change)
        await team.solving.learn(change)
    known = await team.solving.instinct()
    assert known.weights["variable"] > 0
    (row,) = await team.solving.listed()
    assert (row["operator"], row["exception"], row["fixes"]) == ("variable", "KeyError", 3)


async def test_what_was_taken_back_teaches_nothing(team: Team) -> None:
    change = await applied(team, 1)
    await team.solving.learn(change)
    await ask(team, "UPDATE changes SET status = 'reverted' WHERE id = %s RETURNING id", change)
    assert await team.solving.instinct() == Instinct() and await team.solving.listed() == []


async def test_what_an_earlier_version_has_kept_teaches_as_before(team: Team, url: str) -> None:
    await team.solving.learn(await applied(team, 1))
    waiting = await applied(team, 2)
    query = (
        "SELECT lesson FROM solutions UNION ALL"
        " SELECT evidence #> '{solution,lesson}' FROM changes ORDER BY 1"
    )
    kept = await ask(team, query)
    with get_backend(url.replace("postgresql://", "postgresql+psycopg://")) as backend:
        found = read_migrations(str(ROOT / "memory" / "migrations"))
        backend.rollback_migrations(found.filter(lambda one: one.id == "0022.lessons"))
    for row in await ask(team, query):
        assert {len(one) for one in row["lesson"]["rows"]} == {6} and row["lesson"]["contexts"]
    migrate(url)
    assert len(kept) == 3 and await ask(team, query) == kept
    await team.solving.learn(waiting)


async def improver(team: Team) -> list[Any]:
    return [row for row in await team.watching.living() if row["kind"] == "improver"]


async def test_an_improver_that_seldom_succeeds_is_challenged_by_another_manner(
    team: Team,
) -> None:
    for number in range(9):
        await ended(team, number, "not_found")
    await team.solving.review()
    assert await improver(team) == []
    await ended(team, 9, "fixed")
    await team.solving.review()
    await team.solving.review()
    (row,) = await improver(team)
    assert row["evidence"]["attempted"] == 10 and row["evidence"]["deployed"] == 1
    (trial,) = await team.proving.listed("improver")
    assert trial["candidate"] == RIVALS[0].as_json()

    for number in range(4):
        await team.solving.learn(await applied(team, number, "variable"))
    (trial,) = await team.proving.listed("improver")
    assert trial["pairs"] == 4, "every new fix is looked for by both"


async def test_a_manner_that_wins_its_trial_is_used_from_then_on(team: Team) -> None:
    trial = await team.proving.open("improver", "operators", RIVALS[1].as_json())
    await team.proving.end(trial, "promoted")
    await team.solving.learn(await applied(team, 1))
    assert (await team.solving.instinct()).boldness == RIVALS[1].boldness


async def test_where_people_refuse_half_of_the_fixes_the_smallest_edits_come_first(
    team: Team,
) -> None:
    for number in range(2):
        await team.solving.learn(await applied(team, number))
    assert (await team.solving.instinct("/w")).weights
    for number in range(2, 4):
        await applied(team, number, "constant", "rejected")
    kinds = {(one.kind, one.subject) for one in await team.solving.habits("/w")}
    assert kinds == {("conservative", "the search"), ("last", "constant")}
    known = await team.solving.instinct("/w")
    assert known.weights == {} and known.last == ("constant",)
    assert (await team.solving.instinct("/another")).weights, (
        "what one workspace refuses is its own"
    )
