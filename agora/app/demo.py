"""The demo: a workspace with a tool that fails, and everything that Agora does about it, live.

Nothing here is staged but the workspace itself: every call runs in the sandbox and is recorded,
every figure is counted from those records, every patch is searched, proved, approved and committed.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from textwrap import dedent
from typing import Any

from agora import team
from agora.app import runs
from agora.app.cli import output
from agora.app.cli.fix import show_change
from agora.domain import tool_records
from agora.domain.contracts import Json, ToolCall

TOOL, FEBRUARY = "buggy_calculator.divide", "calendar_days.days_in_february"
FILES = {
    "buggy_calculator.py": '''
        """A calculator that somebody wrote in a hurry."""


        def divide(a: float, b: float) -> float | None:
            """Return a divided by b; None when b is 0."""
            return a / b
        ''',
    "calendar_days.py": '''
        """How long months are."""


        def days_in_february(year: int) -> int:
            """Return how many days February has in a year of the Gregorian calendar."""
            return 28
        ''',
    "test_buggy_calculator.py": """
        from buggy_calculator import divide


        def test_a_quotient():
            assert divide(6, 3) == 2


        def test_nothing_divided():
            assert divide(0, 5) == 0


        def test_division_by_zero_has_no_result():
            assert divide(1, 0) is None
        """,
}
LATER = {
    "test_calendar_days.py": """
        from calendar_days import days_in_february


        def test_a_leap_year():
            assert days_in_february(2024) == 29
        """,
}
DIVISIONS: list[Json] = [{"a": float(n), "b": float(n % 5 and n % 5 - 1)} for n in range(50)]
"""50 calls, 40 % of them with b = 0; the tool's tests know one of these."""
YEARS = (2023, 2020, 2025, 2016, 1900, 2028, 2026, 2012, 2027, 2008, 2019, 2000)
"""Years that nobody asks about before the second patch is deployed."""
AT_ONCE = 4  # calls
WIDTH = 30  # of a bar, in characters


def is_quotient(call: ToolCall) -> bool:
    """Judge a division by what its documentation says; the repairer never sees this."""
    a, b = call.arguments["a"], call.arguments["b"]
    return call.error is None and call.result == (None if b == 0 else a / b)


def is_length(call: ToolCall) -> bool:
    """Judge a length of February by the rule of the Gregorian calendar."""
    year = call.arguments["year"]
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return bool(call.error is None and call.result == 28 + is_leap)


async def play(yes: bool, as_json: bool) -> int:
    """Run the whole demo; return the exit code."""
    began = time.monotonic()
    say: Callable[[str], None] = output.note if as_json else output.show
    async with runs.opened() as running:
        told = await _play(running, _Audience(say, yes or not sys.stdin.isatty()))
    told["seconds"] = round(time.monotonic() - began, 1)
    if as_json:
        output.show_json(told)
    is_done = told["reverted_by"] is not None and told["decisions_verified"]
    return 0 if is_done else 1


class _Audience:
    """Who watches: is told everything, and asked unless it has said yes beforehand."""

    def __init__(self, say: Callable[[str], None], is_sure: bool) -> None:
        self.say, self.is_sure = say, is_sure

    def agrees(self) -> bool:
        """Return whether the patch that was shown may be committed."""
        if self.is_sure:
            self.say("\n  approved (there is no terminal to ask, or --yes was given)")
            return True
        return input("\n  Commit this patch? [y/N] ").strip().lower() in ("y", "yes")


async def _play(running: runs.Runs, audience: _Audience) -> Json:
    say, told = audience.say, _blank()
    workspace = await _seed(say)
    say("\n1  The tool is used: 50 calls in the sandbox, each one recorded and judged.")
    told["executions"] = len(DIVISIONS)
    told["success_before"] = await _use(workspace, TOOL, DIVISIONS, is_quotient)
    say(f"   {bar(told['success_before'])}")

    say("\n2  Agora has noticed. It investigates, searches, proves, and asks.")
    told["patch_commit"] = await _improve(running, workspace, audience)
    if told["patch_commit"] is None:
        return told
    say("\n3  The same 50 calls again.")
    told["success_after"] = await _use(workspace, TOOL, DIVISIONS, is_quotient)
    say(f"   {bar(told['success_after'])}")

    say("\n4  A colleague adds a test that fails. A patch passes all tests; the gate has a doubt.")
    await _commit(workspace, LATER, "Add a test for leap years")
    told["bad_commit"] = await _improve(running, workspace, audience)
    if told["bad_commit"] is None:
        return told
    say("\n5  Then come years that no test knows. The watch over the patch counts every one.")
    await _watch(workspace, say)
    told["reverted_by"] = await _improve(running, workspace, audience)
    told["decisions_verified"] = await _verify()
    _sum_up(say, told, workspace)
    return told


