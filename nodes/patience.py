"""What a stage does while the database has no connection free: it waits, and does no harm."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog

from agora import team
from memory.database import DatabaseBusyError

log = structlog.get_logger(__name__)
T = TypeVar("T")


def last_moment(state: Any) -> datetime:
    """Return until when a stage may wait: the task's deadline, or `database.patience_s`."""
    current = team.current()
    if ends_at := (state.get("context") or {}).get("ends_at"):
        return datetime.fromisoformat(ends_at)
    return current.clock() + timedelta(seconds=current.settings.database.patience_s)


async def patiently(work: Callable[[], Awaitable[T]], until: datetime) -> T:
    """Do work again that got no connection, as often as there is time.

    Begun again from its top, it finds done what it has done before, as after a crash. When the
    time is up DatabaseBusyError says so; the run stays where it is, and is taken over later.
    """
    while True:
        try:
            return await work()
        except DatabaseBusyError as error:
            if team.current().clock() >= until:
                raise
            log.warning("a stage waits for the database", reason=str(error))
