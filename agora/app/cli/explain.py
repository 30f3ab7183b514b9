"""agora explain: why a task was done as it was, or what Agora is and does."""

from typing import Annotated

import typer

from agora.app.cli import output


def explain(
    task: Annotated[
        str | None, typer.Argument(help="The id of a task; without one Agora explains itself.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Say why a task was done as it was; without one, what I am, do, and am unsure of."""
    work = _explain(task, as_json) if task else _itself(as_json)
    output.run(work, as_json)


async def _itself(as_json: bool) -> int:
    from itertools import groupby

    from agora import team
    from agora.app import explanations

    async with team.opened() as current:
        said = await explanations.explain(current)
    if as_json:
        output.show_json({"says": [one.as_json() for one in said]})
        return 0
    for about, sentences in groupby(said, key=lambda one: one.about):
        output.show(f"{about[0].upper()}{about[1:]}")
        for one in sentences:
            output.show(f"  {one.says}  [{one.source}]")
    return 0


async def _explain(task_id: str, as_json: bool) -> int:
    from agora.app import runs
    from agora.domain.errors import UsageError

    async with runs.opened() as running:
        state = await running.task_state(task_id)
        if state is None:
            raise UsageError(f"there is no task {task_id}", "agora stats counts those there are")
    told = _told(state)
    if as_json:
        output.show_json(told)
        return 0
    for line in _lines(told):
        output.show(line)
    if state.get("parts"):
        show_parts(state)
    return 0


def _told(state: output.Json) -> output.Json:
    plan, award = state.get("plan") or {}, state.get("award")
    return {
        "task_id": state["task"]["id"],
        "is_whole": plan.get("is_whole", True),
        "reason": plan.get("reason", "it never came to planning"),
        "subtasks": plan.get("subtasks", []),
        "winner": award["winner"] if award else None,
        "tried": [one["outcome"]["error"] for one in state.get("tried") or []],
        "ruling": state.get("ruling"),
        "status": (state.get("outcome") or {}).get("status", "open"),
    }


def _lines(told: output.Json) -> list[str]:
    lines = [f"{'done whole' if told['is_whole'] else 'split'}: {told['reason']}"]
    lines += [f"failed: {error}" for error in told["tried"]]
    winner = told["winner"]
    if winner and not told["ruling"]:
        name = f"{winner['expert']}@{winner['model']}" if winner["model"] else winner["expert"]
        lines.append(f"won by {name}: {winner['p_success']:.2f} likely to succeed")
    if ruling := told["ruling"]:
        lines.append(f"war room: {ruling['reason']}, decided by {ruling['decided_by']}")
    return [*lines, f"status: {told['status']}"]


def show_parts(state: output.Json) -> None:
    """Print what became of each subtask."""
    rows = []
    for one in state["plan"]["subtasks"]:
        outcome = state["parts"].get(one["id"], {}).get("outcome", {})
        by = "@".join(filter(None, (outcome.get("expert"), outcome.get("model"))))
        rows.append(
            [
                one["id"],
                one["text"].strip().splitlines()[-1][:60],
                ", ".join(one["after"]),
                outcome.get("status", "open"),
                by,
                f"{outcome.get('cost_usd', 0.0):.4f}",
                f"{outcome.get('latency_s', 0.0):.1f}",
                outcome.get("error") or "",
            ]
        )
    columns = ["subtask", "what", "after", "status", "by", "USD", "s", "why not"]
    output.show_table(columns, rows)
