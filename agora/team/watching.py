"""Watching: what executions of tools say, and the opportunities that follow from it."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from agora.domain import detection, tool_records
from agora.domain.contracts import Json, Opportunity, Replay
from agora.domain.errors import UsageError
from agora.domain.loops import preset
from agora.domain.repair.territory import seen_at
from agora.domain.settings import RepairSettings
from agora.team.clocks import Clock
from memory import changes, events, folds, good_calls, opportunities
from memory.database import Database, Row, Rows

FOLD = "tool_records"
MENDED = ("fixed", "reverted", "gone")
"""Verdicts after which the same sign is news."""


@dataclass(frozen=True)
class Watching:
    """The records of tools, and watches over changes."""

    database: Database
    settings: RepairSettings
    clock: Clock

    async def judge(self, told: Json, correlation_id: str, *, good: Json | None = None) -> None:
        """Add one judged execution: workspace, path, tool, is_right, arguments, error, line.

        Also latency_s, the actor, and the key of the act, by which a repeated node's call counts
        once. `good` is the whole call, where it may be replayed.
        """
        now = self.clock()
        place = told["workspace"], told["path"], told["tool"]
        async with self.database.transaction() as connection:
            act = told.get("act")
            if act and await events.is_told(connection, correlation_id, "tool.judged", act):
                return
            body = {"when": now.isoformat()} | told
            await events.publish(connection, correlation_id, "tool.judged", body)
            if good is not None and told["is_right"]:
                await good_calls.keep(connection, good, now)
            elif not told["is_right"]:
                await good_calls.drop(connection, *place, told.get("arguments") or {})

    async def replays(self, workspace: str, *paths: str, limit: int = 50) -> list[Replay]:
        """Return recorded good calls of the tools of these files, the most frequent first."""
        async with self.database.transaction() as connection:
            return await good_calls.replays(connection, workspace, paths, limit)

    async def records(self) -> Json:
        """Return the folded records, up to the newest event that is certain."""
        async with self.database.transaction() as connection:
            return await self._folded(connection)

    async def baseline(self, workspace: str, path: str) -> float | None:
        """Return the success of a file's tools so far, or None."""
        return tool_records.baseline(await self.records(), workspace, path)

    def window(self) -> Json:
        """Return when a change that is applied now was applied, and until when it is watched."""
        now = self.clock()
        until = now + timedelta(hours=self.settings.watch_h)
        return {"when": now.isoformat(), "until": until.isoformat()}

    async def detect(self, workspace: str, preset_name: str = "default") -> int:
        """Open an opportunity for each alarm and each tool that shows a sign; return how many.

        What nobody could mend is opened again only when the tool's file or a test has changed.
        """
        found = 0
        async with self.database.transaction() as connection:
            state = await self._folded(connection)
            for change_id in sorted(tool_records.alarms(state)):
                row = await changes.find(connection, change_id)
                if row and row["status"] == "applied" and row["workspace"] == workspace:
                    alarm = _alarm(row, state)
                    found += await opportunities.open_one(connection, alarm) == alarm.id
        return found + await self.open_each(self._signs(state, workspace, preset_name))

    async def signs(self, workspace: str) -> list[Opportunity]:
        """Return what the records of a workspace's tools show now, whether or not it is settled."""
        return self._signs(await self.records(), workspace, "default")

    def _signs(self, state: Json, workspace: str, preset_name: str) -> list[Opportunity]:
        limits = preset(preset_name)
        if preset_name == "default":
            own = {"below": self.settings.below, "executions": self.settings.executions}
            limits = limits.but(**own)
        return detection.findings(state, workspace, limits, self.clock(), self.settings.slow_s)

    async def open_each(self, found: Sequence[Opportunity]) -> int:
        """Write down what was found out about tools, one a subject; return how many are new."""
        fresh = 0
        for one in found:
            workspace, path, _ = _place(one)
            seen = await asyncio.to_thread(seen_at, workspace, path)
            one = one.but(id=_fresh_id(), evidence=one.evidence | {"seen": seen})
            async with self.database.transaction() as connection:
                if await opportunities.settled_as(connection, one, MENDED) != seen:
                    fresh += await opportunities.open_pressing(connection, one, detection.FAMILY)
        return fresh

    async def open_one(self, found: Opportunity) -> None:
        """Write down an opportunity that somebody else has found."""
        async with self.database.transaction() as connection:
            await opportunities.open_one(connection, found.but(id=_fresh_id()))

    async def claim(self, thread_id: str, kinds: list[str], under: str) -> Opportunity | None:
        """Return the most pressing opportunity of these kinds below `under`, now this thread's."""
        async with self.database.transaction() as connection:
            return await opportunities.claim(connection, thread_id, kinds, under)

    async def find(self, opportunity_id: str) -> Row:
        """Return the row of an opportunity; raise UsageError."""
        async with self.database.transaction() as connection:
            row = await opportunities.find(connection, opportunity_id)
        if row is None:
            raise UsageError(f"there is no opportunity {opportunity_id}")
        return row

    async def add_evidence(self, opportunity_id: str, evidence: Json) -> None:
        """Add what was found out about an opportunity."""
        async with self.database.transaction() as connection:
            await opportunities.add_evidence(connection, opportunity_id, evidence)

    async def close(self, opportunity_id: str, verdict: str) -> None:
        """Say how an opportunity ended."""
        async with self.database.transaction() as connection:
            await opportunities.close(connection, opportunity_id, verdict)

    async def reopen(self, opportunity_id: str) -> None:
        """Give a claimed opportunity back."""
        async with self.database.transaction() as connection:
            await opportunities.reopen(connection, opportunity_id)

    async def living(self) -> list[Row]:
        """Return all opportunities that are open or claimed."""
        async with self.database.transaction() as connection:
            return await opportunities.living(connection)

    async def is_known(self, kind: str, subject: str) -> bool:
        """Return whether an opportunity of this kind and subject is open or claimed."""
        return any((row["kind"], row["subject"]) == (kind, subject) for row in await self.living())

    async def _folded(self, connection: Rows) -> Json:
        return await folds.advance(connection, FOLD, tool_records.KINDS, tool_records.step)


def _fresh_id() -> str:
    return uuid.uuid4().hex[:12]


def _alarm(row: Row, state: Json) -> Opportunity:
    watch = state["watches"][row["id"]]
    evidence = {"change": row["id"], "commit": row["commit"], "watch": watch}
    subject = f"{row['workspace']}:{row['id']}"
    return Opportunity(
        id=_fresh_id(), kind="alarm", subject=subject, priority="high", evidence=evidence
    )


def _place(found: Opportunity) -> tuple[str, str, str]:
    """Return workspace, path and tool of a subject."""
    evidence = found.evidence
    return evidence["workspace"], evidence["path"], evidence["tool"]
