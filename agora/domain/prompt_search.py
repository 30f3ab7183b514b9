"""Searching for a better prompt: GEPA, told what a prompt is tried on and who rewrites it.

Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning", 2025. Its
evaluation cache mixes results up and is left off; its own limits overshoot or never fire, so that
whoever tries and rewrites counts, and says when it is over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from agora.domain.contracts import Contract, Json

PART = "prompt"
BATCH = 3
"""So many tasks a rewriting is shown."""
EPOCHS = 2
"""So often all that is searched in must have been right, at a stretch: it can teach no more."""


class Example(Contract):
    """A recorded task, and what would have been right, as far as it is known."""

    id: str
    text: str
    domain: str | None = None
    tenant: str = "default"
    wanted: str | None = None
    note: str = ""  # what was said of an earlier answer


class Attempt(Contract):
    """What came of one example with one prompt."""

    score: float
    said: str = ""
    feedback: str = ""


Try = Callable[[str, Sequence[Example]], list[Attempt]]
"""Returns an attempt for each example with a prompt."""
Rewrite = Callable[[str, Sequence[Example], Sequence[Attempt]], str | None]
"""Returns another wording of a prompt, given how it did; None: none that may be tried."""


@dataclass(frozen=True)
class Found:
    """The best prompt of a search, by the examples it was chosen by; scores in [0, 1]."""

    text: str
    score: float
    before: float
    candidates: int


def split(examples: Sequence[Example]) -> tuple[list[Example], list[Example], list[Example]]:
    """Return examples to search in, to choose by, and to leave untouched; the same each time.

    A half is searched in: what no example there asks for, no rewriting can learn.
    """
    ordered = sorted(examples, key=lambda one: sha256(one.id.encode()).hexdigest())
    return ordered[::2], ordered[1::4], ordered[3::4]


def search(
    text: str,
    searched: Sequence[Example],
    chosen_by: Sequence[Example],
    attempt: Try,
    rewrite: Rewrite,
    is_over: Callable[[], bool],
    seed: int = 0,
) -> Found:
    """Return the best wording found until it is over, or until nothing can be done better."""
    from gepa.api import optimize
    from gepa.core.result import GEPAResult

    adapter: Any = _Adapter(attempt, rewrite)
    most_idle = EPOCHS * -(-len(searched) // BATCH)

    def stop(gepa_state: Any) -> bool:
        # GEPA passes over what is right already: it would do so for ever, and ask for nothing.
        is_idle = adapter.batches_without_rewrite > most_idle
        return is_over() or is_idle or max(gepa_state.program_full_scores_val_set) >= 1.0

    result: GEPAResult[Any, Any] = optimize(
        seed_candidate={PART: text},
        trainset=list(searched),
        valset=list(chosen_by),
        adapter=adapter,
        reflection_minibatch_size=BATCH,
        stop_callbacks=[stop],
        logger=_Silent(),
        track_best_outputs=False,
        cache_evaluation=False,
        seed=seed,
    )
    scores = result.val_aggregate_scores
    best = max(range(len(scores)), key=lambda one: (scores[one], -one))
    candidate: Any = result.candidates[best]
    return Found(str(candidate[PART]), scores[best], scores[0], len(scores))


@dataclass
class _Adapter:
    attempt: Try
    rewrite: Rewrite
    batches_without_rewrite: int = 0

    def evaluate(
        self, batch: list[Example], candidate: Mapping[str, str], capture_traces: bool = False
    ) -> Any:
        """Try a candidate on some examples."""
        from gepa.core.adapter import EvaluationBatch

        attempts = self.attempt(candidate[PART], batch)
        self.batches_without_rewrite += capture_traces
        traces = list(zip(batch, attempts, strict=True)) if capture_traces else None
        return EvaluationBatch(
            outputs=[one.said for one in attempts],
            scores=[one.score for one in attempts],
            trajectories=traces,
        )

    def make_reflective_dataset(
        self, candidate: Mapping[str, str], evaluated: Any, parts: list[str]
    ) -> Mapping[str, Sequence[Json]]:
        """Return what a rewriting is shown."""
        shown = [{"example": one, "attempt": said} for one, said in evaluated.trajectories]
        return dict.fromkeys(parts, shown)

    def propose_new_texts(
        self, candidate: Mapping[str, str], shown: Mapping[str, Sequence[Json]], parts: list[str]
    ) -> dict[str, str]:
        """Return another wording, or nothing."""
        self.batches_without_rewrite = 0
        pairs = shown[PART]
        examples, attempts = [one["example"] for one in pairs], [one["attempt"] for one in pairs]
        new = self.rewrite(candidate[PART], examples, attempts)
        return {PART: new} if new is not None else {}


class _Silent:
    def log(self, message: str) -> None:
        """Say nothing: what matters is told by whoever rewrites."""
