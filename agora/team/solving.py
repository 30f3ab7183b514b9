"""Solving: the solution library, and what a search may learn from what people said."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from agora.domain.contracts import Json
from agora.domain.repair.solutions import Instinct, learnt
from agora.team.changing import Changing
from memory import solutions
from memory.database import Database, Row

NEWEST = 60  # accepted fixes that are learnt from


@dataclass(frozen=True)
class Solving:
    """Accepted fixes, abstracted, and the instinct that they give."""

    database: Database
    changing: Changing

    async def instinct(self) -> Instinct:
        """Return what the library has learnt so far."""
        async with self.database.autocommit() as connection:
            known = await solutions.instinct(connection)
        return Instinct(**known) if known else Instinct()

    async def learn(self, change_id: str) -> None:
        """Keep the fix that a change has brought in, once, and learn from the newest of all."""
        row = await self.changing.find(change_id)
        found: Json | None = row["evidence"].get("solution")
        if not found or not found["lesson"]:
            return
        async with self.database.transaction() as connection:
            known = await solutions.lessons(connection, NEWEST - 1)
            instinct = asdict(learnt([found["lesson"], *known]))
            await solutions.add(connection, found | {"change_id": change_id, "instinct": instinct})

    async def listed(self) -> list[Row]:
        """Return how often which edit in which context has mended which exception."""
        async with self.database.autocommit() as connection:
            return await solutions.listed(connection)

    async def refused(self, workspace: str) -> list[Row]:
        """Return what was rejected or taken back in a workspace, with the reasons, newest first."""
        async with self.database.autocommit() as connection:
            return await solutions.refused(connection, workspace)

    async def failed(self, opportunity_id: str) -> list[str]:
        """Return what was wrong with earlier changes of an opportunity, a text each."""
        async with self.database.autocommit() as connection:
            rows = await solutions.failed(connection, opportunity_id)
        return [f"An earlier attempt was refused ({row['why']}):\n{row['diff']}" for row in rows]


def reasons(refused: Sequence[Row]) -> list[str]:
    """Return what people had against earlier patches, one sentence each."""
    return [
        f"A patch of {row['subject']} was {row['status']}"
        + (f" ({row['reason']})" if row["reason"] else "")
        + f":\n{row['diff']}"
        for row in refused[:3]
    ]
