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
before have taught, are held by the functions that the graph's stages call; the first ones of the
worst pair are also held by the graph, which must rule the same.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from psycopg.types.json import Jsonb  # noqa: E402

import agora.team  # noqa: E402
from agora.domain.contracts import Json  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team  # noqa: E402
from benchmarks.consensus_colluders import colluders, stage, through_graph  # noqa: E402
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


def answered(members: Sequence[Member], questions: Sequence[Question]) -> list[Json]:
    """Return an outcome of each member for each question to which it gave an answer."""
    said = ((one, question, question.said[one.model]) for question in questions for one in members)
    return [
        _graded(one.name, letter == question.answer) for one, question, letter in said if letter
    ]


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


@contextmanager
def replay(*all_records: Records) -> Iterator[ModelServer]:
    """Serve the recorded answers as Ollama would."""

    def script(messages: Any) -> str:
        return next(found for one in all_records if (found := one.script(messages)) is not None)

    with ModelServer(script, models=all_records[0].models) as server:
        yield server


async def main(records: Records, seed: int) -> Json:
    """Set up everything once, and measure."""
    begun = time.monotonic()
    staged = stage(records, seed) if "A" in records.teams else None
    served = (records, staged) if staged else (records,)
    with tempfile.TemporaryDirectory() as home, replay(*served) as server:
        records.declare(Path(home))
        async with database() as url, open_saver(url) as saver:
            named: Json = {"database.url": url, "home": home, "room.evidence": False}
            named |= {"ollama.host": server.url, "ollama.models": records.models}
            team = agora.team.assemble(load({}, **named))
            agora.team.current = lambda: team
            await team.database.url()
            room = Room(team, war_room.compile(checkpointer=saver))
            found = {name: await score(room, of, records) for name, of in records.teams.items()}
            figures: Json = {"teams": found}
            if staged:
                learned = records.questions[:LEARNED]
                await room.tell("outcome.judged", answered(staged.teams["Z"], learned))
                figures |= await through_graph(room, records, staged, seed)
                figures |= colluders(records, seed)
            await team.close()
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
        same, of = figures["graph_same"], figures["graph_meetings"]
        print(f"the first {of} meetings of seats 1+2, held by the graph: {same} ruled the same")
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
        and figures["graph_same"] == figures["graph_meetings"]
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
