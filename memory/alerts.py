"""The alerts table: what people were told, how often it came again, what is held back."""

from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from agora.domain.alerts import Alert
from agora.domain.contracts import Json
from memory.database import Row, Rows

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('alerts', 0))"
AGAIN = """
UPDATE alerts SET times = times + 1, last_at = %(at)s WHERE id = (
    SELECT id FROM alerts WHERE kind = %(kind)s AND subject = %(subject)s AND at > %(since)s
    ORDER BY at DESC LIMIT 1)
"""
SENT = "SELECT count(*) AS sent FROM alerts WHERE at > %s AND status <> 'held'"
INSERT = """
INSERT INTO alerts (id, kind, subject, severity, text, at, last_at, status)
VALUES (%(id)s, %(kind)s, %(subject)s, %(severity)s, %(text)s, %(at)s, %(at)s, %(status)s)
"""
SETTLE = """
UPDATE alerts SET status = %s, told = told || %s, tries = tries + 1
WHERE id = %s AND status = 'waiting'
"""
WAITING = "SELECT * FROM alerts WHERE status = 'waiting' ORDER BY at"
NEWEST = "SELECT * FROM alerts ORDER BY at DESC, id LIMIT %s"


async def raise_one(
    connection: Rows, alert: Alert, repeat: timedelta, most_an_hour: int
) -> str | None:
    """Write an alert down; return its status, or None: the same one was raised not long ago."""
    await connection.execute(LOCK)
    row = alert.model_dump() | {"since": alert.at - repeat}
    if (await connection.execute(AGAIN, row)).rowcount:
        return None
    sent = await (await connection.execute(SENT, [alert.at - timedelta(hours=1)])).fetchone()
    status = "held" if sent and sent["sent"] >= most_an_hour else "waiting"
    await connection.execute(INSERT, row | {"status": status})
    return status


async def settle(connection: Rows, alert_id: str, status: str, told: Json) -> None:
    """Say what became of a waiting one."""
    await connection.execute(SETTLE, [status, Jsonb(told), alert_id])


async def waiting(connection: Rows) -> list[Row]:
    """Return what no channel, or not every one, has taken yet; oldest first."""
    return await (await connection.execute(WAITING)).fetchall()


async def newest(connection: Rows, limit: int) -> list[Row]:
    """Return the newest ones."""
    return await (await connection.execute(NEWEST, [limit])).fetchall()


def alert_of(row: Row) -> Alert:
    """Return the alert that a row holds."""
    at: datetime = row["at"]
    return Alert.model_validate({name: row[name] for name in Alert.model_fields} | {"at": at})
