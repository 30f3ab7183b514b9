"""agora cache: the answers that are served again."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, TextIO

import typer

from agora.app.cli import output

app = typer.Typer(help="Answers that are served again: stats, show, forget, rebuild, match.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Number = Annotated[int | None, typer.Argument(min=1, help="Of the answer, as `show` lists it.")]


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Show how much is kept, how it was found, and what that has saved."""
    output.run(_stats(as_json), as_json)


@app.command()
def show(
    number: Number = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest answers, or one of them in full."""
    output.run(_show(number, limit, as_json), as_json)


@app.command()
def forget(
    number: Number = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Every answer.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget an answer: the question is asked anew the next time."""
    output.run(_forget(number, all_of_them, as_json), as_json)


@app.command()
def rebuild(as_json: AsJson = False) -> None:
    """Compute all vectors of the index again, from what PostgreSQL holds."""
    output.run(_rebuild(as_json), as_json)


@app.command()
def match(
    file: Annotated[
        Path | None, typer.Argument(help="Lines to read; standard input by default.")
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help='Lines {"a", "b"} in, {"hit"} out.')
    ] = True,
) -> None:
    """Say for each pair whether the answer to a would be served for b, by the gate alone."""
    output.run(_match(file), False)


async def _stats(as_json: bool) -> int:
    from agora import team
    from agora.app import reports

    async with team.opened() as current:
        told = await reports.cache(current)
    if as_json:
        output.show_json(told)
        return 0
    output.show_figures(told)
    return 0


async def _show(number: int | None, limit: int, as_json: bool) -> int:
    from agora import team
    from agora.domain.errors import UsageError
    from memory import answers

    async with team.opened() as current:
        async with current.database.autocommit() as connection:
            rows = await answers.show(connection, number, limit)
    if number is not None and not rows:
        raise UsageError(f"there is no answer {number}", "agora cache show")
    if as_json:
        output.show_json({"answers": rows})
    elif number is not None:
        for name, value in rows[0].items():
            output.show(f"{name.replace('_', ' '):<12}{value if value is not None else '-'}")
    else:
        columns = ["id", "question", "expert", "hits", "cost_usd", "expires_at"]
        cells = [[_cell(row[name]) for name in columns] for row in rows]
        output.show_table(columns, cells)
    return 0


def _cell(value: object) -> str:
    said = " ".join(str(value if value is not None else "-").split())
    return said if len(said) <= 80 else said[:79] + "…"


async def _forget(number: int | None, all_of_them: bool, as_json: bool) -> int:
    from agora import team
    from agora.domain.errors import UsageError

    if (number is None) == (not all_of_them):
        raise UsageError("say which answer, or --all", "agora cache forget 7")
    async with team.opened() as current:
        gone = await current.recalling.forget(number)
    if number is not None and not gone:
        raise UsageError(f"there is no answer {number}", "agora cache show")
    _tell({"forgotten": gone}, f"forgotten: {gone}", as_json)
    return 0


async def _rebuild(as_json: bool) -> int:
    from agora import team

    with output.progress("computing vectors"):
        async with team.opened() as current:
            read = await current.indexing.rebuild()
    _tell({"vectors": read}, f"{read} vectors computed", as_json)
    return 0


def _tell(told: output.Json, said: str, as_json: bool) -> None:
    if as_json:
        output.show_json(told)
    else:
        output.show(said)


async def _match(file: Path | None) -> int:
    from agora.domain import questions

    with file.open(encoding="utf-8") if file else _standard_input() as lines:
        for one, other in _pairs(lines):
            output.show_json({"hit": questions.is_same(one, other)})
    return 0


def _standard_input() -> AbstractContextManager[TextIO]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")  # whatever the locale says
    return nullcontext(sys.stdin)


def _pairs(lines: TextIO) -> Iterator[tuple[str, str]]:
    from agora.domain.errors import UsageError

    hint = 'each line is like {"a": "What is DNS?", "b": "what is dns"}'
    number = 0
    try:
        for number, line in enumerate(lines, start=1):
            if not line.strip("\ufeff \t\r\n"):
                continue
            pair = json.loads(line.lstrip("\ufeff"))
            if not isinstance(pair, dict):
                raise UsageError(f"line {number}: is no object", hint)
            for name in ("a", "b"):
                if not isinstance(pair.get(name), str):
                    raise UsageError(f"line {number}: {name!r} must be a text", hint)
            yield pair["a"], pair["b"]
    except UnicodeDecodeError:
        raise UsageError(f"line {number + 1} or later: is not UTF-8", hint) from None
    except (json.JSONDecodeError, RecursionError) as error:
        said = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise UsageError(f"line {number}: is not JSON ({said})", hint) from None
