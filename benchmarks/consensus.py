"""What a war room adds to its best member: recorded answers replayed through the real graph.

`python benchmarks/consensus.py --data FOLDER [--json] [--seed N]`: takes about three minutes.
Members are experts whose models are a replay behind Ollama's wire format; seats, waves, votes,
ledger, checkpoints and the ruling are the product's own, on a real PostgreSQL. Reputations are
learned from the outcomes of the first 1,000 questions, in the order of the file; the rest is
scored. While nothing is learned a ruling depends only on who agrees with whom, so the graph holds
one meeting for each such pattern of a team, and its ruling counts for every question that has it:
all questions are scored, none is sampled. The evidence round is off: recordings cannot argue.

Colluders: in team A two seats always give one and the same wrong answer. Reputations start at the
known accuracy, worth 20 answers; on a random 5 % of the questions the truth is shown after the
ruling, and who was not heard is asked then. These 71,150 meetings in a row, each on what the ones
before have taught, are held by the functions that the graph's stages call, without the graph.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from psycopg.types.json import Jsonb  # noqa: E402

import agora.team  # noqa: E402
from agora.domain import council, reputations  # noqa: E402
from agora.domain.contracts import Json, Vote  # noqa: E402
from agora.domain.council import Reputation, Seat  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team  # noqa: E402
from agora.team.minutes import judged  # noqa: E402
from benchmarks.consensus_replay import (  # noqa: E402
    DOMAIN,
    Member,
    Question,
    Records,
    pattern,
    read,
)
from benchmarks.overhead import database  # noqa: E402
from graphs.war_room import graph as war_room  # noqa: E402
from memory.checkpoints import open_saver  # noqa: E402
from tests.model_server import ModelServer  # noqa: E402

LEARNED = 1000
"""Questions whose outcomes are known; on a smaller set a fifth of them."""
SHOWN = 0.05
"""Share of the colluders' questions whose truth is shown."""
AT_ONCE = 4
"""Meetings that are held side by side."""
PROMISED = {
    "A": (75.0, 2.9),
    "B": (61.0, 2.5),
    "C": (50.9, 5.0),
    "D": (69.9, 1.1),
    "E": (64.4, 1.1),
    "F": (37.4, 5.0),
}
"""Accuracy in % and calls of five."""


@dataclass(frozen=True)
class Room:
    """The war-room graph with members of one team at its table."""

    team: Team
    graph: Any

    def invite(self, members: Sequence[Member]) -> None:
        """Let these be the only experts there are."""
        experts = [member.expert for member in members]
        self.team.market.experts = lambda: experts  # type: ignore[method-assign]

    async def meet(self, question: Question, thread: str) -> Json:
        """Hold one meeting and return its last state."""
        task = {"text": f"Question {question.id}?", "domain": DOMAIN}
        config = {"configurable": {"thread_id": thread}}
        return dict(await self.graph.ainvoke({"task": task}, config, durability="sync"))

    async def tell(self, kind: str, bodies: Iterable[Json]) -> None:
        """Write down what outcomes have shown."""
        insert = "INSERT INTO events (correlation_id, kind, body) VALUES ('known', %s, %s)"
        async with self.team.database.transaction() as connection:
            await connection.cursor().executemany(insert, [(kind, Jsonb(one)) for one in bodies])


def outcomes(members: Sequence[Member], known: Sequence[Question]) -> tuple[list[Json], list[Json]]:
    """Return what known questions say: an outcome of each member, and a meeting of all."""
    graded, meetings = [], []
    for question in known:
        right = {one.name: question.said[one.model] == question.answer for one in members}
        answered = {one.name for one in members if question.said[one.model]}
        graded += [_graded(name, is_right) for name, is_right in right.items()]
        votes = {name: is_right for name, is_right in right.items() if name in answered}
        meetings.append({"votes": votes, "domain": DOMAIN})
    return graded, meetings


def _graded(name: str, is_right: bool) -> Json:
    told = {"bidder": name, "domain": DOMAIN, "right": is_right, "is_graded": True}
    return told | {"tokens_out": 1, "latency_s": 0.1, "cost_usd": 0.0}


