"""What a stage does while the database cannot serve it: it waits, begins again, does no harm."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog

from agora import team
from memory.database import BROKEN, DatabaseBusyError

log = structlog.get_logger(__name__)
T = TypeVar("T")
PAUSE_S = 0.5
"""At most so long a stage rests whose transaction was broken: not all of them equally long."""


def last_moment(state: Any) -> datetime:
    """Return until when a stage may wait: the task's deadline, or `database.patience_s`."""
    current = team.current()
    if ends_at := (state.get("context") or {}).get("ends_at"):
        return datetime.fromisoformat(ends_at)
    return current.clock() + timedelta(seconds=current.settings.database.patience_s)


async def patiently(work: Callable[[], Awaitable[T]], until: datetime) -> T:
    """Do work again that got no connection, or whose transaction was broken, while there is time.

    Begun again from its top, it finds done what it has done before, as after a crash. When the
    time is up the error says so; the run stays where it is, and is taken over later.
    """
    while True:
        try:
            return await work()
        except (DatabaseBusyError, *BROKEN) as error:
            if team.current().clock() >= until:
                raise
            log.warning("a stage waits for the database", reason=str(error))
            if isinstance(error, BROKEN):  # the other error has waited already
                await asyncio.sleep(random.uniform(0, PAUSE_S))
