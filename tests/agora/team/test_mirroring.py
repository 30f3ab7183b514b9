import pytest

from agora.team import Team
from tests.langsmith_server import PROJECT, Receiver, receiver, traced
from tests.promoting_crash import ADDED, EXPERT, candidate
from tests.running import Hire

__all__ = ["receiver", "traced"]
HUB = {"learning.hub": "agora-"}


def texts(receiver: Receiver, name: str) -> list[str]:
    """Return the texts of all commits of a prompt in the hub."""
    commits = receiver.repos[name]
    return [one["manifest"]["kwargs"]["messages"][0]["kwargs"]["content"] for one in commits]


@pytest.mark.usefixtures("traced")
async def test_what_is_in_production_is_mirrored_to_the_hub_once(
    hire: Hire, receiver: Receiver
) -> None:
    team = hire(**HUB).team
    await team.prompting.refresh()
    assert await team.mirroring.push() == len(receiver.repos) > 3
    version = await candidate(team)
    await team.promoting.promote("by-hand", EXPERT, version, "it has won", {}, by="operator")
    assert await team.mirroring.push() == 1 and await team.mirroring.push() == 0
    first, second = texts(receiver, f"agora-{EXPERT}")
    assert second == await team.prompting.text(EXPERT, version) == f"{first}\n{ADDED}"
    assert "it has won" not in first and receiver.repos[f"agora-{EXPERT}"][1]["parent_commit"]
    await team.promoting.rollback(EXPERT, "it has failed")
    assert await team.mirroring.push() == 1
    assert texts(receiver, f"agora-{EXPERT}") == [first, second, first]


@pytest.mark.usefixtures("traced")
async def test_a_hub_that_is_away_costs_nothing_and_hears_it_later(
    hire: Hire, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's own tries
    team = hire(**HUB).team
    await team.prompting.refresh()
    receiver.is_away = True
    assert await team.mirroring.push() == 0 and not receiver.repos
    receiver.is_away = False
    assert await team.mirroring.push() == len(receiver.repos) > 3


@pytest.mark.usefixtures("traced")
async def test_nothing_is_mirrored_unasked(team: Team, receiver: Receiver) -> None:
    await team.prompting.refresh()
    assert await team.mirroring.run() == 0 and not receiver.repos


@pytest.mark.usefixtures("traced")
async def test_what_a_person_says_reaches_the_trace_and_is_corrected_there(
    hire: Hire, receiver: Receiver
) -> None:
    staff = hire()
    outcome = await staff.ask("What is the capital of France?", id="capital")
    assert outcome["status"] == "answered" and await staff.team.mirroring.judge() == 0
    await staff.team.remembering.hear("capital", "bad", "the key is sk-abcdefgh12345678", "Paris")
    assert await staff.team.mirroring.judge() == 1 and await staff.team.mirroring.judge() == 0
    told = receiver.feedback["human_feedback"]
    (root,) = [run for run in receiver.runs.values() if not run.get("parent_run_id")]
    assert (told["run_id"], told["score"], told["session_id"]) == (root["id"], 0.0, PROJECT)
    assert told["correction"] == {"answer": "Paris"} and "sk-abc" not in told["comment"]
    await staff.team.remembering.hear("capital", "good", "on second thoughts")
    assert await staff.team.mirroring.judge() == 1
    assert told["score"] == 1.0 and told["comment"] == "on second thoughts"


async def test_where_nobody_traces_feedback_stays_here(hire: Hire, receiver: Receiver) -> None:
    staff = hire()
    await staff.ask("What is the capital of France?", id="capital")
    await staff.team.remembering.hear("capital", "bad", "")
    assert await staff.team.mirroring.judge() == 0 and not receiver.feedback
