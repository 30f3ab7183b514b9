"""The war room's arithmetic: who sits, what a vote weighs, when to stop asking, what is ruled.

Weights are log-odds of being right: Nitzan and Paroush, "Optimal decision rules in uncertain
dichotomous choice situations", International Economic Review 23(2), 1982.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log

from agora.domain.answers import normal_form
from agora.domain.contracts import Json, Ruling, Vote

LEAST_SEATS, MOST_SEATS = 3, 5
START_ANSWERS = 20.0
"""How many answers a seat's known accuracy is worth when its reputation starts."""
FLOOR = 0.05
"""Weight of a seat that is wrong more often than not, yet better than chance …"""
DOUBTED = 0.2
"""… and below this it has none: who is right so seldom may mean to mislead."""
DOMAIN_ANSWERS = 30.0
"""How many answers in one domain a seat's reputation over all of them is worth."""
GATE = 0.10
"""How far below the best a seat may stand when voting does worse than the best alone."""
CHOICES = 4.0
"""Over so many answers the wrong ones are thought to scatter, since members err together."""


@dataclass(frozen=True)
class Reputation:
    """A Beta posterior of being right where a member answers at all."""

    right: float
    wrong: float

    @classmethod
    def start(cls, p: float) -> "Reputation":
        """Return the reputation of one whose accuracy is known, worth 20 answers."""
        return cls(START_ANSWERS * p, START_ANSWERS * (1 - p))

    def counted(self, record: Json, domain: str) -> "Reputation":
        """Return it after the judged votes of a record of `ledger`, those of one domain first."""
        own = Reputation(self.right + record["right"], self.wrong + record["wrong"])
        cell = record["cells"].get(domain)
        if cell is None:
            return own
        answers = cell["right"] + cell["wrong"]
        p = (cell["right"] + DOMAIN_ANSWERS * own.p) / (answers + DOMAIN_ANSWERS)
        total = own.right + own.wrong
        return Reputation(total * p, total * (1 - p))

    def step(self, is_right: bool) -> "Reputation":
        """Return it after one more answer whose truth was shown."""
        return Reputation(self.right + is_right, self.wrong + (not is_right))

    @property
    def p(self) -> float:
        """Return the chance that its answer is right, within (0, 1)."""
        return (self.right + 0.5) / (self.right + self.wrong + 1)

    @property
    def weight(self) -> float:
        """Return what its vote weighs: ln(p/(1−p)), 0 below one half."""
        return max(0.0, log(self.p / (1 - self.p)))


@dataclass(frozen=True)
class Seat:
    """A member of the war room: where it comes from, and how it stands."""

    expert: str
    model: str | None
    department: str
    family: str
    p: float  # share of the domain's tasks that it does right; a blank is not right
    reputation: Reputation

    @property
    def name(self) -> str:
        """Return how standings know the member; the same as `Bid.name`."""
        return f"{self.expert}@{self.model}" if self.model else self.expert


@dataclass(frozen=True)
class Seating:
    """Who sits, strongest first; `note` says what is missing to a full table."""

    seats: tuple[Seat, ...]
    note: str = ""


def seat(candidates: Iterable[Seat], most: int = MOST_SEATS) -> Seating:
    """Choose up to `most` members: first of other models, families, departments; then by standing.

    A model errs with itself most of all, a family together, so they count before the department.
    Raises ValueError unless 3 ≤ `most` ≤ 5.
    """
    if not LEAST_SEATS <= most <= MOST_SEATS:
        raise ValueError(f"a war room has {LEAST_SEATS} to {MOST_SEATS} seats, not {most}")
    left, chosen = sorted(candidates, key=_standing), list[Seat]()
    while left and len(chosen) < most:
        chosen.append(min(left, key=lambda one: _likeness(one, chosen)))
        left.remove(chosen[-1])
    return Seating(tuple(sorted(chosen, key=_standing)), _note(chosen))


def _standing(one: Seat) -> tuple[float, float, str]:
    return (-one.p, -one.reputation.weight, one.name)


def _likeness(one: Seat, chosen: Sequence[Seat]) -> tuple[int, int, int]:
    models = sum(one.model is not None and one.model == other.model for other in chosen)
    families = sum(one.family == other.family for other in chosen)
    return (models, families, sum(one.department == other.department for other in chosen))


def _note(chosen: Sequence[Seat]) -> str:
    families = len({one.family for one in chosen})
    if len(chosen) < LEAST_SEATS:
        return f"only {len(chosen)} of {LEAST_SEATS} seats can be filled"
    if families < LEAST_SEATS:
        return f"only {families} model famil{'y' if families == 1 else 'ies'}: they err together"
    return ""


