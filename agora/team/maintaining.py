"""Maintaining: a workspace's tools are counted, tried and tidied, beside the repairs.

Whatever it does bears repeating; a dry run says what it would do, and runs no code of anybody.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from pathlib import Path

from agora.domain import probing
from agora.domain.contracts import Act, ActOutcome, Json, Opportunity
from agora.domain.detection import FAMILY
from agora.domain.probing import LEAST_RESULTS, LIKENESS, shape
from agora.domain.repair.instincts import Habit
from agora.domain.repair.sandbox import choose_sandbox
from agora.domain.settings import Settings
from agora.domain.tools import Tool
from agora.team.acting import Acting, standing_alone
from agora.team.clocks import Clock
from agora.team.registering import Registering
from agora.team.tooling import lent, python_of
from agora.team.watching import Watching
from memory import good_calls
from memory import tools as table
from memory.database import Database, Row

PAIRS = 50
"""How many pairs of tools one maintenance compares."""
PROBE_S = 60.0
"""How long the inputs of one tool, or pair, may take."""


@dataclass(frozen=True)
class Maintaining:
    """What a loop does now and then, and a person may ask for."""

    settings: Settings
    database: Database
    acting: Acting
    registering: Registering
    watching: Watching
    clock: Clock

    async def maintain(
        self, workspace: str, *, trust_workspace: bool = False, dry_run: bool = False
    ) -> Json:
        """Sync, reconcile, look for unused, doubled and crashing tools, archive; say what it was.

        `found` counts the opportunities that are new.
        """
        synced = await self.registering.sync(workspace, dry_run=dry_run)
        rows = [row for row in await self.registering.known(workspace) if not row["gone_at"]]
        told: Json = synced.as_json() | {"dry_run": dry_run}
        told |= {"reconciled": await self._reconcile(workspace, rows, dry_run)}
        habits = await self.registering.habits(workspace)
        kept = {one.subject for one in habits if one.kind == "keep"}
        told |= {"instincts": [one.told for one in habits]}
        unused = [*await self._unused(workspace, rows), *_fruitless(workspace, rows, habits)]
        told |= {"unused": [one.evidence["tool"] for one in unused]}
        told |= {"archived": await self._archive(workspace, dry_run)}
        fresh = [row for row in rows if row["probed"] != row["digest"]]
        if dry_run:
            return told | {"to_probe": [row["name"] for row in fresh if _is_safe(row)]}
        faults, doubles, left = await self._probe(workspace, rows, fresh, kept, trust_workspace)
        told |= {"left": left}
        told |= {"predicted": [one.evidence["tool"] for one in faults]}
        told |= {"duplicates": [one.evidence["tool"] for one in doubles]}
        return told | {"found": await self.watching.open_each([*faults, *doubles, *unused])}

    async def _reconcile(self, workspace: str, rows: list[Row], dry_run: bool) -> list[str]:
        """Close what is open about tools that are no more; return their subjects."""
        here = {f"{workspace}:{row['path']}:{row['name']}" for row in rows}
        left = [
            one
            for one in await self.watching.living()
            if one["kind"] in FAMILY
            and one["status"] == "open"
            and one["subject"].startswith(f"{workspace}:")
            and one["subject"] not in here
        ]
        for one in left:
            if not dry_run:
                await self.watching.close(one["id"], "gone")
        return [one["subject"] for one in left]

    async def _unused(self, workspace: str, rows: list[Row]) -> list[Opportunity]:
        since = self.clock() - timedelta(days=self.settings.repair.unused_days)
        async with self.database.transaction() as connection:
            used = await table.used(connection, workspace)
        because = f"has had no call as a tool for {self.settings.repair.unused_days:g} days"
        return [
            _about(workspace, row, "unused_tool", signs=["unused"], because=because)
            for row in rows
            if row["seen_at"] < since and used.get(row["name"], since) <= since
        ]

    async def _archive(self, workspace: str, dry_run: bool) -> Json:
        limits, now = self.settings.repair, self.clock()
        async with self.database.transaction() as connection:
            before = now - timedelta(days=limits.archive_days)
            names = await table.old(connection, workspace, before)
            if not dry_run:
                await table.archive(connection, workspace, names, now)
            calls = await good_calls.prune(connection, workspace, limits.replays, dry_run=dry_run)
        return {"tools": names, "calls": calls}

    async def _probe(
        self,
        workspace: str,
        rows: list[Row],
        fresh: list[Row],
        kept: set[str],
        trust_workspace: bool,
    ) -> tuple[list[Opportunity], list[Opportunity], int]:
        """Try inputs on tools that are new or altered, as many as time permits.

        Return predicted faults, duplicates, and how many tools the next maintenance begins with.
        """
        if not self.settings.repair.probes:
            return [], [], 0
        limit_s = self.settings.repair.probe_s
        until, faults, tried = time.monotonic() + limit_s, [], []
        for row in fresh:
            if time.monotonic() > until:
                break
            if _is_safe(row):
                told = await self._try(workspace, [row], trust_workspace)
                if told and told["fault"]:
                    faults.append(_fault(workspace, row, told["fault"]))
            tried.append(row["name"])
        doubles, until = [], time.monotonic() + limit_s
        for one, other in await self._pairs(rows, set(tried)):
            if time.monotonic() > until:
                break
            told = await self._try(workspace, [one, other], trust_workspace)
            if told and told["equal"] and told["results"] >= LEAST_RESULTS:
                first, second = (other, one) if other["name"] in kept else (one, other)
                doubles.append(_double(workspace, first, second, told["examples"]))
        async with self.database.transaction() as connection:
            for name in sorted(tried):
                await table.probed(connection, workspace, name)
        return faults, doubles, len(fresh) - len(tried)

    async def _pairs(self, rows: list[Row], fresh: set[str]) -> list[tuple[Row, Row]]:
        """Return pairs of one signature and a like meaning, of which one at least is new."""
        safe = [row for row in rows if _is_safe(row) and _tool(row).parameters["properties"]]
        if len(safe) < 2:
            return []
        told = [f"{_tool(row).capability}. {_tool(row).description}" for row in safe]
        vectors = await self.registering.indexing.vectors("default", told)
        found = []
        for (one, left), (other, right) in combinations(zip(safe, vectors, strict=True), 2):
            is_new = bool({one["name"], other["name"]} & fresh)
            if is_new and shape(_tool(one)) == shape(_tool(other)):
                if sum(a * b for a, b in zip(left, right, strict=True)) >= LIKENESS:
                    found.append((one, other))
        return found[:PAIRS]

    async def _try(self, workspace: str, rows: list[Row], trust_workspace: bool) -> Json | None:
        root, found = Path(workspace), [_tool(row) for row in rows]
        sandbox = choose_sandbox(self.settings.sandbox, trust_workspace)

        def run() -> ActOutcome:
            with lent(root, sandbox) as tree:
                told = probing.probe(
                    sandbox,
                    tree,
                    found,
                    python_of(root),
                    examples=self.settings.repair.probes,
                    timeout_s=PROBE_S,
                )
            return ActOutcome(result={"told": told})

        names = " and ".join(tool.name for tool in found)
        act = Act(kind="run_tests", subject=f"generated inputs for {names}")
        with standing_alone(uuid.uuid4().hex[:16], "maintaining"):
            done = await self.acting.perform(act, lambda: asyncio.to_thread(run))
        told: Json | None = done["told"]
        return told


def _tool(row: Row) -> Tool:
    return Tool.model_validate(row["body"])


def _is_safe(row: Row) -> bool:
    """Return whether inputs may be tried: a server's tool, or one that sends, is left alone."""
    return row["kind"] != "mcp" and not {"network", "sends"} & set(row["body"]["tags"])


