"""The policy_sets table: which policies held since when; the log names them by their hash."""

from collections.abc import Mapping

from psycopg.types.json import Jsonb

from memory.database import Row, Rows

NEWEST = "SELECT hash, texts, at FROM policy_sets ORDER BY id DESC LIMIT 1"
KEEP = "INSERT INTO policy_sets (hash, texts) VALUES (%s, %s)"


async def newest(connection: Rows) -> Row | None:
    """Return the set that was taken up last: `hash`, `texts` by @id, `at`; or None."""
    return await (await connection.execute(NEWEST)).fetchone()


async def keep(connection: Rows, digest: str, texts: Mapping[str, str]) -> None:
    """Write down that a set holds from now on."""
    await connection.execute(KEEP, [digest, Jsonb(dict(texts))])
