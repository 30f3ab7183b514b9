"""Speeding: a sound tool that is slow gets a version that gives the same, sooner.

Only tools that do nothing but compute: for all others nobody can tell from results alone whether a
version does the same. Rewrites found by syntax and experts' proposals run the same race.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from agora.domain.contracts import Act, ActOutcome, Json, Replay, Verdict, digest_of
from agora.domain.detection import analyzed
from agora.domain.errors import SandboxFailedError
from agora.domain.repair.patches import apply, parse
from agora.domain.repair.proposals import understood
from agora.domain.repair.races import FASTER, Entry, race, sift
from agora.domain.repair.versions import Version, is_same_kind, versions
from agora.domain.settings import Settings
from agora.domain.tools import Tool
from agora.team.acting import Acting
from agora.team.changing import Changing
from agora.team.proposing import Offered, Proposing
from agora.team.solving import Solving, reasons
from agora.team.testing import Testing
from agora.team.tooling import Tooling
from agora.team.watching import Watching
from agora.team.workbench import Bench, on_a_copy
from memory.database import Row

Tell = Callable[..., None]
RECORDED = 500
"""Good calls of a file that a slow tool's are chosen from."""
RACED = 3
"""Versions that run the whole race, the fastest at first sight first."""
TOLD = 3
RACES = 300
"""Ordinals of the gate's races begin here, beyond those of its tests."""


