"""Which of several patches that pass the tests is most likely right."""

from collections.abc import Sequence

from agora.domain.repair.edits import Attempt
from agora.domain.repair.source import Source
from agora.domain.repair.trials import TestRun

Ranked = list[tuple[Attempt, tuple[str, ...]]]


def ranked(
    attempts: Sequence[Attempt], sources: Sequence[Source], before: TestRun, seed: int
) -> Ranked:
    """Return the attempts with their reasons, the most trustworthy first."""
    return [(attempt, ()) for attempt in sorted(attempts, key=lambda attempt: attempt.cost)]
