"""Alerting: what a person should know goes to the log, a webhook and a mailbox, once.

The same kind and subject count as one for a while, and no more than so many an hour go out; what
is held back stays in the table (`agora alerts`).
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from agora.domain.alerts import Alert, AlertUnsentError, Severity, mail, post
from agora.domain.contracts import Act, ActOutcome, Json
from agora.domain.errors import RefusedError
from agora.domain.redaction import redact
from agora.domain.settings import Settings
from agora.team.acting import Acting, standing_alone
from agora.team.clocks import Clock
from memory import alerts, events
from memory.database import Database, Row

Send = Callable[[Alert], Awaitable[None]]
log = structlog.get_logger(__name__)
TRIES = 5
"""How often a channel is tried before an alert is given up."""


@dataclass(frozen=True)
class Alerting:
    """Alerts, through the ledger."""

    settings: Settings
    database: Database
    acting: Acting
    clock: Clock

    async def alert(
        self, kind: str, subject: str, text: str, severity: Severity = "warning"
    ) -> bool:
        """Tell a person, unless the same was told not long ago; return whether it is news.

        A channel that does not answer raises nothing: it is tried again by `deliver`.
        """
        text, subject = redact([text, subject], self.settings.secrets)
        raised = Alert(
            id=uuid.uuid4().hex[:16],
            kind=kind,
            subject=subject,
            severity=severity,
            text=text,
            at=self.clock(),
        )
        status = await self._raise(raised)
        if status is None:
            return False
        log.warning("alert", kind=kind, subject=subject, severity=severity, text=text)
        if status == "waiting":
            await self._send(raised, tries=0)
        return True

    async def _raise(self, raised: Alert) -> str | None:
        limits = self.settings.alerts
        repeat = timedelta(seconds=limits.repeat_s)
        async with self.database.transaction() as connection:
            status = await alerts.raise_one(connection, raised, repeat, limits.per_hour)
            if status:
                told = raised.as_json() | {"status": status}
                await events.publish(connection, raised.id, "alert.raised", told)
        return status

    async def deliver(self) -> int:
        """Send what waits, such as after a crash; return how many alerts that was."""
        async with self.database.transaction() as connection:
            left = await alerts.waiting(connection)
        for row in left:
            await self._send(alerts.alert_of(row), row["tries"])
        return len(left)

    async def newest(self, limit: int) -> list[Row]:
        """Return the newest alerts, sent or held back."""
        async with self.database.transaction() as connection:
            return await alerts.newest(connection, limit)

    async def _send(self, raised: Alert, tries: int) -> None:
        told: Json = {}
        for ordinal, (name, send) in enumerate(self._channels().items()):
            told[name] = await self._tell(raised, name, ordinal, send)
        unsent = [said for said in told.values() if said != "sent"]
        status = "sent" if not unsent else "failed" if tries + 1 >= TRIES else "waiting"
        if unsent:
            log.error("an alert was not sent", alert=raised.id, told=told, status=status)
        async with self.database.transaction() as connection:
            await alerts.settle(connection, raised.id, status, told)

    def _channels(self) -> dict[str, Send]:
        settings, found = self.settings.alerts, dict[str, Send]()
        if settings.webhook_url:
            found["webhook"] = lambda raised: post(raised, settings)
        if settings.smtp_url:
            found["mail"] = lambda raised: asyncio.to_thread(mail, raised, settings)
        return found

    async def _tell(self, raised: Alert, name: str, ordinal: int, send: Send) -> str:
        async def do() -> ActOutcome:
            await send(raised)
            return ActOutcome(result={})

        act = Act(kind="send_alert", subject=name, ordinal=ordinal)
        with standing_alone(f"alert-{raised.id}", "alerting"):
            try:
                await self.acting.perform(act, do)
            except (AlertUnsentError, RefusedError) as error:
                return str(error)
        return "sent"