def _about(workspace: str, row: Row, kind: str, **evidence: object) -> Opportunity:
    place: Json = {"workspace": workspace, "path": row["path"], "tool": row["name"]}
    return Opportunity.model_validate(
        {
            "id": "",
            "kind": kind,
            "subject": f"{workspace}:{row['path']}:{row['name']}",
            "priority": "medium" if kind == "predicted_fault" else "low",
            "evidence": place | evidence,
        }
    )


def _fruitless(workspace: str, rows: list[Row], habits: list[Habit]) -> list[Opportunity]:
    """Return what should be used no longer, though it is."""
    named = {one.subject: one.because for one in habits if one.kind == "deprecate"}
    return [
        _about(
            workspace,
            row,
            "unused_tool",
            signs=["fruitless"],
            because=named[row["name"]],
            used=True,
        )
        for row in rows
        if row["name"] in named
    ]


def _fault(workspace: str, row: Row, fault: Json) -> Opportunity:
    said = ", ".join(f"{name}={value!r}" for name, value in fault["arguments"].items())
    where = f"{fault['file']}:{fault['line']}"
    text = f"{row['name']}({said}): {fault['error']}: {fault['message']} ({where})"
    return _about(
        workspace, row, "predicted_fault", signs=["predicted_crash"], crash=fault, fault=text
    )


def _double(workspace: str, one: Row, other: Row, examples: int) -> Opportunity:
    text = f"{other['name']} does what {one['name']} does, on {examples} generated inputs"
    return _about(
        workspace,
        other,
        "duplicate_tool",
        signs=["duplicate"],
        same_as=one["name"],
        same_path=one["path"],
        fault=text,
    )
