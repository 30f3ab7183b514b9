"""What pages say, read by a plain client."""

import asyncio
import json
from typing import Any

import pytest

from agora.app import deciding, runs
from agora.team import Team
from agora.team.telemetry import root_of
from graphs.improvement import graph as improvement_graph
from graphs.task import graph as task_graph
from memory import changes
from tests.conftest import ask
from tests.improving import MENDED, Workshop
from tests.running import Hire, refusing
from tests.visiting import Served, serving
from tests.web.planting import plant
from web import paths

PATHS = "/ /tasks /approvals /experts /tools /rooms /decisions /incidents".split()


async def test_every_page_says_so_when_there_is_nothing_yet(pages: Served, team: Team) -> None:
    for path in PATHS:
        text = await pages.read(path)
        assert "<main" in text and "yet" in text, path
    assert "nothing yet" in await pages.read("/capabilities")


async def test_what_is_not_there_is_said_in_a_sentence(pages: Served) -> None:
    for path in ("/tasks/nobody", "/approvals/nobody", "/decisions/99", "/rooms/nobody"):
        assert "there is no" in await pages.read(path, 404), path


async def test_a_task_shows_its_bids_of_both_rounds_its_way_and_its_costs(
    hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = iter((refusing([]), "Paris."))
    traces = {"serve.trace_url": "https://traces.example/{trace}?id={id}"}
    staff = hire(lambda messages: next(replies), cloud=True, **traces)
    await staff.ask("What is the capital of France?", id="capital")
    state = await staff.state()
    async with serving(monkeypatch) as served:
        text = await served.read("/tasks/capital")
        listed = await served.read("/tasks?text=CAPITAL")
        assert "No task is like that" in await served.read("/tasks?text=CAPITAL&status=failed")
    trace = f"{root_of('capital')[0]:032x}"
    assert f'href="https://traces.example/{trace}?id=capital"' in text
    assert "Paris." in text and "Round 1" in text and "Round 2" in text
    loser = state["tried"][0]["award"]["winner"]
    assert f"{loser['expert']}@{loser['model']} failed" in text
    for bid in state["bids"]:
        assert f"{bid['p_success']:.2f}" in text and bid["expert"] in text
    assert 'class="gone again"' in text  # back to the auction
    assert "execution, bidding, execution, reflection." in text
    assert text.count("ask model") == 2 and 'href="/tasks/capital"' in listed


async def test_feedback_from_a_page_is_heard(hire: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    staff = hire(lambda messages: "Lyon.")
    await staff.ask("What is the capital of France?", id="capital")
    async with serving(monkeypatch) as served:
        page = await served.read("/tasks/capital")
        answer = await served.post(
            "/tasks/capital/feedback", page, feedback="bad", comment="It is Paris."
        )
        assert answer.status_code == 303
    (said,) = await ask(staff.team, "SELECT word, comment FROM feedback")
    assert (said["word"], said["comment"]) == ("bad", "It is Paris.")


async def test_decisions_are_found_and_the_chain_is_verified(pages: Served, team: Team) -> None:
    for number in range(3):
        await team.acting.record("rule", f"room:{number}", "allow", actor=f"actor {number % 2}")
    text = await pages.read("/decisions?actor=actor+1")
    assert "room:1" in text and "room:0" not in text
    await pages.post("/decisions/verify", text)
    assert "The chain is intact" in await pages.read("/decisions")
    exported = (await pages.read("/decisions/export")).splitlines()
    assert [json.loads(line)["seq"] for line in exported] == [1, 2, 3]

    async with team.database.transaction() as connection:
        await connection.execute(
            "UPDATE decisions SET body = replace(body, 'room:1', 'room:9') WHERE seq = 2"
        )
    await pages.post("/decisions/verify", await pages.read("/decisions"))
    assert "The chain is broken" in await pages.read("/decisions")
    assert "Decision chain broken" in await pages.read("/")


async def test_old_pages_show_what_a_long_life_leaves(pages: Served, team: Team) -> None:
    await plant(team)
    experts = await pages.read("/experts")
    assert "Of 30 pairs" in experts and "promote: 20 for" in experts and "dropped" in experts
    tools = await pages.read("/tools")
    assert tools.index("prices.total") < tools.index("dates.next_day")
    assert "35 %" in tools and "failing tool" in tools.lower()
    incidents = await pages.read("/incidents")
    assert "Slow model: qwen3:8b" in incidents and "mended by itself" in incidents
    assert "taken back by itself" in incidents and "A change was taken back" in incidents
    capabilities = await pages.read("/capabilities")
    assert "overload: too many jobs" in capabilities
    overview = await pages.read("/")
    assert "strained" in overview and "qwen3:8b is slow" in overview
    page = await pages.post("/capabilities", capabilities, decision="resume", name="scout")
    assert page.status_code == 303 and team.capabilities.has("scout")


async def test_an_answer_whose_process_died_is_carried_out_by_a_worker(
    waiting: Workshop, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deciding.say("change", {"type": "approve", "by": "operator"})
    assert await deciding.left_behind() == []  # whoever has kept it may be at it
    async with team.database.transaction() as connection:
        await connection.execute("UPDATE approvals SET at = at - interval '1 minute'")
    (left,) = await deciding.left_behind()
    graphs: dict[str, Any] = {"improvement": waiting.app}
    await deciding.go_on(runs.Runs(graphs), left)
    assert waiting.read() == MENDED and await deciding.left_behind() == []


async def test_a_change_that_no_run_waits_for_is_applied_all_the_same(
    waiting: Workshop, team: Team
) -> None:
    async with team.database.transaction() as connection:
        await connection.execute("UPDATE changes SET thread_id = 'gone'")
    await deciding.say("change", {"type": "approve", "by": "operator"})
    state = await deciding.go_on(runs.Runs({"improvement": waiting.app}), "change")
    assert state["status"] == "fixed" and waiting.commits[0] == state["commit"]


async def test_a_run_that_has_stopped_can_be_tried_again(
    pages: Served, waiting: Workshop, team: Team
) -> None:
    (waiting.root / "prices.py").write_text("# mine, and not committed\n")
    page = await pages.read("/approvals/change")
    shown = (await team.changing.find("change"))["digest"]
    await pages.post("/approvals/change", page, decision="approve", hash=shown)
    async with asyncio.timeout(60):
        while "The run has stopped" not in (page := await pages.read("/approvals/change")):
            await asyncio.sleep(0.05)
    assert "uncommitted" in page
    (waiting.root / "prices.py").write_text(MENDED.replace("*", "+"))
    await pages.post("/approvals/change/again", page)
    async with asyncio.timeout(60):
        while "Try again" in (page := await pages.read("/approvals/change")):
            await asyncio.sleep(0.05)
        while (await team.changing.find("change"))["status"] != "applied":
            await asyncio.sleep(0.05)
    assert waiting.read() == MENDED


async def test_a_rejection_without_a_reason_is_sent_back(
    pages: Served, waiting: Workshop, team: Team
) -> None:
    page = await pages.read("/approvals/change")
    shown = (await team.changing.find("change"))["digest"]
    answer = await pages.post("/approvals/change", page, decision="reject", hash=shown)
    assert "Say why you reject it" in await pages.read(answer.headers["location"])
    async with team.database.transaction() as connection:
        assert await changes.answered(connection, "change") is None


def test_the_pictures_show_every_stage_of_the_graphs() -> None:
    assert set(paths.TASK) == set(task_graph.nodes)
    assert set(paths.IMPROVEMENT) == set(improvement_graph.nodes)
