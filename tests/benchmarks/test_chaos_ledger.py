from typing import Any

import pytest

from benchmarks.chaos_ledger import compare

TEXTS = {"t1": "Puzzle 1", "t2": "Puzzle 2"}


def exchange(text: str = "Puzzle 1", usd: float = 1.0, **changes: Any) -> dict[str, Any]:
    said = f"<pulse>\nother\n</pulse>\n<task>\n{text}\n</task>\nAnswer."
    body = {"model": "m", "messages": [{"role": "user", "content": said}]}
    sound = {"fault": None, "usd": usd, "usage_sent": True, "hung_up": False}
    return {"body": body, **sound, **changes}


def act(usd: float = 1.0, task: str = "t1", is_estimate: bool = False) -> dict[str, Any]:
    return {"case_id": task, "subject": "m", "usd": usd, "is_estimate": is_estimate}


def test_what_is_booked_as_served_makes_no_difference() -> None:
    books = compare([act(), act(2.0, "t2")], [exchange(), exchange("Puzzle 2", 2.0)], TEXTS)
    assert (books.recorded, books.served, books.difference, books.paid_twice) == (3.0, 3.0, 0.0, 0)


@pytest.mark.parametrize(("booked", "off"), [(1.5, 0.5), (0.25, -0.75)])
def test_an_unmarked_difference_is_told_with_its_sign(booked: float, off: float) -> None:
    assert compare([act(booked)], [exchange()], TEXTS).difference == off


def test_two_differences_do_not_cancel_out() -> None:
    books = compare([act(1.5), act(0.5, "t2")], [exchange(), exchange("Puzzle 2")], TEXTS)
    assert (books.difference, books.off) == (0.0, 2)


def test_a_marked_estimate_may_be_more_but_never_less() -> None:
    more = compare([act(1.5, is_estimate=True)], [exchange(usage_sent=False)], TEXTS)
    less = compare([act(0.5, is_estimate=True)], [exchange(usage_sent=False)], TEXTS)
    assert (more.difference, more.below, less.difference, less.below) == (0.0, 0, 0.0, 1)


def test_a_request_that_nobody_has_booked_is_a_difference() -> None:
    assert compare([], [exchange()], TEXTS).difference == -1.0


def test_the_same_question_answered_whole_again_is_paid_twice() -> None:
    assert compare([act(2.0)], [exchange(), exchange()], TEXTS).paid_twice == 1
    broken = exchange(fault="reset", usage_sent=False)
    assert compare([act(2.0)], [broken, exchange()], TEXTS).paid_twice == 0
