"""The audits table: what each audit has found, so that the next one can say what has changed."""

from psycopg.types.json import Jsonb

from agora.domain.contracts import Json
from memory.database import Row, Rows

NEWEST = "SELECT at, report FROM audits ORDER BY at DESC LIMIT 1"
KEEP = "INSERT INTO audits (report) VALUES (%s)"


async def newest(connection: Rows) -> Row | None:
    """Return the last audit: `at`, `report`; or None."""
    return await (await connection.execute(NEWEST)).fetchone()


async def keep(connection: Rows, report: Json) -> None:
    """Write an audit down."""
    await connection.execute(KEEP, [Jsonb(report)])
