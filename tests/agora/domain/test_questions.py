import time

import pytest

from agora.domain.questions import has_side_effects, is_live, is_personal, key, normal_form

SAME = [
    ("How do I read a CSV file?", "  how do i read   a CSV file ?!"),
    ("How do I read a CSV file?", "Hi there, quick question: how can I read a CSV file? Thanks!"),
    ("What is the notice period?", "What's the notice period, please?"),
    ("I can't log in", "I cannot log in"),
    ("Is a refund possible within 60 days?", "Is a refund possible within sixty days?"),
    ("A loan of $25,000 over 25 years?", "A loan of $25000 over twenty-five years?"),
    ("How do I read XML in Go?", "In Go, how do I read XML?"),
    ("How do I bleed a radiator?", "I want to bleed a radiator, how do I do it?"),
    ("How do I bleed a radiator?", "What is the best way to bleed a radiator?"),
    ("What is 2 cups in millilitres?", "what is 2 cups in milliliters"),
    ("What time is it in Rome at 8am?", "What time is it in Rome at 8 am?"),
    ("How do I renew library books?", "So um, how do I renew library books?"),
    ("How do I report the pothole?", "How do I report the pothole"),
]
TRAPS = [
    ("How do I copy files from S3 to my laptop?", "How do I copy files from my laptop to S3?"),
    ("Does it run with Docker?", "Does it run without Docker?"),
    ("How do I turn the alarm on?", "How do I turn the alarm off?"),
    ("How do I log in?", "How do I log out?"),
    ("What does error E0382 mean?", "What does error E0308 mean?"),
    ("What is new in Python 3.1?", "What is new in Python 3.10?"),
    ("How do I round to 2 decimals?", "How do I round to three decimals?"),
    ("Who is liable for damage?", "Who is not liable for damage?"),
    ("Is it suitable for children?", "Is it unsuitable for children?"),
    ("How do I index user_id?", "How do I index order_id?"),
    ("When was it built?", "Why was it built?"),
    ("How do I find who called?", "How do I find when called?"),
    ("What was the price?", "What is the price?"),
    ("What is my name?", "What is your name?"),
    ("Is 5 > 3?", "Is 5 < 3?"),
    ("What is $5 in €?", "What is €5 in $?"),
    ("What does grep -v do?", "What does grep -V do?"),
    ("How do I import a module?", "How important a module?"),
    ("How do you say please?", "How do you say thanks?"),
    ("What is C?", "What is C++?"),
    ("Can I take ibuprofen?", "Should I take ibuprofen?"),
    ("How increase by 5?", "How increase to 5?"),
    ("Is a vitamin A supplement safe?", "Is a vitamin supplement safe?"),
    ("What does हिन्दी mean?", "What does हिन्दू mean?"),
    ("?", "!"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_question_typed_again_has_the_same_key(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(("one", "other"), TRAPS)
def test_a_question_with_another_answer_has_another_key(one: str, other: str) -> None:
    assert key(one) != key(other)


def test_the_normal_form_forgives_manners_and_nothing_else() -> None:
    assert normal_form("Hello,  What IS Rust? Thanks!") == "what is rust"
    assert normal_form("Hello world in C") == "hello world in c"
    assert normal_form("what is rust") != normal_form("what is ruby")
    assert normal_form("…") == "…"


@pytest.mark.parametrize(
    "text", ["Where is my order?", "Did I pay?", "What's my balance?", "Write to jo@example.org"]
)
def test_a_personal_question_is_known(text: str) -> None:
    assert is_personal(text) and not is_personal("How do I change a password?")


@pytest.mark.parametrize(
    "text",
    ["What is the weather in Rome?", "Who leads now?", "What time is it?", "The latest news"],
)
def test_a_live_question_is_known(text: str) -> None:
    assert is_live(text) and not is_live("How do I boil an egg?")


@pytest.mark.parametrize(
    "text", ["Delete the branch", "Please send it to Ann", "Could you please deploy version 2?"]
)
def test_a_wish_to_have_something_done_is_known(text: str) -> None:
    assert has_side_effects(text) and not has_side_effects("How do I delete a branch?")


@pytest.mark.parametrize("piece", ["1", ".", "a", "a-", "hi ", "sorry, ", ". please ", "1,000"])
def test_a_long_text_costs_little_and_is_only_itself(piece: str) -> None:
    long = piece * (50_000 // len(piece)) + "x"
    started = time.process_time()
    assert key(long) == long
    assert not is_personal(long) and not is_live(long) and not has_side_effects(long)
    assert time.process_time() - started < 1
