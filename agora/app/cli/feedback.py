"""agora feedback: what a person says of an answer."""

from typing import Annotated, Literal

import typer

from agora.app.cli import output


def feedback(
    task: Annotated[str, typer.Argument(help="The task, as `agora ask --json` names it.")],
    word: Annotated[str, typer.Argument(help="good or bad.")],
    comment: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    answer: Annotated[str | None, typer.Option(help="What would have been right.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Say whether an answer was right; a wrong one is never served again."""
    output.run(_feedback(task, word, comment, answer, as_json), as_json)


async def _feedback(task: str, word: str, comment: str, answer: str | None, as_json: bool) -> int:
    from agora import team
    from agora.domain.errors import UsageError

    if word not in ("good", "bad"):
        raise UsageError(f"{word!r} is neither good nor bad", f"agora feedback {task} bad")
    said: Literal["good", "bad"] = "good" if word == "good" else "bad"
    async with team.opened() as current:
        forgotten = await current.remembering.hear(task, said, comment, answer)
        await current.meeting.heed(task, is_right=said == "good")
        await current.learning.watch()
        await current.mirroring.judge()
    told = {"task_id": task, "feedback": said, "forgotten": forgotten}
    if as_json:
        output.show_json(told)
        return 0
    output.show(f"noted: {said}" + (f"; answers forgotten: {forgotten}" if forgotten else ""))
    return 0
