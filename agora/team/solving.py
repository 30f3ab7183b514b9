"""Solving: the solution library, and what a search may learn from what people said."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from agora.domain.contracts import Json, Opportunity
from agora.domain.repair.instincts import Habit, of_fixes
from agora.domain.repair.solutions import RIVALS, Instinct, Manner, learnt
from agora.domain.settings import RepairSettings
from agora.team.changing import Changing
from agora.team.proving import Proving
from agora.team.watching import Watching
from memory import solutions
from memory.database import Database, Row

KIND: Literal["improver"] = "improver"
OPERATORS = "operators"
"""What of the improver is improved: the order in which its operators are tried."""
NEWEST = 60  # accepted fixes that are learnt from
ANSWERED = 20  # fixes of a workspace whose answers say when to be conservative


@dataclass(frozen=True)
class Solving:
    """Accepted fixes, abstracted, and the instinct that they give."""

    settings: RepairSettings
    database: Database
    watching: Watching
    changing: Changing
    proving: Proving

    async def instinct(self, workspace: str = "") -> Instinct:
        """Return what the library has learnt so far, and what a workspace's people refuse."""
        async with self.database.autocommit() as connection:
            known = await solutions.instinct(connection)
        habits = await self.habits(workspace)
        is_conservative = any(one.kind == "conservative" for one in habits)
        last = tuple(one.subject for one in habits if one.kind == "last")
        learnt = Instinct(**known) if known and not is_conservative else Instinct()
        return replace(learnt, last=last)

    async def habits(self, workspace: str) -> list[Habit]:
        """Return what the answers to a workspace's newest fixes say of the next search."""
        async with self.database.autocommit() as connection:
            return of_fixes(await solutions.answered(connection, workspace, ANSWERED))

    async def learn(self, change_id: str) -> None:
        """Keep the fix that a change has brought in, once, and learn from the newest of all."""
        row = await self.changing.find(change_id)
        found: Json | None = row["evidence"].get("solution")
        if not found or not found["lesson"]:
            return
        async with self.database.autocommit() as connection:
            known = await solutions.lessons(connection, NEWEST - 1)
        await self._challenge(change_id, found["lesson"], known)
        instinct = asdict(learnt([found["lesson"], *known], await self._manner()))
        async with self.database.transaction() as connection:
            await solutions.add(connection, found | {"change_id": change_id, "instinct": instinct})
        await self.review()

    async def review(self) -> None:
        """Open an opportunity on the improver itself where too few of its repairs are deployed."""
        limits = self.settings
        async with self.database.autocommit() as connection:
            attempted, deployed = await solutions.rate(connection, 2 * limits.improver_attempts)
        if attempted < limits.improver_attempts or deployed >= limits.improver_below * attempted:
            return
        tried = [Manner.model_validate(row["candidate"]) for row in await self.proving.listed(KIND)]
        rival = next((one for one in RIVALS if one not in tried), None)
        if rival is None or await self.proving.living(KIND, OPERATORS):
            return
        trial = await self.proving.open(KIND, OPERATORS, rival.as_json())
        evidence = {"attempted": attempted, "deployed": deployed, "trial": trial}
        subject = f"{KIND}:{OPERATORS}"
        await self.watching.open_one(
            Opportunity(id="", kind=KIND, subject=subject, evidence=evidence)
        )

    async def _manner(self) -> Manner:
        """Return the manner that has won last, or the shipped one."""
        rows = [row for row in await self.proving.listed(KIND) if row["status"] == "promoted"]
        return Manner.model_validate(rows[-1]["candidate"]) if rows else Manner()

    async def _challenge(self, change_id: str, lesson: Json, known: Sequence[Json]) -> None:
        """Let the manner in use and its rival look for a fix that neither has seen."""
        trial = await self.proving.living(KIND, OPERATORS)
        if trial is None or not lesson["passed"]:
            return
        rival = Manner.model_validate(trial["candidate"])
        ours, its = (
            learnt(known, manner).place(lesson, len(known))
            for manner in (await self._manner(), rival)
        )
        verdict = await self.proving.pair(trial["id"], change_id, ours <= its, its <= ours)
        if verdict != "continue":
            for row in await self.watching.living():
                if row["kind"] == KIND:
                    await self.watching.close(row["id"], verdict)

    async def listed(self) -> list[Row]:
        """Return how often which edit in which context has mended which exception."""
        async with self.database.autocommit() as connection:
            return await solutions.listed(connection)

    async def refused(self, workspace: str) -> list[Row]:
        """Return what was rejected or taken back in a workspace, with the reasons, newest first."""
        async with self.database.autocommit() as connection:
            return await solutions.refused(connection, workspace)

    async def failed(self, opportunity_id: str) -> list[Row]:
        """Return the newest changes of an opportunity that the gate has refused, and why."""
        async with self.database.autocommit() as connection:
            return await solutions.failed(connection, opportunity_id)


def attempts(failed: Sequence[Row]) -> list[str]:
    """Return what the gate had against earlier patches, a text each."""
    return [f"An earlier attempt was refused ({row['why']}):\n{row['diff']}" for row in failed]


def reasons(refused: Sequence[Row]) -> list[str]:
    """Return what people had against earlier patches, one sentence each."""
    return [
        f"A patch of {row['subject']} was {row['status']}"
        + (f" ({row['reason']})" if row["reason"] else "")
        + f":\n{row['diff']}"
        for row in refused[:3]
    ]
