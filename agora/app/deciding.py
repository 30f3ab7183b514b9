"""Deciding: what a person says of a change is kept first; then its run goes on, once."""

from datetime import timedelta

from agora import team
from agora.app.learning import ask_person
from agora.app.runs import Hear, Runs
from agora.domain.contracts import Json
from agora.domain.errors import RefusedError, UsageError
from agora.team.acting import standing_alone
from agora.team.prompting import KIND
from memory import appeals, views

PATIENCE = timedelta(seconds=10)
"""So old is an answer whose run nobody has gone on with: whoever kept it has died."""


async def say(change_id: str, decision: Json) -> str:
    """Keep a decision of somebody who has seen exactly these bytes; return the one that counts.

    Raises UsageError when nothing is left to decide, RefusedError when the change is another now.
    """
    changing = team.current().changing
    row = await changing.find(change_id)
    changing.refuse_settled(row)
    if decision.get("digest", row["digest"]) != row["digest"]:
        raise RefusedError(f"change {change_id} is not what you were shown", "look at it again")
    return await changing.say(change_id, decision | {"digest": row["digest"]})


async def go_on(running: Runs, change_id: str, hear: Hear = lambda piece: None) -> Json:
    """Go on with the run that waited for a decision, and return its state."""
    changing = team.current().changing
    row, said = await changing.find(change_id), await changing.answered(change_id)
    assert said is not None
    decision = {name: said[name] for name in ("type", "by", "digest", "diff")}
    decision |= {"message": said["reason"]}
    if row["kind"] == KIND:
        await ask_person(running, row)  # no worker may have done so yet
    state = await running.answer("improvement", decision, row["thread_id"], hear)
    if (await changing.find(change_id))["status"] not in ("proposed", "waiting"):
        return state
    return await _without_a_run(change_id, decision)


async def _without_a_run(change_id: str, decision: Json) -> Json:
    """Do at once what a decision asks for, where no run waits for it."""
    changing = team.current().changing
    if (said := await changing.hear(change_id, decision)) != "approve":
        untested = "no run is left that could test another version"
        message = "rejected" if said == "reject" else f"rejected: {untested}"
        return {"status": "rejected", "message": message, "change_id": change_id}
    with standing_alone(change_id, "deploying"):
        commit = await changing.deploy(change_id)
    return {"status": "fixed", "commit": commit, "change_id": change_id, "message": "applied"}


async def permit(act_id: str, decision: Json) -> str:
    """Keep what a person says of an act that waits for a yes; return the answer that counts."""
    if decision["type"] not in ("approve", "reject"):
        raise UsageError("an act is approved or rejected as it is")
    said = (act_id, decision["type"], decision["by"], decision.get("message", ""))
    return await team.current().acting.hear(*said)


async def go_on_permitted(running: Runs, act_id: str, hear: Hear = lambda piece: None) -> Json:
    """Go on with the run that waited for a yes or no to an act; return its state."""
    row = await team.current().acting.escalation(act_id)
    if row is None or not row["thread_id"]:
        return {}  # outside of any run the answer holds for the next act
    decision = {"type": row["type"], "by": row["by"], "message": row["reason"], "id": act_id}
    return await running.go_on_with(row["thread_id"], decision, hear)


async def left_behind() -> list[str]:
    """Return the changes that were answered, and whose runs nobody goes on with."""
    async with team.current().database.autocommit() as connection:
        return await views.answered(connection, PATIENCE)


async def rule(room_id: str, answer: str, by: str) -> str:
    """Keep what a person rules where a meeting cannot, "" for nothing; return what counts."""
    return await team.current().meeting.appealing.hear(room_id, answer, by)


async def go_on_ruled(running: Runs, room_id: str, hear: Hear = lambda piece: None) -> Json:
    """Go on with the run whose meeting waited for a person; return its state."""
    row = await team.current().meeting.appealing.find(room_id)
    assert row is not None and row["answer"] is not None
    kind = "edit" if row["answer"] else "reject"
    decision = {"type": kind, "answer": row["answer"], "by": row["by"]}
    return await running.go_on_with(row["thread_id"], decision, hear)


async def unruled() -> list[str]:
    """Return the meetings that a person has ruled, and whose runs nobody goes on with."""
    async with team.current().database.autocommit() as connection:
        return await appeals.left(connection, PATIENCE)
