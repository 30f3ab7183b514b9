"""Watching: what executions of tools say, and the opportunities that follow from it."""

import uuid
from dataclasses import dataclass

from agora.domain import tool_records
from agora.domain.contracts import Json, Opportunity
from agora.domain.errors import UsageError
from agora.domain.settings import RepairSettings
from memory import changes, events, folds, opportunities
from memory.database import Database, Row, Rows

FOLD = "tool_records"


@dataclass(frozen=True)
class Watching:
    """The records of tools, and watches over changes."""

    database: Database
    settings: RepairSettings

    async def judge(self, told: Json, correlation_id: str) -> None:
        """Add one judged execution: workspace, path, tool, is_right, arguments, error, line."""
        async with self.database.transaction() as connection:
            await events.publish(connection, correlation_id, "tool.judged", told)

    async def records(self) -> Json:
        """Return the folded records, up to the newest event that is certain."""
        async with self.database.transaction() as connection:
            return await self._folded(connection)

    async def baseline(self, workspace: str, path: str) -> float | None:
        """Return the success of a file's tools so far, or None."""
        return tool_records.baseline(await self.records(), workspace, path)

    async def detect(self, workspace: str) -> None:
        """Open an opportunity for each alarm and each failing tool of a workspace."""
        async with self.database.transaction() as connection:
            state = await self._folded(connection)
            limits = self.settings.below, self.settings.executions
            for found in tool_records.failing(state, workspace, *limits):
                await opportunities.open_one(connection, found.but(id=_fresh_id()))
            for change_id in tool_records.alarms(state):
                row = await changes.find(connection, change_id)
                if row and row["status"] == "applied" and row["workspace"] == workspace:
                    await opportunities.open_one(connection, _alarm(row, state))

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
