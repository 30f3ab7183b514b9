import json
from collections.abc import Sequence
from typing import Any

from agora.domain.contracts import Json
from agora.team import Team
from tests.conftest import ask
from tests.promoting_crash import ADDED, EXPERT, candidate
from tests.running import Hire, Staff

QUESTION = "Is clause {} valid?"


def answering(messages: Sequence[Any]) -> str:
    """Answer better with the candidate's prompt; as a judge, know what is right."""
    text = str(messages[-1]["content"])
    if "<answer>" in text:
        right = "yes" in text.partition("<answer>")[2].partition("</answer>")[0]
        return json.dumps({"right": right, "wrong_because": "it is valid", "better": "read it"})
    return "yes" if ADDED in str(messages[0]["content"]) else "no"


async def law(staff: Staff, number: int, **more: Any) -> str:
    """Do a task that only the expert on law may do; return its id."""
    on, given = f"t{number}", {"requires": ["law"], "domain": "law"} | more
    outcome = await staff.ask(QUESTION.format(number), on=on, **given)
    assert outcome["answer"] in ("no", "yes")
    return str((await staff.state(on))["task"]["id"])


async def begun(team: Team) -> tuple[str, int]:
    version = await candidate(team)
    return await team.promoting.open_trial(EXPERT, version), version


async def figures(team: Team, trial: str) -> Json:
    row = await team.proving.find(trial)
    return {name: row[name] for name in ("wins", "losses", "pairs")}


async def test_the_user_gets_the_incumbents_answer_and_the_candidate_answers_later(
    hire: Hire,
) -> None:
    staff = hire(answering)
    trial, _ = await begun(staff.team)
    task_id = await law(staff, 1)
    assert len(staff.server.exchanges) == 1
    assert await staff.team.trying.run() == 0  # nobody knows yet who was right
    assert len(staff.server.exchanges) == 2
    assert (await staff.state("t1"))["outcome"]["answer"] == "no"
    await staff.team.remembering.hear(task_id, "bad", "", "yes")
    assert await staff.team.trying.run() == 1
    assert await figures(staff.team, trial) == {"wins": 1, "losses": 0, "pairs": 1}
    assert len(staff.server.exchanges) == 2, "nothing is asked twice"


async def test_a_task_counts_once_however_often_the_job_runs(hire: Hire) -> None:
    staff = hire(answering)
    trial, _ = await begun(staff.team)
    await staff.team.remembering.hear(await law(staff, 1), "bad", "", "yes")
    for _ in range(3):
        await staff.team.trying.run()
    assert (await figures(staff.team, trial))["pairs"] == 1


async def test_what_has_effects_is_never_done_twice(hire: Hire) -> None:
    staff = hire(answering)
    await begun(staff.team)
    await law(staff, 1, labels=["side_effects"])
    assert await staff.team.trying.run() == 0 and len(staff.server.exchanges) == 1
    assert await ask(staff.team, "SELECT FROM beside") == []


async def test_a_winner_is_in_production_for_the_next_task(hire: Hire) -> None:
    staff = hire(answering)
    _, version = await begun(staff.team)
    for number in range(7):
        await staff.team.remembering.hear(await law(staff, number), "bad", "", "yes")
    await staff.team.trying.run()
    (done,) = await staff.team.promoting.conclude()
    assert (done["status"], done["version"], done["pairs"]) == ("applied", version, 7)
    await law(staff, 99)
    state = await staff.state("t99")
    assert state["outcome"]["answer"] == "yes"
    assert state["context"]["prompt_versions"][EXPERT] == version


async def test_a_task_ends_with_the_prompt_that_it_began_with(hire: Hire) -> None:
    staff = hire(answering)
    version = await candidate(staff.team)
    await staff.team.prompting.refresh()
    await staff.team.promoting.promote("now", EXPERT, version, "r", {}, by="operator")
    (expert,) = (one for one in staff.team.prompting.experts() if one.name == EXPERT)
    pinned = await staff.team.prompting.pinned(expert, {EXPERT: version})
    assert ADDED in pinned.system
    assert ADDED not in (await staff.team.prompting.pinned(pinned, {EXPERT: 1})).system


