"""Chains: the whole log of decisions, looked at or handed out beside other work."""

import asyncio
import json
from collections.abc import AsyncIterator

from agora import team
from agora.domain.settings import Settings
from agora.domain.signing import Signer
from memory import decisions
from memory.database import Database, choose_postgres
from memory.decisions import Decisions, Finding


def verify(settings: Settings) -> Finding:
    """Look at every entry, in a thread of its own: 0.2 ms each would hold up an event loop."""
    return asyncio.run(_verify(settings))


async def _verify(settings: Settings) -> Finding:
    database = Database(choose_postgres(settings), 2)
    try:
        async with database.transaction() as connection:
            return await Decisions(Signer(settings.folder / "keys")).verify(connection)
    finally:
        await database.close()


async def exported() -> AsyncIterator[str]:
    """Yield every entry as a line of JSON."""
    async with team.current().database.transaction() as connection:
        async for row in decisions.export(connection):
            yield json.dumps(row, ensure_ascii=False) + "\n"