@dataclass(frozen=True)
class Speeding:
    """The races of this installation."""

    settings: Settings
    acting: Acting
    watching: Watching
    changing: Changing
    solving: Solving
    proposing: Proposing
    tooling: Tooling
    testing: Testing

    async def why_nothing(self, root: str) -> str:
        """Return in one sentence why no tool of a workspace is to be made faster."""
        slow = [one for one in await self.watching.signs(root) if one.kind == "slow_tool"]
        if slow:
            name = slow[0].evidence["tool"]
            return (
                f"what could be done for {name} was refused, or nothing was found: it is tried "
                "again when its file or a test changes"
            )
        if not analyzed(await self.watching.records(), root):
            return (
                "of no tool here, as it is now, a call is recorded: `agora tools run` records what "
                "it calls"
            )
        slow_s, least = self.settings.repair.slow_s, self.settings.repair.executions
        return (
            f"no sound tool takes more than {slow_s:g} s (repair.slow_s) in the median of "
            f"{least} recorded calls or more (repair.executions)"
        )

    async def report(self, bench: Bench, row: Row) -> str:
        """Add to an opportunity how slow its tool is, or why that is left to a person."""
        evidence = row["evidence"]
        name, seen = str(evidence["tool"]), evidence["latencies"]
        signs = ", ".join(evidence["signs"]).replace("_", " ")
        lines = [
            f"{name}: {evidence['latency_s']:.3g} s in the median of {len(seen)} calls: {signs}"
        ]
        tool, replays = await self._found(bench, evidence)
        cannot = _hindrance(tool, replays)
        lines += [cannot] if cannot else [_line(one) for one in _slowest(replays)[:TOLD]]
        found = await self.testing.near(bench, [evidence["path"]])
        found |= {"report": "\n".join(lines), "cannot": cannot, "files": [evidence["path"]]}
        await self.watching.add_evidence(row["id"], found)
        return str(found["report"])

    async def find(self, bench: Bench, row: Row, tell: Tell) -> tuple[Version | None, Json, int]:
        """Return the fastest version that is equal, what speaks for it, and how many were tried."""
        evidence, root = row["evidence"], str(bench.workspace.root)
        tool, replays = await self._found(bench, evidence)
        if tool is None or evidence["cannot"]:
            return None, {}, 0
        refused = await self.solving.refused(root)
        offers = await self._offers(bench, evidence, tool, reasons(refused))
        plan = _Plan(self._entry(tool, replays), offers, [one["diff"] for one in refused])
        unwanted = await self.changing.unwanted(root)
        act = Act(kind="run_tests", subject=f"race {root}", actor="repairer")
        found = await self.acting.perform(act, lambda: self._race(bench, plan, unwanted, tell))
        for one in offers:
            await self.proposing.judge(one.bid, one.reply, one.bid.name in found["equal"])
        if found["version"] is None:
            return None, {}, found["tried"]
        best = Version.model_validate(found["version"])
        speed = {"tool": evidence["tool"], "latency_s": evidence["latency_s"]}
        proof = {name: evidence[name] for name in ("report", "tests_near") if name in evidence}
        proof |= {"speed": speed | {"path": tool.path}, "files": list(best.files)}
        return best, proof | {"reasons": [best.what], "by": best.by}, found["tried"]

    async def test(self, bench: Bench, row: Row, times: int) -> tuple[Verdict, Json]:
        """Return the verdict of a race on a change, whoever wrote it, and what a person is told."""
        tool, replays = await self._found(bench, row["evidence"]["speed"])
        diff = row["diff"]
        if tool is None or (why := _hindrance(tool, replays)):
            return Verdict(verdict="refuse", rule="replay", reason=why or _hindrance(tool, [])), {}
        entry = self._entry(tool, replays)

        def do(tree: Path, cancel: Event) -> ActOutcome:
            patches = parse(diff)
            texts = {one.path: (tree / one.path).read_bytes().decode() for one in patches}
            files = dict(apply(patches, texts))
            if not is_same_kind(tool, (tree / tool.path).read_bytes().decode(), files):
                why = f"{tool.name} takes other arguments now, or does more than compute"
                verdict = Verdict(verdict="refuse", rule="behaviour", reason=why)
                return ActOutcome(result={"verdict": verdict.as_json(), "trial": {}})
            ran = race(bench.sandbox, tree, bench.command, entry, files, seed=times, cancel=cancel)
            told = ran.as_json() | {"told": ran.told, "ratio": ran.ratio}
            return ActOutcome(result={"verdict": ran.verdict.as_json(), "trial": told})

        act = Act(kind="run_tests", subject=f"race {bench.workspace.root}", ordinal=RACES + times)
        said = await self.acting.perform(act, lambda: on_a_copy(bench, do))
        return Verdict.model_validate(said["verdict"]), {"trial": said["trial"]}

    async def _found(self, bench: Bench, evidence: Json) -> tuple[Tool | None, list[Replay]]:
        """Return a tool as it is now, and the recorded good calls of it."""
        root, name = str(bench.workspace.root), evidence["tool"]
        tools = {one.name: one for one in await self.tooling.of(root, files_only=True)}
        replays = await self.watching.replays(root, evidence["path"], limit=RECORDED)
        return tools.get(name), [one for one in replays if one.tool == name]

    def _entry(self, tool: Tool, replays: Sequence[Replay]) -> Entry:
        return Entry(tool, replays, self.settings.execution.tool_s)

    async def _offers(
        self, bench: Bench, evidence: Json, tool: Tool, refused: Sequence[str]
    ) -> list[Offered]:
        if not await self.proposing.has_models():
            return []
        text = await on_a_copy(bench, lambda tree, _: (tree / tool.path).read_text("utf-8"))
        sources, brief = f"{tool.path}:\n{text}", "\n\n".join(refused)
        return await self.proposing.offered(
            bench.order, evidence["report"], sources, brief, asks="faster"
        )

    async def _race(
        self, bench: Bench, plan: "_Plan", unwanted: set[str], tell: Tell
    ) -> ActOutcome:
        timeout_s = bench.order.timeout_s or self.settings.repair.timeout_s

        def do(tree: Path, cancel: Event) -> ActOutcome:
            heard = [(one.bid.name, rewrite) for one in plan.offers for rewrite in one.rewrites]
            proposals = [found for by, one in heard if (found := understood(tree, by, one))]
            all_ = versions(tree, plan.entry.tool, proposals, plan.rejected)
            there = [one for one in all_ if digest_of(one.diff) not in unwanted]
            told: Json = {"tried": len(there), "equal": [], "version": None}
            place = (bench.sandbox, tree, bench.command, plan.entry)
            files = [one.files for one in there]
            try:
                order = sift(*place, files, timeout_s=timeout_s, cancel=cancel) if there else []
                told["equal"] = [there[number].by for number in order]
                for number in order[:RACED]:
                    ran = race(*place, files[number], seed=bench.order.seed, cancel=cancel)
                    if ran.verdict.verdict == "accept":
                        return ActOutcome(result=told | {"version": there[number].as_json()})
            except SandboxFailedError:
                pass  # what ended the sandbox has not won
            return ActOutcome(result=told)

        found = await on_a_copy(bench, do)
        tell("race", tried=found.result["tried"], faster=len(found.result["equal"]))
        return found


@dataclass(frozen=True)
class _Plan:
    """What one race is given."""

    entry: Entry
    offers: Sequence[Offered]
    rejected: Sequence[str]


def none_of(tried: int) -> str:
    """Return in one sentence that no version has won."""
    if not tried:
        return "no rewrite that is known fits it, and nobody proposes another"
    return f"no version of {tried} gives the same and is {FASTER} times as fast"


def _hindrance(tool: Tool | None, replays: Sequence[Replay]) -> str:
    """Return why no version of a tool can be raced, "" where one can."""
    if tool is None:
        return "there is no such tool any more"
    if "pure" not in tool.tags:
        does = ", ".join(tool.tags) or "what it does beside its result cannot be seen"
        return f"it may do more than compute ({does}): what makes it faster is for a person"
    return "" if replays else "none of its good calls is recorded whole: nothing could be compared"


def _slowest(replays: Sequence[Replay]) -> list[Replay]:
    return sorted(replays, key=lambda one: -one.latency_s)


def _line(one: Replay) -> str:
    said = ", ".join(f"{name}={value!r}" for name, value in one.arguments.items())
    return f"  {one.function}({said[:100]}): {one.latency_s:.3g} s"
