"""Acts that a policy leaves to a person: how `agora approvals` shows and answers them."""

from typing import Any

from agora.app.cli import output


async def waiting() -> list[output.Json]:
    """Return the acts that wait for a person's yes."""
    from agora import team

    return [plain(row) for row in await team.current().acting.asked()]


async def find(one: str) -> output.Json | None:
    """Return an act that a person was asked about, answered or not."""
    from agora import team

    row = await team.current().acting.escalation(one)
    return plain(row) if row else None


def plain(row: Any) -> output.Json:
    """Return what is shown of an act."""
    act = row["act"]
    told = {name: row[name] for name in ("id", "reasons", "case_id", "thread_id", "created_at")}
    told |= {"title": f"{act['actor']}: {act['kind']} {act['subject']}", "act": act}
    return told | {"kind": "permission", "status": row["type"] or "waiting", "workspace": ""}


def show(told: output.Json) -> None:
    """Print what is wanted, by whom, and why a person is asked."""
    output.show(told["title"])
    for reason in told["reasons"]:
        output.show(f"  {reason}")
    facts = {name: value for name, value in told["act"]["facts"].items() if value}
    for name, value in facts.items():
        output.show(f"  {name}: {value}")
    output.show(f"status: {told['status']}")


async def decide(known: output.Json, decision: output.Json, as_json: bool) -> int:
    """Keep what a person says of an act, and go on with the run that waits for it."""
    from agora import team
    from agora.app import runs
    from agora.domain.errors import UsageError

    if decision["type"] == "edit":
        raise UsageError("an act is approved or rejected as it is", "agora approvals approve ID")
    decision |= {"id": known["id"]}
    async with runs.opened() as running:
        reason = decision.get("message", "")
        counted = await team.current().acting.hear(
            known["id"], decision["type"], decision["by"], reason
        )
        if counted != decision["type"]:
            output.note(f"agora: somebody else was quicker; their answer counts: {counted}")
        state: output.Json = {}
        if known["thread_id"]:
            with output.progress("going on") as tell:
                state = await running.go_on_with(
                    known["thread_id"], decision, lambda piece: tell(str(piece["kind"]))
                )
            state |= await running.status(known["thread_id"])
    return _report(state, counted, known, as_json)


def _report(state: output.Json, counted: str, known: output.Json, as_json: bool) -> int:
    outcome = state.get("outcome") or {}
    status = outcome.get("status") or state.get("status") or "noted"
    code = {"waiting": 3, "failed": 1, "refused": 4}.get(status, 0)
    told = {"decision": counted, "status": status, "thread_id": known["thread_id"] or None}
    told |= {"answer": outcome.get("answer"), "error": outcome.get("error")}
    if as_json:
        output.show_json(told)
    else:
        said = outcome.get("answer") or outcome.get("error") or state.get("message") or ""
        output.show(f"{status}: {said}" if said else status)
    return code