def _blank() -> Json:
    return {
        "success_before": None,
        "success_after": None,
        "executions": 0,
        "patch_commit": None,
        "bad_commit": None,
        "reverted_by": None,
        "decisions_verified": False,
    }


async def _seed(say: Callable[[str], None]) -> str:
    """Make a workspace of its own for this run, beside those of earlier ones."""
    folder = team.current().settings.folder / "demo"
    earlier = sorted(folder.glob("run-*")) if folder.is_dir() else []
    if earlier:
        say(f"Earlier runs of the demo are kept in {folder}; their records stay as they are.")
    workspace = folder / f"run-{len(earlier) + 1}"
    workspace.mkdir(parents=True)
    await _commit(str(workspace), FILES, "Begin")
    say(f"A git workspace with the tool {TOOL}: {workspace}")
    return str(workspace)


async def _commit(workspace: str, files: dict[str, str], message: str) -> None:
    """Write and commit files as a colleague would."""
    texts = {name: dedent(text).lstrip("\n") for name, text in files.items()}
    await team.current().changing.commit_files(workspace, texts, message)


async def _use(
    workspace: str, tool: str, calls: Iterable[Json], oracle: Callable[[ToolCall], bool]
) -> float:
    """Call a tool with each of these arguments; return its success as the records have it."""
    places, done = asyncio.Semaphore(AT_ONCE), 0

    async def call(arguments: Json) -> None:
        nonlocal done
        async with places:
            await team.current().tooling.run(workspace, tool, arguments, judge=oracle)
        done += 1
        tell(f"calling {tool}: {done}")

    with output.progress(f"calling {tool}") as tell:
        await asyncio.gather(*(call(arguments) for arguments in calls))
    records = await team.current().watching.records()
    return tool_records.rate(
        next(one for one in records["tools"].values() if _is(one, workspace, tool))
    )


def _is(record: Json, workspace: str, tool: str) -> bool:
    return bool(record["workspace"] == workspace and record["tool"] == tool)


async def _watch(workspace: str, say: Callable[[str], None]) -> None:
    for year in YEARS:
        call = await team.current().tooling.run(
            workspace, FEBRUARY, {"year": year}, judge=is_length
        )
        said = "as documented" if is_length(call) else "WRONG"
        say(f"   days_in_february({year}) = {call.result}  {said}")
        if tool_records.alarms(await team.current().watching.records()):
            say("   The watch raises an alarm.")
            return


async def _improve(running: runs.Runs, workspace: str, audience: _Audience) -> str | None:
    """Run the improvement graph to its end; return its commit, None where there is none."""
    thread_id = runs.fresh_thread("demo")
    with output.progress("looking") as tell:
        given = {"task": {"workspace": workspace}}
        state = await running.start(
            "improvement", given, thread_id, lambda piece: _hear(piece, tell, audience)
        )
    if not state.get("status"):
        state = await _decide(running, str(state["change_id"]), thread_id, audience)
    audience.say(f"   {state['status']}: {state['message']}")
    commit: str | None = state.get("commit")
    return commit


def _hear(piece: Json, tell: Callable[[str], None], audience: _Audience) -> None:
    if piece["kind"] == "search" and piece["tried"]:
        tell(f"searching: {piece['tried']} candidates, {piece['survivors']} pass all tests")
    elif piece["kind"] == "report":
        audience.say("\n".join(f"   {line}" for line in piece["text"].splitlines()))


async def _decide(running: runs.Runs, change_id: str, thread_id: str, audience: _Audience) -> Json:
    row = await team.current().changing.find(change_id)
    audience.say("")
    if audience.say is output.show:
        show_change(row)
    said: Any = "approve" if audience.agrees() else "reject"
    decision = {"type": said, "by": "operator", "digest": row["digest"]}
    await team.current().changing.say(change_id, decision)
    return await running.answer("improvement", decision, thread_id, lambda piece: None)


async def _verify() -> bool:
    current = team.current()
    async with current.database.transaction() as connection:
        return (await current.acting.decisions.verify(connection)).first_bad is None


def bar(share: float) -> str:
    """Return a share in [0, 1] as a bar with its figure."""
    full = round(WIDTH * share)
    return f"{'█' * full}{'░' * (WIDTH - full)}  success {share:.2f}"


def _sum_up(say: Callable[[str], None], told: Json, workspace: str) -> None:
    say(f"\nSuccess {told['success_before']:.2f} before, {told['success_after']:.2f} after.")
    say(f"The bad change {told['bad_commit'][:12]} was taken back by {told['reverted_by'][:12]}.")
    is_valid = "verifies" if told["decisions_verified"] else "DOES NOT VERIFY"
    say(f"The signed log of all decisions {is_valid}: agora log show")
    say(f"See for yourself: git -C {workspace} log --stat")
