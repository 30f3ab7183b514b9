"""Constructing: the Meta-Architect reads a whole workspace and builds towards a goal."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import structlog
from psycopg import Error as DatabaseFailure

import prompts
from agora.domain.contracts import Act, ActOutcome, Json, TestReport, Verdict
from agora.domain.repair import codebase, constructions, gate
from agora.domain.repair.constructions import Construction, Survey
from agora.domain.repair.patches import FilePatch, PatchError, parse
from agora.domain.repair.trials import TestRun, copied, run_tests
from agora.team.acting import Acting
from agora.team.proposing import Proposing
from agora.team.workbench import Bench, on_a_copy
from memory import scratch
from memory.database import Database

log = structlog.get_logger()
NO_MODEL = "a goal needs a model: set OLLAMA_HOST or OPENAI_API_KEY; see `agora doctor`"
READ = 12_000  # characters of one file that are read
TESTED_S = 120.0


@dataclass(frozen=True)
class Constructing:
    """The Meta-Architect. It needs a model; its work passes gate and approval."""

    database: Database
    acting: Acting
    proposing: Proposing

    async def report(self, bench: Bench, goal: str) -> str:
        """Return what the workspace is, as its approval shows it."""
        index = await on_a_copy(bench, lambda tree, _: codebase.index(tree))
        return f"Goal: {goal}\n\nThe workspace before:\n{index}"

    async def build(self, bench: Bench, goal: str, brief: str) -> tuple[str, str]:
        """Return a diff towards the goal, and why; "" where nobody has built anything."""
        index = await on_a_copy(bench, lambda tree, _: codebase.index(tree))
        asked = prompts.load("survey").render(goal=goal, index=index)
        bids = await self.proposing.bids(self.proposing.task(bench.order, asked))
        if not bids:
            return "", ""
        task = self.proposing.task(bench.order, asked)
        survey = await self.proposing.ask(task, bids[0], Survey, 0)
        wanted = survey.answer.paths if survey else ()
        sources = await on_a_copy(bench, lambda tree, _: _read(tree, wanted))
        words = {"goal": goal, "index": index, "sources": sources, "brief": brief or "none"}
        task = self.proposing.task(bench.order, prompts.load("construct").render(**words))
        built = await self.proposing.ask(task, bids[0], Construction, 1)
        if built is None:
            return "", ""
        diff = await on_a_copy(bench, lambda tree, _: _diff(tree, built.answer))
        await self.proposing.judge(built.bid, built.reply, bool(diff))
        return diff, built.answer.why

    async def test(self, bench: Bench, diff: str, times: int) -> tuple[Verdict, Json]:
        """Return the gate's verdict on a construction, and what it rests on.

        Its own tests fail without it and pass with it, all others pass as before; a migration is
        tried up and down on a scratch database.
        """
        verdict = await on_a_copy(bench, lambda tree, _: gate.judge(tree, diff, builds=True))
        if verdict.verdict == "refuse":
            return verdict, {}
        added, migrations = constructions.tests_of(diff), constructions.migrations_of(diff)
        if not added and not migrations:
            why = "a construction comes with tests that only it makes pass"
            return Verdict(verdict="refuse", rule="no_tests", reason=why), {}
        told: Json = {}
        for number, (up, down) in enumerate(migrations):
            said = await self._rehearsed(bench, up, down, 10 * times + number)
            told.setdefault("migrations", []).append(said)
            if said["problem"]:
                why = f"{up.path}: {said['problem']}"
                return Verdict(verdict="refuse", rule="migration", reason=why), told
        act = Act(kind="run_tests", subject=str(bench.workspace.root), ordinal=times)
        result = await self.acting.perform(act, lambda: _proved(bench, diff, added))
        proved = Verdict.model_validate(result["verdict"])
        return (proved if proved.verdict == "refuse" else verdict), told | {
            "tests": result["tests"]
        }

    async def _rehearsed(
        self, bench: Bench, up: FilePatch, down: FilePatch | None, number: int
    ) -> Json:
        if down is None:
            return {"path": up.path, "problem": "there is no rollback beside it"}
        earlier = await on_a_copy(bench, lambda tree, _: _earlier(tree, up.path))
        url = await self.database.url()
        texts = up.applied(None), down.applied(None)

        async def do() -> ActOutcome:
            try:
                said = await asyncio.to_thread(scratch.rehearse, url, earlier, *texts)
            except DatabaseFailure as error:
                said = {"problem": f"no scratch database could be made: {str(error).strip()}"}
            return ActOutcome(result={"path": up.path} | said)

        act = Act(kind="run_tests", subject=f"migration {up.path}", ordinal=100 + number)
        return await self.acting.perform(act, do)


async def _proved(bench: Bench, diff: str, added: tuple[FilePatch, ...]) -> ActOutcome:
    def run(tree: Path, cancel: Event) -> TestRun:
        return run_tests(bench.sandbox, tree, bench.command, timeout_s=TESTED_S, cancel=cancel)

    def do(tree: Path, cancel: Event) -> ActOutcome:
        base = run(tree, cancel)
        if not added:
            return _outcome(Verdict(verdict="accept"), None)
        with copied(tree) as with_tests:
            for patch in added:
                place = with_tests / patch.path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(patch.applied(None), "utf-8")
            wanted = constructions.target(base, run(with_tests, cancel), added)
        if isinstance(wanted, Verdict):
            return _outcome(wanted, None)
        found = gate.prove(bench.sandbox, tree, bench.command, diff, wanted, cancel=cancel)
        return _outcome(*found)

    return await on_a_copy(bench, do)


def _outcome(verdict: Verdict, report: TestReport | None) -> ActOutcome:
    proof = report.as_json() if report else None
    return ActOutcome(result={"verdict": verdict.as_json(), "tests": proof})


def _diff(tree: Path, built: Construction) -> str:
    try:
        diff = constructions.diff_to(tree, built)
        parse(diff)
    except (ValueError, OSError, PatchError) as error:
        log.info("construction.unusable", reason=str(error)[:200])
        return ""
    return diff


def _read(tree: Path, wanted: tuple[str, ...]) -> str:
    texts = []
    for path in dict.fromkeys(wanted):
        place = (tree / path).resolve()
        if place.is_relative_to(tree.resolve()) and place.is_file():
            text = place.read_bytes().decode("utf-8", "replace")
            texts.append(f"# {path}\n{text[:READ]}")
    return "\n\n".join(texts)


def _earlier(tree: Path, path: str) -> list[str]:
    """Return the migrations beside one that come before it, in the order of their names."""
    folder, name = (tree / path).parent, Path(path).name
    found = sorted(one for one in folder.glob("*.sql") if one.name < name)
    kept = [one for one in found if not one.name.endswith(constructions.ROLLBACK)]
    return [one.read_text("utf-8") for one in kept]
