"""Two of five who always give one and the same wrong answer, and a room that is to notice."""

import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from operator import eq
from typing import TYPE_CHECKING

from agora.domain import council, reputations
from agora.domain.contracts import Json, Vote
from agora.domain.council import Reputation, Seat
from agora.team.minutes import judged
from benchmarks.consensus_replay import DOMAIN, Member, Question, Records

if TYPE_CHECKING:
    from benchmarks.consensus import Room

SHOWN = 0.05
"""Share of the questions whose truth is shown after the ruling."""
THROUGH_GRAPH = 600
"""So many meetings in a row are held by the graph, too."""
WORST = (0, 1)
"""The two strongest seats."""


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


def known_accuracy(records: Records, members: Sequence[Member]) -> dict[str, float]:
    """Return how often each member is right where it answers: what its seat is known for."""
    said = {m.name: [(q.said[m.model], q.answer) for q in records.questions] for m in members}
    answered = {name: [a == b for a, b in pairs if a] for name, pairs in said.items()}
    return {name: sum(right) / len(right) for name, right in answered.items()}


def colluders(records: Records, seed: int) -> Json:
    """Return the accuracy in % for each of the ten pairs of seats, and their mean."""
    members = records.teams["A"]
    accuracy = known_accuracy(records, members)
    found = {}
    for pair in combinations(range(5), 2):
        answers = held(records.questions, members, pair, seed, accuracy)
        right = sum(a == q.answer for a, q in zip(answers, records.questions, strict=True))
        found[f"{pair[0] + 1}+{pair[1] + 1}"] = round(100 * right / len(answers), 2)
    return {
        "colluders": found,
        "colluders_mean": round(sum(found.values()) / len(found), 2),
        "colluders_strongest": found["1+2"],
        "colluders_weakest": found["4+5"],
    }


def stage(records: Records, seed: int) -> Records:
    """Return the first questions as a table with the worst pair answers them: team Z."""
    members = [Member("Z", one.number, one.model) for one in records.teams["A"]]
    questions = []
    for one in records.questions[:THROUGH_GRAPH]:
        said = bribed(one, members, WORST, seed)
        by_model = {member.model: said[member.name] for member in members}
        questions.append(Question(f"z{one.id}", one.answer, by_model))
    return Records(tuple(questions), {"Z": tuple(members)}, records.families)


async def through_graph(room: "Room", records: Records, staged: Records, seed: int) -> Json:
    """Return how many of the first meetings the graph rules as `held` has them ruled."""
    members, answers, first = staged.teams["Z"], [], None
    questions = records.questions[: len(staged.questions)]
    truths = shown(questions, WORST, seed)
    room.invite(members)
    for question, plain in zip(staged.questions, questions, strict=True):
        state = await room.meet(question, question.id)
        first = first or state
        answers.append(state["ruling"]["answer"])
        if plain.id in truths:
            await room.team.meeting.learn(state["task"]["id"], question.answer)
    assert first is not None
    start = {f"{one['expert']}@{one['model']}": _share(one) for one in first["seats"]}
    same = map(eq, answers, held(questions, members, WORST, seed, start))
    right = map(eq, answers, (one.answer for one in questions))
    return {
        "graph_meetings": len(answers),
        "graph_same": sum(same),
        "graph_accuracy": round(100 * sum(right) / len(answers), 2),
    }


def _share(seat: Json) -> float:
    return float(seat["right"] / (seat["right"] + seat["wrong"]))


def held(
    questions: Sequence[Question],
    members: Sequence[Member],
    pair: Sequence[int],
    seed: int,
    accuracy: Mapping[str, float],
) -> list[str]:
    """Return the answers of meetings in a row that learn on the way, as the graph's stages do."""
    state, truths = reputations.empty(), shown(questions, pair, seed)
    seats, answers = _seats(members, accuracy, state), []
    for question in questions:
        said = bribed(question, members, pair, seed)
        votes, answer = _meet(seats, said)
        answers.append(answer)
        if question.id in truths:
            state = reputations.step(state, _told(seats, votes, said, answer, question.answer))
            seats = _seats(members, accuracy, state)
    return answers


def _meet(seats: Sequence[Seat], said: Json) -> tuple[list[Vote], str]:
    """Return the votes of a meeting and its answer, as the stages `vote` and `ruling` do."""
    votes: list[Vote] = []
    while wave := council.next_seats(seats, votes):
        votes += [_vote(seat, said[seat.name]) for seat in wave]
    return votes, council.rule(seats, votes).answer


def _told(
    seats: Sequence[Seat], votes: Sequence[Vote], said: Json, answer: str, truth: str
) -> Json:
    """Return what a shown truth says of all members: who was not heard is asked now."""
    heard = {vote.name for vote in votes}
    late = [_vote(seat, said[seat.name]) for seat in seats if seat.name not in heard]
    return judged([*votes, *late], answer.lower(), truth.lower()) | {"domain": DOMAIN}


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


def _seats(members: Sequence[Member], accuracy: Mapping[str, float], state: Json) -> list[Seat]:
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
    chosen = council.seat(seats).seats
    needs_nobody = reputations.needs_nobody(state, chosen[0].name)
    return list(council.gate(chosen) if needs_nobody else chosen)