def gate(seats: Sequence[Seat]) -> tuple[Seat, ...]:
    """Leave out those far below the best: for tables whose best does better alone."""
    best = max(one.p for one in seats)
    return tuple(one for one in seats if one.p >= best - GATE)


def weights(seats: Sequence[Seat]) -> dict[str, float]:
    """Return what each member's vote weighs; where none stands above one half, all the same."""
    found = {one.name: _weigh(one.reputation) for one in seats}
    return found if any(found.values()) else dict.fromkeys(found, FLOOR)


def _weigh(reputation: Reputation) -> float:
    return max(FLOOR, reputation.weight) if reputation.p >= DOUBTED else 0.0


def next_seats(seats: Sequence[Seat], votes: Sequence[Vote]) -> list[Seat]:
    """Return whom to ask next, strongest first; none when no more vote can change the winner.

    All of them would be asked one after the other too, even if each agreed with the leader: so
    they may be asked at once, and no call is made that stopping early would have spared.
    """
    asked = {vote.name for vote in votes}
    left = [one for one in seats if one.name not in asked]
    weigh = weights(seats)
    first, second = (*sorted(_tally(votes, weigh).values(), reverse=True), 0.0, 0.0)[:2]
    lead, still_open = first - second, sum(weigh[one.name] for one in left)
    wave: list[Seat] = []
    for one in left:
        if lead > still_open + 1e-9:
            break
        wave.append(one)
        lead, still_open = lead + weigh[one.name], still_open - weigh[one.name]
    return wave


def rule(seats: Sequence[Seat], votes: Sequence[Vote], threshold: float = 0.6) -> Ruling:
    """Return the weighted vote's answer, as its strongest supporter wrote it.

    Confidence is the posterior of the winner; from `threshold` on it is a consensus, and so it is
    where all who were heard agree, or a tool says that the answer holds. Members without a valid
    answer have no weight.
    """
    weigh = weights(seats)
    tally = _tally(votes, weigh)
    weighed = tuple(vote.but(weight=_weight(vote, weigh)) for vote in votes)
    if not tally:
        said = "no member gave a valid answer"
        return Ruling(answer="", confidence=0.0, votes=weighed, is_consensus=False, reason=said)
    winner = max(tally, key=tally.__getitem__)  # of equals the first: the strongest member's
    confidence = _posterior(winner, seats, votes)
    is_agreed = len(tally) == 1 and all(map(_form, votes))
    answers = {_form(vote): vote.answer for vote in reversed(votes) if _form(vote)}
    by = next((one.verified_by for one in votes if one.verified_by and _form(one) == winner), "")
    is_consensus = confidence >= threshold or is_agreed or bool(by)
    reason = _reason(winner, votes, confidence) + (f", {by} says that it holds" if by else "")
    return Ruling(
        answer=answers[winner],
        confidence=confidence,
        votes=weighed,
        is_consensus=is_consensus,
        reason=reason + _lack(is_consensus, threshold),
        dissent=tuple(answer for form, answer in reversed(answers.items()) if form != winner),
    )


def _form(vote: Vote) -> str:
    """Return what a vote's answer means; "" where it has none."""
    return "" if vote.error else vote.meaning or normal_form(vote.answer)


def _weight(vote: Vote, weigh: dict[str, float]) -> float:
    return weigh.get(vote.name, 0.0) if _form(vote) else 0.0


def _tally(votes: Sequence[Vote], weigh: dict[str, float]) -> dict[str, float]:
    tally: dict[str, float] = {}
    for vote in votes:
        if form := _form(vote):
            tally[form] = tally.get(form, 0.0) + weigh.get(vote.name, 0.0)
    return tally


def _posterior(winner: str, seats: Sequence[Seat], votes: Sequence[Vote]) -> float:
    """Return the chance of an answer: votes are independent, wrong ones scatter evenly."""
    p = {one.name: one.reputation.p for one in seats}
    evidence: dict[str, float] = {}
    for vote in votes:
        if (form := _form(vote)) and vote.name in p:
            odds = p[vote.name] / (1 - p[vote.name])
            evidence[form] = evidence.get(form, 0.0) + log(odds * (CHOICES - 1))
    unseen = max(0.0, CHOICES - len(evidence))
    return exp(evidence.get(winner, 0.0)) / (sum(map(exp, evidence.values())) + unseen)


def _reason(winner: str, votes: Sequence[Vote], confidence: float) -> str:
    valid = [vote for vote in votes if _form(vote)]
    agree = sum(_form(vote) == winner for vote in valid)
    said = f"{agree} of {len(valid)} valid answers agree, confidence {confidence:.2f}"
    silent = len(votes) - len(valid)
    return f"{said}, {silent} gave none" if silent else said


def _lack(is_consensus: bool, threshold: float) -> str:
    return "" if is_consensus else f", needed {threshold:.2f}: no consensus"
