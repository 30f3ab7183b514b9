"""The stages that observe: pulse and recall."""

from tests.running import Hire

QUESTION = "What is six by seven?"


async def test_the_pulse_tells_what_the_team_has_done(hire: Hire) -> None:
    staff = hire()
    await staff.ask(QUESTION)
    assert (await staff.state())["context"]["pulse"] == "", "nothing had been done yet"
    await staff.ask("Name a prime above ninety", on="two")
    pulse = (await staff.state("two"))["context"]["pulse"]
    assert "Tasks done lately: 1" in pulse and QUESTION in pulse
    assert pulse in staff.prompts[-1]


async def test_a_private_task_is_counted_and_not_told(hire: Hire) -> None:
    staff = hire()
    await staff.ask("Where is the treasure of Captain Flint?", labels=["private"])
    await staff.ask(QUESTION, on="two")
    pulse = (await staff.state("two"))["context"]["pulse"]
    assert "Tasks done lately: 1" in pulse and "Flint" not in pulse


async def test_the_pulse_is_as_long_as_the_settings_allow(hire: Hire) -> None:
    staff = hire(**{"memory.pulse_words": 12})
    for number in range(3):
        await staff.ask(f"Write {number} in many long words that go on", on=str(number))
    pulse = (await staff.state("2"))["context"]["pulse"]
    assert 0 < len(pulse.split()) <= 12


async def test_recall_ends_the_search_with_what_is_known(hire: Hire) -> None:
    staff = hire()
    first = await staff.ask(QUESTION)
    again = await staff.ask(QUESTION, on="two")
    state = await staff.state("two")
    assert again["cached"] and again["answer"] == first["answer"]
    assert not state.get("bids") and not state.get("plan")


async def test_recall_lets_a_new_question_go_on(hire: Hire) -> None:
    staff = hire()
    await staff.ask(QUESTION)
    outcome = await staff.ask("What is six by eight?", on="two")
    assert not outcome["cached"] and (await staff.state("two"))["bids"]
