"""The collections table: how far each collection of the index has read, and what comes next."""

from typing import Literal

from memory.database import Row, Rows

Kind = Literal["answers", "memories"]
BATCH = 256
READ = "SELECT xid, row FROM collections WHERE id = %s"
# Ids are given before the commit; below xmin all is certain. See memory/folds.py.
NEXT: dict[Kind, str] = {
    "answers": f"""
SELECT xid, id, question AS text FROM answers
WHERE tenant = %(tenant)s AND (xid, id) > (%(xid)s::xid8, %(row)s)
  AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id LIMIT {BATCH}
""",
    "memories": f"""
SELECT xid, id, text FROM memories
WHERE tenant = %(tenant)s AND (xid, id) > (%(xid)s::xid8, %(row)s)
  AND NOT is_archived AND NOT ('private' = ANY (labels) AND %(leaves)s)
  AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id LIMIT {BATCH}
""",
}
PASS = """
INSERT INTO collections (id, name, xid, row) VALUES (%s, %s, %s::xid8, %s)
ON CONFLICT (id) DO UPDATE SET xid = EXCLUDED.xid, row = EXCLUDED.row
"""
TENANTS: dict[Kind, str] = {
    "answers": "SELECT DISTINCT tenant FROM answers",
    "memories": "SELECT DISTINCT tenant FROM memories WHERE NOT is_archived",
}
INSTALLATION = "SELECT id FROM installation"
FORGET = "DELETE FROM collections"


async def unread(
    connection: Rows, kind: Kind, tenant: str, collection_id: str, leaves: bool
) -> list[Row]:
    """Return the next rows that a collection has not read: id, text, and where they stand.

    `leaves` says that texts leave this machine to be embedded: private ones do not.
    """
    known = await (await connection.execute(READ, [collection_id])).fetchone()
    start = known or {"xid": "0", "row": 0}
    wanted = start | {"tenant": tenant, "leaves": leaves}
    return await (await connection.execute(NEXT[kind], wanted)).fetchall()


async def has_read(connection: Rows, collection_id: str, name: str, last: Row) -> None:
    """Note that a collection holds all up to this row."""
    await connection.execute(PASS, [collection_id, name, last["xid"], last["id"]])


async def tenants(connection: Rows, kind: Kind) -> list[str]:
    """Return the tenants that have rows."""
    rows = await (await connection.execute(TENANTS[kind])).fetchall()
    return sorted(row["tenant"] for row in rows)


async def installation(connection: Rows) -> str:
    """Return what tells this database from any other, on a Chroma server that many share."""
    row = await (await connection.execute(INSTALLATION)).fetchone()
    assert row is not None
    return str(row["id"])


async def forget(connection: Rows) -> None:
    """Let every collection begin anew."""
    await connection.execute(FORGET)
