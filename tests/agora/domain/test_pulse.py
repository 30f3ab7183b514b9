from typing import Any

from agora.domain.contracts import Json
from agora.domain.pulse import KINDS, sum_up


def event(kind: str, **body: Any) -> Json:
    assert kind in KINDS
    return {"kind": kind, "body": body}


def done(bidder: str = "risk@m", right: bool | None = True, about: str = "") -> Json:
    return event("outcome.judged", bidder=bidder, right=right, about=about)


def test_nothing_done_is_nothing_said() -> None:
    assert sum_up([], 200) == ""


def test_tasks_are_counted_by_their_winners() -> None:
    said = sum_up([done(), done(), done("engineer@m"), done(right=False), done(right=None)], 200)
    assert said == "Tasks done lately: 3 (risk@m 2, engineer@m 1); failed: 1."


def test_the_newest_texts_are_told_where_their_events_carry_them() -> None:
    said = sum_up([done(about=f"question {n}") for n in range(5)] + [done()], 200)
    assert "The newest were about: question 2; question 3; question 4." in said


def test_tools_changes_and_faults_are_told() -> None:
    said = sum_up(
        [
            event("tool.judged", tool="calc.add", is_right=True),
            event("tool.judged", tool="calc.add", is_right=False),
            event("change.applied", subject="calc.py", commit="0123456789"),
            event("change.reverted", subject="other.py", commit="abc"),
            event("act.ask_model", subject="qwen3:8b", is_done=False),
            event("act.ask_model", subject="qwen3:8b", is_done=True),
        ],
        200,
    )
    assert "Tools called, and right: calc.add 1 of 2." in said
    assert "calc.py was changed (01234567)." in said and "other.py was taken back" in said
    assert "Models that failed to answer: qwen3:8b 1." in said


def test_it_ends_at_a_sentence_within_its_words() -> None:
    events = [done(about="a very long question that goes on and on"), *[done() for _ in range(3)]]
    short = sum_up(events, 10)
    assert short == "Tasks done lately: 4 (risk@m 4); failed: 0."
    assert sum_up(events, 3) == ""
