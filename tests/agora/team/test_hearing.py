from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agora.domain.contracts import AgentTask
from agora.team.asking import CLOSING_S
from agora.team.hearing import LEAST_S
from tests.running import Hire

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TASK = AgentTask(id="room", text="Is it true?")


async def shares(hire: Hire, left_s: float, waves: int) -> list[float]:
    """Return the seconds that members of a meeting get, should every wave of it hang."""
    hearing, end = hire().team.meeting.hearing, NOW + timedelta(seconds=left_s)
    given = list[float]()

    def clock() -> datetime:
        return NOW + timedelta(seconds=sum(given))

    for still in range(waves, 0, -1):
        admission = replace(hearing.asking.admission, clock=clock)
        held = replace(hearing, asking=replace(hearing.asking, admission=admission), clock=clock)
        session = await held.session(TASK, end.isoformat(), still)
        given.append(admission.left_s(session.ends_at) - CLOSING_S)
    return given


async def test_members_of_a_short_meeting_get_time_to_answer(hire: Hire) -> None:
    first, second, *_ = await shares(hire, 2.5, waves=5)
    assert first >= LEAST_S and second >= LEAST_S / 2


async def test_a_meeting_has_time_for_every_wave_and_is_closed_in_time(hire: Hire) -> None:
    for left_s in (1.0, 2.5, 6.0, 100.0):
        given = await shares(hire, left_s, waves=5)
        assert min(given) > 0 and sum(given) <= left_s - CLOSING_S + 1e-6