async def test_a_judge_of_another_family_decides_where_nobody_has_spoken(hire: Hire) -> None:
    staff = hire(answering, local=("qwen3:8b",), cloud=True)
    trial, _ = await begun(staff.team)
    policies: Json = {"labels": ["residency:local"]}
    task_id = await law(staff, 1, **policies)
    winner = (await staff.state("t1"))["award"]["winner"]["model"]
    assert winner == "qwen3:8b"
    await staff.team.trying.run()
    said = await ask(
        staff.team, "SELECT source, is_right, weight FROM judgements WHERE task_id = %s", task_id
    )
    judged = [one for one in said if one["source"] == "judge"]
    assert judged == []  # the label keeps the task from the only judge
    other = await law(staff, 2, policy="quality")
    model = (await staff.state("t2"))["award"]["winner"]["model"]
    await staff.team.trying.run()
    (judge,) = await ask(
        staff.team,
        "SELECT is_right, weight, reason FROM judgements WHERE source = 'judge' AND task_id = %s",
        other,
    )
    assert judge == {"is_right": False, "weight": 0.6, "reason": "it is valid; better: read it"}
    asked = [one for one in staff.server.exchanges if "<answer>" in one.prompt]
    assert asked and {one.model for one in asked}.isdisjoint({model})
    assert await figures(staff.team, trial) == {"wins": 1, "losses": 0, "pairs": 1}
    (memory,) = await ask(
        staff.team, "SELECT text FROM memories WHERE kind = 'reflection' AND origin = %s", other
    )
    assert "risk was wrong: it is valid; better: read it" in memory["text"]


async def test_a_later_word_corrects_what_an_outcome_counts(hire: Hire) -> None:
    staff = hire(answering)
    task_id = await law(staff, 1)
    tally = (await staff.team.market.standings())["bidders"]["risk@qwen3:8b"]
    assert (tally["right"], tally["wrong"]) == (1, 0)
    await staff.team.remembering.hear(task_id, "bad", "it is valid", "yes")
    tally = (await staff.team.market.standings())["bidders"]["risk@qwen3:8b"]
    assert (tally["right"], tally["wrong"]) == (0, 1)
    assert tally["cells"]["law"]["wrong"] == 1
    await staff.team.remembering.hear(task_id, "bad", "still")
    assert len(await staff.events("outcome.corrected")) == 1


async def test_bad_words_after_the_tasks_open_an_opportunity(hire: Hire) -> None:
    staff = hire(answering)
    for number in range(10):
        task_id = await law(staff, number)
        await staff.team.remembering.hear(task_id, "bad", "wrong clause")
    await staff.team.learning.watch()
    (row,) = await ask(staff.team, "SELECT subject, evidence FROM opportunities")
    assert row["subject"] == EXPERT and row["evidence"]["success"] == 0.0
    assert row["evidence"]["shared"]["error"] == "wrong clause"
    assert len(row["evidence"]["failures"]) == 10


async def test_a_model_of_ones_own_bids_once_it_has_won(hire: Hire) -> None:
    def script(messages: Sequence[Any]) -> str:
        return "no"

    staff = hire(script, local=("qwen3:8b", "mine:1"))
    told = await staff.team.distilling.join("mine:1", "qwen3:8b")
    await law(staff, 1)
    state = await staff.state("t1")
    assert state["award"]["winner"]["model"] == "qwen3:8b"
    mine = [one for one in state["bids"] if one["model"] == "mine:1"]
    (barred,) = [one for one in mine if one["expert"] == EXPERT]
    assert barred["score"] is None and "on trial" in " ".join(barred["reasons"])
    await staff.team.trying.run()
    assert {one.model for one in staff.server.exchanges} == {"qwen3:8b", "mine:1"}
    for number in range(7):
        await staff.team.proving.pair(told["trial"], f"x{number}", False, True)
    await law(staff, 2)
    bids = [one for one in (await staff.state("t2"))["bids"] if one["model"] == "mine:1"]
    assert any(one["score"] is not None for one in bids)


async def test_a_wording_from_studio_holds_for_one_run(hire: Hire) -> None:
    from tests.running import thread

    staff = hire(answering)
    shipped = await staff.team.prompting.production(EXPERT)
    text = f"{await staff.team.prompting.text(EXPERT, shipped)}\n{ADDED}"
    given = {"text": QUESTION.format(1), "requires": ["law"]}
    done = await staff.task.ainvoke(
        {"task": given}, thread("own"), durability="sync", context={"risk_prompt": text}
    )
    assert done["outcome"]["answer"] == "yes"
    channels = (await staff.team.prompting.channels())[EXPERT]
    assert channels == {"production": 1}
    assert (await staff.team.prompting.version(EXPERT, 2))["author"] == "studio"
    plain = await staff.task.ainvoke({"task": given}, thread("plain"), durability="sync")
    assert plain["outcome"]["answer"] == "no" and not plain["outcome"]["cached"]


def test_studio_shows_each_prompt_as_a_field_of_its_node() -> None:
    from nodes.wordings import Wordings

    fields = Wordings.model_json_schema()["properties"]
    assert set(fields) == {
        f"{one}_prompt" for one in ("engineer", "generalist", "researcher", "risk")
    }
    for field in fields.values():
        assert field["langgraph_type"] == "prompt" and field["langgraph_nodes"] == ["execution"]
        assert field["default"]
