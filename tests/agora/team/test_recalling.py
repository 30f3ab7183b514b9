from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ask, commit, repository
from tests.running import Hire, Staff

QUESTION = "What is the capital of France?"


async def is_repeated(staff: Staff, text: str, *fields: dict[str, Any]) -> bool:
    """Ask once for each set of fields and return whether the last answer came from memory."""
    for number, one in enumerate(fields):
        outcome = await staff.ask(text, on=f"{text} {number}", **one)
    return bool(outcome["cached"])


async def test_the_same_question_is_answered_from_memory(hire: Hire) -> None:
    staff = hire()
    assert await is_repeated(staff, QUESTION, {}, {})
    assert await is_repeated(staff, QUESTION.upper(), {})
    assert not await is_repeated(staff, "What is the capital of Germany?", {})


@pytest.mark.parametrize(
    "other",
    [{"tenant": "else"}, {"domain": "history"}, {"requires": ["json"]}, {"labels": ["private"]}],
    ids=lambda other: next(iter(other)),
)
async def test_what_is_known_stays_in_its_scope(hire: Hire, other: dict[str, Any]) -> None:
    assert not await is_repeated(hire(), QUESTION, {}, other)


@pytest.mark.parametrize("label", ["private", "side_effects", "untrusted"])
async def test_what_is_labelled_is_not_kept(hire: Hire, label: str) -> None:
    assert not await is_repeated(hire(), QUESTION, {"labels": [label]}, {})


@pytest.mark.parametrize(
    "text",
    ["What is my birthday?", "What is the weather now?", "Delete the oldest backup"],
    ids=["personal", "live", "side effect"],
)
async def test_what_depends_on_the_moment_is_asked_anew(hire: Hire, text: str) -> None:
    staff = hire()
    assert not await is_repeated(staff, text, {}, {}) and len(staff.prompts) == 2
    assert await ask(staff.team, "SELECT FROM answers") == []


async def test_a_workspace_that_has_changed_is_another_scope(hire: Hire, tmp_path: Path) -> None:
    staff = hire()
    workspace = repository(tmp_path / "w", {"a.py": "x = 1\n"})
    same = {"workspace": str(workspace)}
    assert await is_repeated(staff, QUESTION, same, same)

    (workspace / "a.py").write_text("x = 2\n")
    assert not await is_repeated(staff, QUESTION, same), "uncommitted work"
    commit(workspace, "two")
    assert not await is_repeated(staff, QUESTION, same), "another commit"
    assert await is_repeated(staff, QUESTION, same)


async def test_an_answer_lives_as_long_as_the_settings_say(hire: Hire) -> None:
    staff = hire()
    await staff.ask(QUESTION)
    await ask(staff.team, "UPDATE answers SET expires_at = clock_timestamp() RETURNING 1")
    assert not await is_repeated(staff, QUESTION, {})
    assert await is_repeated(staff, QUESTION, {}), "the fresh answer took the dead one's place"


async def test_a_failure_is_not_remembered(hire: Hire) -> None:
    staff = hire()
    staff.server.fail("empty")
    await staff.ask(QUESTION, requires=["software"])
    assert await ask(staff.team, "SELECT FROM answers") == []
