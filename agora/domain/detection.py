"""What the records of tools show: signs that one could be better, one opportunity for each tool.

Shares are compared by Fisher's exact test, which needs no large numbers.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import comb
from statistics import median

from agora.domain.contracts import Json, Opportunity
from agora.domain.loops import Preset
from agora.domain.tool_records import NOTHING, rate

FAMILY = ("failing_tool", "predicted_fault", "slow_tool", "duplicate_tool", "unused_tool")
"""Kinds of opportunities about a tool, the most pressing first: of one tool only one is alive."""
FAILURES_A_DAY = 3
"""More of them within 24 hours are a sign, whatever the share."""
HALF = 20  # outcomes of which the newer half fails more than the older
CHANCE = 0.05  # of a rise as large by luck
RISE = 0.10  # of the share of failures, at the least
NEWEST = 10  # latencies that are compared with those before
SLOWER = 2.0  # times
SLOWER_S = 0.05  # a smaller difference nobody notices
SOUND = 0.95  # success of a tool that is only slow


def findings(
    state: Json, workspace: str, preset: Preset, now: datetime, slow_s: float
) -> list[Opportunity]:
    """Return an opportunity for each tool of a workspace that shows a sign, worst first.

    `slow_s` is the median latency above which a sound tool is too slow.
    """
    tools = {
        subject: one
        for subject, one in (state or NOTHING)["tools"].items()
        if one["workspace"] == workspace
    }
    found = [_of(subject, one, preset, now, slow_s) for subject, one in tools.items()]
    return sorted((one for one in found if one), key=lambda one: float(one.evidence["success"]))


def analyzed(state: Json, workspace: str) -> int:
    """Return how many tools of a workspace have records."""
    tools = (state or NOTHING)["tools"].values()
    return sum(one["workspace"] == workspace for one in tools)


def _of(
    subject: str, tool: Json, preset: Preset, now: datetime, slow_s: float
) -> Opportunity | None:
    success, latencies = rate(tool), tool.get("latencies", [])
    failing = _failing(tool, preset, now)
    slow = _slow(tool, preset, slow_s)
    if not failing and not slow:
        return None
    evidence: Json = {"success": success, "signs": failing + slow} | tool
    if slow and not failing:  # any change of it must give what it gave
        evidence |= {"must_equal": True, "latency_s": median(latencies[-NEWEST:])}
    is_low = success < 0.50 and tool["executions"] >= preset.executions
    return Opportunity(
        id="",
        kind="failing_tool" if failing else "slow_tool",
        subject=subject,
        priority="low" if not failing else "high" if is_low else "medium",
        evidence=evidence,
    )


def _failing(tool: Json, preset: Preset, now: datetime) -> list[str]:
    signs = []
    if tool["executions"] >= preset.executions and rate(tool) < preset.below:
        signs.append("low_success")
    if failures_within(tool, now, timedelta(hours=24)) > FAILURES_A_DAY:
        signs.append("frequent_failures")
    if is_rising(tool.get("outcomes", "")):
        signs.append("rising_failures")
    return signs


def failures_within(tool: Json, now: datetime, span: timedelta) -> int:
    """Return how many of the kept failures are as young as that."""
    times = [failure.get("at") for failure in tool["failures"]]
    return sum(at is not None and now - datetime.fromisoformat(at) < span for at in times)


def is_rising(outcomes: str) -> bool:
    """Return whether failures (0 in the text, oldest first) have become more, beyond chance."""
    newer, older = outcomes[-HALF:], outcomes[-2 * HALF : -HALF]
    if len(older) < HALF:
        return False
    more = newer.count("0") - older.count("0")
    return more >= RISE * HALF and p_rise(older.count("0"), newer.count("0"), HALF) < CHANCE


def p_rise(older: int, newer: int, half: int) -> float:
    """Return how likely as many of the failures fall into the newer half by luck (Fisher)."""
    failures = older + newer
    ways = sum(comb(half, k) * comb(half, failures - k) for k in range(newer, failures + 1))
    return ways / comb(2 * half, failures)


def _slow(tool: Json, preset: Preset, slow_s: float) -> list[str]:
    latencies, signs = tool.get("latencies", []), []
    if has_slowed(latencies):
        signs.append("latency_regression")
    is_sound = tool["executions"] >= preset.executions and rate(tool) >= SOUND
    if is_sound and latencies and median(latencies) > slow_s:
        signs.append("sound_but_slow")
    return signs


def has_slowed(latencies: Sequence[float]) -> bool:
    """Return whether the newest calls took at least twice as long as those before, nearly all."""
    newest, before = latencies[-NEWEST:], sorted(latencies[:-NEWEST])
    if len(before) < 2 * NEWEST:
        return False
    usual, high = median(before), before[int(0.9 * len(before))]
    is_longer = median(newest) >= max(SLOWER * usual, usual + SLOWER_S)
    return is_longer and sum(one > high for one in newest) >= 0.8 * NEWEST
