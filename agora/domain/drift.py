"""A watch over one bidder: when its outcomes leave what the table says, the old ones are forgotten.

A two-sided CUSUM on (predicted − outcome): Page, "Continuous inspection schemes", Biometrika 41,
1954. Unlike discounting it costs nothing while nothing drifts.
"""

from agora.domain import table
from agora.domain.contracts import Json

FALL_SLACK, FALL_ALARM = 0.15, 8.0
"""An even bidder, right in 65 % of tasks, seems to fall once in 125,000 outcomes; with an alarm of
6 in 11,000, which is often: a false one costs as much as routing gains in 3,000 tasks."""
RISE_SLACK, RISE_ALARM = 0.10, 3.0
SHRINK = 8.0
"""The table's SHRINK for the watch, which must not take a domain that is new for a fall."""
TRAIL = 400
"""At most so many outcomes are kept for the case that all others are forgotten."""
NEW: Json = {"sum": 0.0, "trail": [], "is_fallen": False}


def surprise(row: Json, domain: str, right: bool) -> float:
    """Return predicted − outcome, scaled down where little is known of the domain yet."""
    known = table.tasks(row["cells"].get(domain, table.BLANK))
    predicted = table.cell_mean(row, domain, table.own_mean(row), SHRINK)
    trust = 1.0 if row["is_fallen"] else known / (known + SHRINK)
    return (predicted - right) * trust


def watched(row: Json, surprise: float, outcome: tuple[str, bool, int]) -> Json:
    """Return a row after its sum was carried on: downwards while all is well, upwards after a fall.

    `outcome` is (domain, right, tokens), counted already. After a fall nothing is kept but the
    outcomes since the sum left zero; who rises again begins as a newcomer.
    """
    fallen = row["is_fallen"]
    change = -surprise - RISE_SLACK if fallen else surprise - FALL_SLACK
    total = max(0.0, row["sum"] + change)
    trail = [*row["trail"], list(outcome)][-TRAIL:] if total else []
    if total < (RISE_ALARM if fallen else FALL_ALARM):
        return row | {"sum": total, "trail": trail}
    # A rise may have begun in the bad days, and their outcomes would keep it from every task.
    return _forgotten(row, [] if fallen else trail) | {"is_fallen": not fallen}


def _forgotten(row: Json, trail: list[list[str | bool | int]]) -> Json:
    row = row | table.NEW | NEW
    for domain, right, tokens in trail:
        row = table.counted(row, str(domain), bool(right), int(tokens))
    return row
