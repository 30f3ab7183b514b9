"""agora calibrate: a set of exercises through all experts, so that the auction starts warm."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from agora.app.cli import output


def calibrate(
    file: Annotated[Path, typer.Argument(help='JSON Lines: {"text", "answer", "domain"?}.')],
    budget: Annotated[float | None, typer.Option(min=0, help="At most so many USD.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask what it may cost.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Let every expert on every model answer each exercise, and learn from the outcomes."""
    output.run(_calibrate(file, budget, yes, as_json), as_json)


async def _calibrate(file: Path, budget: float | None, yes: bool, as_json: bool) -> int:
    from agora import team
    from agora.domain import exercises
    from agora.domain.errors import NobodyCanError, UsageError

    try:
        found = exercises.parse(str(file), file.read_text("utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not UTF-8 ({error})", "save it as UTF-8") from None
    async with team.opened() as current:
        trials = await current.calibrating.plan(found, budget)
        if not trials:
            hint = "set OLLAMA_HOST or OPENAI_API_KEY; see agora doctor"
            raise NobodyCanError("no expert has a model, so there is nobody to calibrate", hint)
        _confirm(len(trials), current.calibrating.most_usd(trials), budget, yes)
        with output.progress("asking") as tell:
            done = await current.calibrating.run(
                trials, lambda number, of: tell(f"answers: {number} of {of}")
            )
    return _report(done, as_json)


def _confirm(answers: int, most_usd: float, budget: float | None, yes: bool) -> None:
    from agora.domain.errors import UsageError

    if yes or not most_usd or budget is not None:
        return
    said = f"{answers} answers could cost {most_usd:.2f} USD"
    if not sys.stdin.isatty():
        raise UsageError(said, "say --yes, or how much it may cost: --budget USD")
    typer.confirm(f"{said}. Ask for them?", abort=True)


def _report(done: list[output.Json], as_json: bool) -> int:
    names = sorted({one["bidder"] for one in done})
    told = [_of(name, [one for one in done if one["bidder"] == name]) for name in names]
    total_usd = sum(one["cost_usd"] for one in told)
    if as_json:
        output.show_json({"experts": told, "answers": len(done), "cost_usd": total_usd})
    else:
        rows = [
            [
                one["name"],
                f"{one['right']} of {one['outcomes']}",
                str(one["failed"]),
                f"{1000 * one['cost_usd']:.3f}",
                one["error"],
            ]
            for one in told
        ]
        output.show_table(["bidder", "right", "no answer", "cost m$", "why"], rows)
    return 0 if any(one["outcomes"] for one in told) else 1


def _of(name: str, outcomes: list[output.Json]) -> output.Json:
    judged = [one for one in outcomes if one["right"] is not None]
    return {
        "name": name,
        "right": sum(one["right"] for one in judged),
        "outcomes": len(judged),
        "failed": len(outcomes) - len(judged),
        "cost_usd": sum(one["cost_usd"] for one in outcomes),
        "error": next((one["error"] for one in outcomes if one["right"] is None), ""),
    }
