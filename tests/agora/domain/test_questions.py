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
    # Typing errors, of words that everybody knows.
    ("How do I cancel the subscription?", "how do i cancle the subscritpion"),
    (
        "What are the side effects of this vegetarian diet?",
        "what are the side efects of this vegitarian diet",
    ),
    # Clauses, frames and names.
    ("How much does it cost to tow a car?", "To tow a car, how much does it cost?"),
    (
        "What time is it in Rome if it is noon in Lima?",
        "If it's 12 pm in Lima, what time is it in Rome?",
    ),
    ("How do I sort a list in Ruby?", "Is there a way to sort a list in Ruby?"),
    ("How do I sort a list in Ruby?", "What's the best way of sorting a list with Ruby?"),
    ("Why does the build fail?", "The build fails, why is that?"),
    ("What does SIGTERM mean?", "What is the meaning of SIGTERM?"),
    ("What is France's capital?", "What is the capital of France?"),
    ("Can I bring a pram?", "Is it possible to bring a pram?"),
    ("Should I repaint the shed?", "Is it a good idea to repaint the shed?"),
    ("Can I replace butter with oil?", "Can I substitute oil for butter?"),
    ("How far is it from Rome to Oslo?", "What is the distance between Rome and Oslo?"),
    ("How do I install k8s on Postgres?", "How do I install Kubernetes on PostgreSQL?"),
    ("How do I enable 2FA?", "How do I turn on two-factor authentication?"),
    ("How many oz are in 2 cups?", "How many ounces are in two cups?"),
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
    ("Can I replace butter with oil?", "Can I replace oil with butter?"),
    ("Can I substitute oil for butter?", "Can I replace oil with butter?"),
    ("How do I install Redis?", "How do I install reds?"),
    ("How does systemd start?", "How does the system start?"),
    ("What is the population of Austria?", "What is the population of Australia?"),
    ("What is Sentri?", "What is Sentry?"),
    ("How do I import?", "How do I export?"),
    ("How do I increase the limit?", "How do I decrease the limit?"),
    ("Is it internal?", "Is it external?"),
    ("Am I able to record a call in Texas?", "Am I allowed to record a call in Texas?"),
    ("Can I record a call?", "Is it legal to record a call?"),
    ("How do I activate my phone?", "How do I turn on my phone?"),
    ("How do I remove a USB drive?", "How do I erase a USB drive?"),
    ("What is Medicare Advantage?", "What is a Medicare benefit?"),
    ("What is f(x)?", "What is fx?"),
    ("How do I know when it is done?", "How do I know if it is done?"),
    ("Who is responsible for payroll?", "Who is liable for payroll?"),
    ("Why do I need a permit?", "Do I need a permit?"),
    ("Which river is the border of Chad?", "What is the border of Chad?"),
    ("Do I not need to register?", "Must I not register?"),
    ("How do I do B before A?", "How do I do A before B?"),
    ("Can I pay just the deposit?", "Can I pay the deposit?"),
    ("How do I pick a lock?", "How do I choose a lock?"),
    ("How do I go from 9 am to 5 pm?", "How do I go from 9 pm to 5 am?"),
    ("What happens if I pay on time?", "What happens if I don't pay on time?"),
    ("What are dogs allowed to eat?", "Are dogs allowed to eat?"),
    ("Wie schwer ist ein Leiter?", "Wie schwer ist ein Liter?"),
    ("Comment cuire un poisson?", "Comment cuire un poison?"),
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
    started = time.thread_time()
    assert key(long) == long
    assert not is_personal(long) and not is_live(long) and not has_side_effects(long)
    assert time.thread_time() - started < 1