async def score(room: Room, members: Sequence[Member], records: Records) -> Json:
    """Return a team's figures: learned from the first questions, scored on the rest."""
    learned = min(LEARNED, len(records.questions) // 5)
    known, rest = records.questions[:learned], records.questions[learned:]
    graded, meetings = outcomes(members, known)
    await room.tell("outcome.judged", graded)
    await room.tell("votes.judged", meetings)
    room.invite(members)
    ruled = await _ruled(room, members, rest)
    right, calls = 0, 0
    for question in rest:
        number, asked = ruled[pattern(question, members)]
        letters = list(dict.fromkeys(filter(None, (question.said[m.model] for m in members))))
        right += number is not None and letters[number] == question.answer
        calls += asked
    best = max(sum(q.said[m.model] == q.answer for q in rest) for m in members)
    voted = sum(_plurality(q, members) == q.answer for q in rest)
    return {
        "accuracy": _percent(right, len(rest)),
        "interval": _interval(right, len(rest)),
        "plurality": _percent(voted, len(rest)),
        "best_single": _percent(best, len(rest)),
        "calls": round(calls / len(rest), 3),
        "questions": len(rest),
        "meetings": len(ruled),
    }


async def _ruled(
    room: Room, members: Sequence[Member], rest: Sequence[Question]
) -> dict[Any, tuple[int | None, int]]:
    """Return the ruling of each pattern: the number of its answer, and how many were asked."""
    first: dict[Any, Question] = {}
    for question in rest:
        first.setdefault(pattern(question, members), question)
    free = asyncio.Semaphore(AT_ONCE)

    async def hold(question: Question) -> tuple[int | None, int]:
        async with free:
            state = await room.meet(question, f"{members[0].team}-{question.id}")
        letters = [question.said[member.model] for member in members]
        order = list(dict.fromkeys(filter(None, letters)))
        answer = state["ruling"]["answer"]
        return (order.index(answer) if answer else None), len(state["votes"])

    held = await asyncio.gather(*map(hold, first.values()))
    return dict(zip(first, held, strict=True))


def _plurality(question: Question, members: Sequence[Member]) -> str:
    letters = [letter for m in members if (letter := question.said[m.model])]
    return max(letters, key=letters.count, default="")


def _percent(right: int, of: int) -> float:
    return round(100 * right / of, 2)


def _interval(right: int, of: int) -> list[float]:
    """Return the 95 % interval in % (Wilson 1927)."""
    p, z = right / of, 1.96
    middle, width = p + z * z / (2 * of), z * sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    below = 1 + z * z / of
    return [round(100 * (middle - width) / below, 2), round(100 * (middle + width) / below, 2)]


# Colluders.


def bribed(question: Question, members: Sequence[Member], pair: Sequence[int], seed: int) -> Json:
    """Return what each member says where two of them always say the same wrong thing."""
    chance = random.Random(f"{seed}/{question.id}")
    wrong = chance.choice([one for one in "ABCDEFGHIJ" if one != question.answer])
    letters = [question.said[member.model] for member in members]
    said = [wrong if i in pair else letter for i, letter in enumerate(letters)]
    return {member.name: letter for member, letter in zip(members, said, strict=True)}


def shown(questions: Sequence[Question], pair: Sequence[int], seed: int) -> set[str]:
    """Return the questions whose truth is shown."""
    chance = random.Random(f"{seed}/{pair}")
    return {question.id for question in questions if chance.random() < SHOWN}


def hold(seats: Sequence[Seat], said: Json) -> tuple[list[Vote], str]:
    """Return the votes of a meeting and its answer, as the stages `vote` and `ruling` do."""
    votes: list[Vote] = []
    while wave := council.next_seats(seats, votes):
        votes += [_vote(seat, said[seat.name]) for seat in wave]
    return votes, council.rule(seats, votes).answer


def _vote(seat: Seat, letter: str) -> Vote:
    return Vote(
        expert=seat.expert,
        model=seat.model,
        department=seat.department,
        family=seat.family,
        answer=letter,
        meaning=letter.lower(),
        error=None if letter else "does not know",
    )


def collude(records: Records, pair: Sequence[int], seed: int) -> float:
    """Return the accuracy in % of team A with two colluders, learning on the way."""
    members, state, right = records.teams["A"], reputations.empty(), 0
    accuracy = known_accuracy(records, members)
    truths = shown(records.questions, pair, seed)
    seats = _seats(members, accuracy, state)
    for question in records.questions:
        votes, answer = hold(seats, bribed(question, members, pair, seed))
        right += answer == question.answer
        if question.id in truths:
            # Who was not heard is asked now, as `Meeting.learn` does.
            said, heard = bribed(question, members, pair, seed), {vote.name for vote in votes}
            votes += [_vote(seat, said[seat.name]) for seat in seats if seat.name not in heard]
            told = judged(votes, answer.lower(), question.answer.lower()) | {"domain": DOMAIN}
            state = reputations.step(state, told)
            seats = _seats(members, accuracy, state)
    return 100 * right / len(records.questions)


def known_accuracy(records: Records, members: Sequence[Member]) -> dict[str, float]:
    """Return how often each member is right where it answers: what its seat is known for."""
    said = {m.name: [(q.said[m.model], q.answer) for q in records.questions] for m in members}
    answered = {name: [a == b for a, b in pairs if a] for name, pairs in said.items()}
    return {name: sum(right) / len(right) for name, right in answered.items()}


def _seats(members: Sequence[Member], accuracy: dict[str, float], state: Json) -> list[Seat]:
    seats = [
        Seat(
            expert=member.expert.name,
            model=member.model,
            department=member.expert.department,
            family=member.model,
            p=accuracy[member.name],
            reputation=Reputation.start(accuracy[member.name]).counted(
                reputations.of(state, member.name), DOMAIN
            ),
        )
        for member in members
    ]
    return list(council.seat(seats).seats)


def colluders(records: Records, seed: int) -> Json:
    """Return the accuracy for each of the ten pairs of seats, and their mean."""
    pairs = list(combinations(range(5), 2))
    found = {f"{a + 1}+{b + 1}": round(collude(records, (a, b), seed), 2) for a, b in pairs}
    values = list(found.values())
    return {
        "colluders": found,
        "colluders_mean": round(sum(values) / len(values), 2),
        "colluders_strongest": found["1+2"],
        "colluders_weakest": found["4+5"],
    }


@contextmanager
def replay(records: Records) -> Iterator[ModelServer]:
    """Serve the recorded answers as Ollama would."""
    with ModelServer(records.script, models=records.models) as server:
        yield server


async def main(records: Records, seed: int) -> Json:
    """Set up everything once, and measure."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as home, replay(records) as server:
        records.declare(Path(home))
        async with database() as url, open_saver(url) as saver:
            named: Json = {"database.url": url, "home": home, "room.evidence": False}
            named |= {"ollama.host": server.url, "ollama.models": records.models}
            team = agora.team.assemble(load({}, **named))
            agora.team.current = lambda: team
            await team.database.url()
            room = Room(team, war_room.compile(checkpointer=saver))
            found = {name: await score(room, of, records) for name, of in records.teams.items()}
            await team.close()
    figures = {"teams": found} | (colluders(records, seed) if "A" in found else {})
    return figures | {"seconds": round(time.monotonic() - begun, 1)}


def show(figures: Json) -> None:
    """Print a table."""
    columns = (
        "team",
        "best single",
        "plurality",
        "ours",
        "95 % interval",
        "calls of 5",
        "promised",
    )
    print(("{:>5}{:>13}{:>11}{:>8}{:>17}{:>12}{:>16}").format(*columns))
    for name, one in figures["teams"].items():
        low, high = one["interval"]
        promised = "≥ {:.1f}, ≤ {:.1f}".format(*PROMISED[name]) if name in PROMISED else ""
        print(
            f"{name:>5}{one['best_single']:>13.1f}{one['plurality']:>11.1f}{one['accuracy']:>8.1f}"
            f"{f'{low:.1f} – {high:.1f}':>17}{one['calls']:>12.2f}{promised:>16}"
        )
    if "colluders" in figures:
        said = ", ".join(f"{pair} {value:.1f}" for pair, value in figures["colluders"].items())
        print(f"colluders in team A, by seats: {said}; mean {figures['colluders_mean']:.1f}")
    print(f"{figures['seconds']:.0f} s")


def is_kept(figures: Json) -> bool:
    """Return whether every promise is kept."""
    of_teams = all(
        one["accuracy"] >= PROMISED[name][0]
        and one["calls"] <= PROMISED[name][1]
        and one["accuracy"] >= max(one["best_single"] - 0.3, one["plurality"] - 0.2)
        for name, one in figures["teams"].items()
        if name in PROMISED
    )
    of_colluders = "colluders" not in figures or (
        figures["colluders_mean"] >= 72.0
        and figures["colluders_strongest"] >= 66.0
        and figures["colluders_weakest"] >= 74.5
    )
    return of_teams and of_colluders


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder as prepare.py writes it")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0, help="which truths colluders are shown")
    chosen = parser.parse_args()
    measured = asyncio.run(main(read(chosen.data), chosen.seed))
    show(measured)
    if chosen.json:
        print(json.dumps(measured))
    sys.exit(0 if is_kept(measured) else 1)
