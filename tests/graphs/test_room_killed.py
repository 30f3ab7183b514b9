import json

import pytest

from agora.app.takeover import take_over
from tests import killed
from tests.conftest import ask
from tests.killing import EXPIRE
from tests.running import Hire, thread

HEARING, MINUTES = "agora.team.hearing", "agora.team.minutes"


def members(messages: object) -> str:
    said = "yes" if "You are the engineer" in str(messages) else "no"
    return json.dumps({"answer": said, "confidence": 0.8, "argument": "so it is"})


@pytest.mark.parametrize(
    "at",
    [
        (HEARING, "Hearing", "votes"),
        (HEARING, "Hearing", "compared"),
        (MINUTES, "Minutes", "spent"),
        (MINUTES, "Minutes", "keep"),
        (MINUTES, "Minutes", "_record"),
    ],
    ids=lambda at: at[-1],
)
async def test_a_killed_meeting_is_finished_by_another_and_nobody_is_asked_twice(
    hire: Hire, at: tuple[str, str, str]
) -> None:
    differ = iter(("it is", "it is so", "so be it", "well", "fine"))
    staff = hire(
        members
        if at[-1] != "compared"
        else lambda _: json.dumps({"answer": next(differ, "fine"), "confidence": 0.8})
    )
    given = {"task": {"text": "Shall we paint it?", "id": "killed"}}
    order = {"graph": "war_room", "thread": "room", "stage": "seats", "given": given}
    assert await killed.start(staff, ["qwen3:8b"], at=at, nth=1, **order) == -9
    asked = len(staff.prompts)
    await ask(staff.team, EXPIRE, "room")
    assert await take_over({"war_room": staff.room}, "room") == ["room"]
    state = (await staff.room.aget_state(thread("room"))).values
    assert state["outcome"]["status"] in ("answered", "failed") and state["ruling"]["votes"]
    sealed = [one for one in staff.prompts if "Every member answers alone" in one]
    assert len(sealed) == len(set(sealed)), "a sealed answer that was given is not asked for again"
    assert len(staff.prompts) >= asked
    acts = await ask(staff.team, "SELECT attempt FROM acts WHERE kind = 'ask_model'")
    assert {act["attempt"] for act in acts} == {1}
    assert len(await ask(staff.team, "SELECT FROM rooms WHERE id = 'killed'")) == 1
