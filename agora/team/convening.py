"""Convening: a war room outside of the task graph, whose ruling is somebody's brief."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from agora.domain.contracts import AgentTask, Json, Ruling
from agora.team.acting import case
from agora.team.hearing import Tell
from agora.team.meeting import Meeting


async def hold(meeting: Meeting, task: AgentTask, tell: Tell) -> Ruling:
    """Hold a whole meeting within one stage; every question of it is an act of its own."""
    with _within(task.id, "vote"):
        seats, table = await meeting.open(task, None)
        votes: list[Json] = []
        while True:
            heard = await meeting.hear(task, table, seats, votes, tell)
            is_over = len(heard) == len(votes) or not meeting.is_undecided(table, seats, heard)
            votes = heard
            if is_over:
                break
    if meeting.wants_evidence(table, seats, votes):
        with _within(task.id, "evidence"):
            votes = await meeting.argue(task, table, seats, votes, tell)
    judge = None
    if meeting.wants_judge(table, seats, votes):
        with _within(task.id, "judging"):
            judge = await meeting.judge(task, table, votes, tell)
    with _within(task.id, "ruling"):
        ruling = meeting.rule(table, seats, votes, judge)
        ruling, _ = await meeting.close(task, table, seats, ruling)
    return ruling


@contextmanager
def _within(case_id: str, stage: str) -> Iterator[None]:
    """Act under the meeting's own id and stage, held by the claim of the running thread."""
    token = case.set(replace(case.get(), id=case_id, stage=stage))
    try:
        yield
    finally:
        case.reset(token)
