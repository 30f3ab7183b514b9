"""Proving: a candidate and the incumbent do the same fresh tasks until one is shown to be better.

What challenges what is of no matter here: a prompt, a way to plan, a synthesis, a capability.
"""

import uuid
from dataclasses import dataclass, replace
from typing import Literal

from agora.domain import sequential
from agora.domain.contracts import Json
from agora.domain.errors import UsageError
from memory import events, trials
from memory.database import Database, Row, Rows

Verdict = sequential.Trial
STATUS: dict[str, Verdict] = {"running": "continue", "promoted": "promote"}


@dataclass(frozen=True)
class Proving:
    """Paired trials, and the watch over what they have promoted. Each task counts once."""

    database: Database

    async def open(self, kind: str, subject: str, candidate: Json) -> str:
        """Begin a trial, unless one of this kind and subject runs; return the id of what runs."""
        async with self.database.transaction() as connection:
            fresh = uuid.uuid4().hex[:12]
            return await trials.open_one(connection, fresh, kind, subject, candidate)

    async def living(self, kind: str, subject: str) -> Row | None:
        """Return the trial that runs for a subject, or None."""
        row = await self.newest(kind, subject)
        return row if row and row["status"] == "running" else None

    async def newest(self, kind: str, subject: str) -> Row | None:
        """Return the running trial of a subject, else its last one, else None."""
        async with self.database.autocommit() as connection:
            return await trials.newest(connection, kind, subject)

    async def find(self, trial_id: str) -> Row:
        """Return a trial; raise UsageError."""
        async with self.database.autocommit() as connection:
            return _known(await trials.find(connection, trial_id), trial_id)

    async def listed(self, kind: str | None = None) -> list[Row]:
        """Return all trials, or those of a kind, oldest first."""
        async with self.database.autocommit() as connection:
            return await trials.listed(connection, kind)

    async def outcomes(self, trial_id: str) -> list[Row]:
        """Return how each task of a trial went, oldest first."""
        async with self.database.autocommit() as connection:
            return await trials.outcomes(connection, trial_id)

    async def pair(
        self, trial_id: str, task_id: str, incumbent: bool, candidate: bool, told_in: str = ""
    ) -> Verdict:
        """Count which of the two had a task right; return what follows from all pairs.

        Pairs after the end count for nothing, and the verdict stays. `told_in` is the
        correlation id of the event that says how the trial ended, the task's own unless given.
        """
        async with self.database.transaction() as connection:
            row = _known(await trials.lock(connection, trial_id), trial_id)
            if row["status"] != "running":
                return STATUS.get(row["status"], "drop")
            if await trials.add(connection, trial_id, task_id, incumbent, candidate):
                row = await trials.count(connection, trial_id, incumbent, candidate)
            verdict = sequential.trial(row["wins"], row["losses"], row["pairs"])
            if verdict != "continue":
                status: Status = "promoted" if verdict == "promote" else "dropped"
                await _end(connection, row, status, told_in or task_id)
            return verdict

    async def watch(self, trial_id: str, task_id: str, is_right: bool) -> bool:
        """Count an outcome of a promoted candidate; return whether its success has dropped.

        One that was judged otherwise before is counted anew in its place. Whoever is told so has
        to take the candidate back, and says so by `end`.
        """
        async with self.database.transaction() as connection:
            row = _known(await trials.lock(connection, trial_id), trial_id)
            fresh = sequential.promotion_watch(row["right_ones"] / max(1, row["pairs"]))
            so_far = replace(fresh, total=row["watched"])
            if row["status"] != "promoted":
                return so_far.is_alarm
            if await trials.add(connection, trial_id, task_id, None, is_right):
                now = so_far.step(is_right)
            elif await trials.turn(connection, trial_id, task_id, is_right):
                now = so_far.turned(is_right)
            else:
                return so_far.is_alarm
            await trials.watched(connection, trial_id, now.total)
            return now.is_alarm

    async def end(self, trial_id: str, status: "Status", told_in: str = "") -> bool:
        """Say how a trial ended without its pairs, or after them; return False: it had ended so."""
        async with self.database.transaction() as connection:
            row = _known(await trials.lock(connection, trial_id), trial_id)
            return await _end(connection, row, status, told_in or trial_id)


Status = Literal["promoted", "dropped", "expired", "reverted"]


async def _end(connection: Rows, row: Row, status: Status, told_in: str) -> bool:
    before = "promoted" if status == "reverted" else "running"
    has_ended = await trials.end(connection, row["id"], status, before)
    if has_ended:
        told = {name: row[name] for name in ("kind", "subject", "wins", "losses", "pairs")}
        await events.publish(connection, told_in, f"trial.{status}", told | {"trial": row["id"]})
    return has_ended


def _known(row: Row | None, trial_id: str) -> Row:
    if row is None:
        raise UsageError(f"there is no trial {trial_id}")
    return row
