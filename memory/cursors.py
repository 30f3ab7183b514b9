"""The cursors table: how far each group of consumers is; one of a group reads at a time."""

from datetime import timedelta

from memory.database import Row, Rows
from memory.events import Cursor

# One statement, as with claims: ON CONFLICT locks the row, so two cannot both win.
HOLD = """
INSERT INTO cursors AS held (name, xid, id, holder, expires_at)
VALUES (%(name)s, %(xid)s::xid8, %(id)s, %(holder)s, clock_timestamp() + %(lease)s)
ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
WHERE held.holder = EXCLUDED.holder OR held.expires_at < clock_timestamp()
RETURNING xid, id
"""
RENEW = "UPDATE cursors SET expires_at = clock_timestamp() + %s WHERE name = %s AND holder = %s"
MOVE = """
UPDATE cursors SET xid = %(xid)s::xid8, id = %(id)s
WHERE name = %(name)s AND holder = %(holder)s AND (xid, id) < (%(xid)s::xid8, %(id)s)
"""
IS_HELD = "SELECT FROM cursors WHERE name = %s AND holder = %s"
LEAVE = "UPDATE cursors SET expires_at = clock_timestamp() WHERE name = %s AND holder = %s"
IS_READ = "SELECT FROM cursors WHERE name = %s AND expires_at > clock_timestamp()"
FIND = "SELECT xid, id FROM cursors WHERE name = %s"


async def hold(
    connection: Rows, name: str, holder: str, start: Cursor, lease: timedelta
) -> Cursor | None:
    """Return where the group is, now read by this holder for a lease; None: by another one.

    A group that is not known yet begins at `start`.
    """
    row: Row = {"name": name, "holder": holder, "lease": lease}
    row |= {"xid": str(start.xid), "id": start.id}
    found = await (await connection.execute(HOLD, row)).fetchone()
    return _cursor(found) if found else None


async def renew(connection: Rows, name: str, holder: str, lease: timedelta) -> None:
    """Hold a group for another lease, unless another one reads for it now."""
    await connection.execute(RENEW, [lease, name, holder])


async def move(connection: Rows, name: str, holder: str, to: Cursor) -> bool:
    """Set the group's cursor, never back; return False: another one reads for it now."""
    row = {"name": name, "holder": holder, "xid": str(to.xid), "id": to.id}
    if (await connection.execute(MOVE, row)).rowcount == 1:
        return True
    return (await connection.execute(IS_HELD, [name, holder])).rowcount == 1


async def leave(connection: Rows, name: str, holder: str) -> None:
    """Let another one of the group read at once."""
    await connection.execute(LEAVE, [name, holder])


async def is_read(connection: Rows, name: str) -> bool:
    """Return whether somebody reads for a group now."""
    return (await connection.execute(IS_READ, [name])).rowcount == 1


async def find(connection: Rows, name: str) -> Cursor | None:
    """Return where a group is; None: nobody has ever read for it."""
    row = await (await connection.execute(FIND, [name])).fetchone()
    return _cursor(row) if row else None


def _cursor(row: Row) -> Cursor:
    return Cursor(int(row["xid"]), row["id"])
