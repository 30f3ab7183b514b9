"""Sequential tests: they may be looked at after every outcome without raising false alarms.

CUSUM: Page, "Continuous inspection schemes", Biometrika 41, 1954. E-values: Ramdas et al.,
"Game-theoretic statistics and safe anytime-valid inference", Statistical Science 38, 2023.
"""

from dataclasses import dataclass, replace
from math import comb, log
from typing import Literal

FLOOR = 0.70
"""Success rate below which steady mediocrity counts as a drop …"""
FLOOR_OUTCOMES = 10
"""… once there are as many outcomes."""
OWN_RATE_OUTCOMES = 100
"""As many outcomes give a version a measured rate of its own …"""
OWN_RATE_ERROR = 0.055
"""… less its error: without that 7 % of healthy versions would ring within the next 100."""

PROMOTE_AT = 20.0
DROP_AT = 5.0
MAX_PAIRS = 200

Trial = Literal["promote", "drop", "continue"]


@dataclass(frozen=True)
class Cusum:
    """A watch over right and wrong outcomes for a fall of the success rate from p0 to p1.

    Its sum of log-likelihood ratios never goes below 0 and alarms at `alarm` (natural logarithm).
    """

    p0: float = 0.80
    p1: float = 0.60
    alarm: float = log(200)
    total: float = 0.0

    def __post_init__(self) -> None:
        """Refuse rates between which no fall can be seen."""
        if not 0 < self.p1 < self.p0 < 1:
            raise ValueError(f"needs 0 < p1 < p0 < 1, got p0={self.p0}, p1={self.p1}")

    def step(self, is_right: bool) -> "Cusum":
        """Return the watch after one more outcome."""
        ratio = log(self.p1 / self.p0) if is_right else log((1 - self.p1) / (1 - self.p0))
        return replace(self, total=max(0.0, self.total + ratio))

    def turned(self, is_right: bool) -> "Cusum":
        """Return the watch after an outcome that it has counted turned out to be the other way."""
        undone = self.step(not is_right).total - self.total
        return replace(self, total=max(0.0, self.step(is_right).total - undone))

    @property
    def is_alarm(self) -> bool:
        """Return whether the fall has shown itself."""
        return self.total >= self.alarm


def expert_watch(right: int = 0, outcomes: int = 0) -> Cusum:
    """Return the watch over a prompt version with these outcomes so far: .80 → .60 at first.

    From 100 outcomes on p0 is the version's own rate less .055, kept within [.30, .97], and p1 .20
    below.
    """
    if outcomes < OWN_RATE_OUTCOMES:
        return Cusum()
    p0 = min(0.97, max(0.30, right / outcomes - OWN_RATE_ERROR))
    return Cusum(p0, p0 - 0.20)


def promotion_watch(trial_rate: float) -> Cusum:
    """Return the watch over a change that won its trial with this success rate: alarm → revert."""
    p0 = min(0.97, max(0.28, trial_rate - 0.03))
    return Cusum(p0, p0 - 0.20, log(100))


def is_below_floor(right: int, outcomes: int) -> bool:
    """Return whether the outcomes are many enough and less than .70 of them right."""
    return outcomes >= FLOOR_OUTCOMES and right / outcomes < FLOOR


def e_value(wins: int, losses: int) -> float:
    """Return the evidence that the first of a pair wins more than half of the discordant pairs.

    The likelihood under a uniform share above one half, against one half at the most:
    sum over k = 0..w of C(n+1, k) / ((n+1)·C(n, w)); 1 when nothing was seen.
    """
    n = wins + losses
    return sum(comb(n + 1, k) for k in range(wins + 1)) / ((n + 1) * comb(n, wins))


def trial(wins: int, losses: int, pairs: int) -> Trial:
    """Return what to do with a candidate after `pairs` fresh tasks done by it and the incumbent.

    Pairs with the same outcome count for the length only. Promote at evidence 20; drop at
    evidence 5 for the incumbent, or after 200 pairs.
    """
    if min(wins, losses) < 0 or wins + losses > pairs:
        raise ValueError(f"{wins} wins and {losses} losses do not fit into {pairs} pairs")
    if e_value(wins, losses) >= PROMOTE_AT:
        return "promote"
    if e_value(losses, wins) >= DROP_AT or pairs >= MAX_PAIRS:
        return "drop"
    return "continue"
