"""Time as a parameter, so that a day can be simulated; leases alone use the database's clock."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system() -> datetime:
    """Return the time that it is, in UTC."""
    return datetime.now(UTC)
