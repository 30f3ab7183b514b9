from tests.running import CLOUD, Hire

QUESTION = "What is six by seven?"


async def test_the_winner_is_asked_in_its_own_manner(hire: Hire) -> None:
    staff = hire(lambda messages: "Forty-two.")
    outcome = await staff.ask(QUESTION, requires=["law"])
    system, user = staff.server.last.body["messages"]
    assert system["role"] == "system" and "risk officer" in system["content"]
    assert f"<task>\n{QUESTION}\n</task>" in user["content"]
    assert (outcome["expert"], outcome["answer"]) == ("risk", "Forty-two.")
    bid = (await staff.state())["award"]["winner"]["p_success"]
    assert 0 < outcome["confidence"] < bid, "a bid has hope in it, a confidence has not"


async def test_one_failure_goes_back_to_the_auction_and_two_to_the_war_room(hire: Hire) -> None:
    staff = hire()
    staff.server.fail("refused", "refused")
    await staff.ask(QUESTION)
    state, entered = await staff.state(), await staff.entered()
    assert state["attempts"] == 2 == len(state["tried"]) == entered.count("bidding")
    assert entered[entered.index("execution") : entered.index("seats")] == [
        *["execution", "bidding", "execution"]
    ]
    losers = [one["award"]["winner"]["expert"] for one in state["tried"]]
    assert len(set(losers)) == 2
    said = [one["outcome"]["error"] for one in state["tried"]]
    assert all("refus" in one for one in said), said
    judged = [event["right"] for event in await staff.events("outcome.judged")]
    assert judged == [False, False]


async def test_what_the_budget_refuses_is_not_tried_with_another(hire: Hire) -> None:
    # The auction prices the question alone; with the system prompt the act is a little dearer.
    staff = hire(local=(), cloud=True, **{"execution.answer_tokens": 16})
    await staff.ask(QUESTION)
    bids = (await staff.state())["bids"]
    first = next(bid for bid in bids if bid["model"] == CLOUD)
    assert first["cost_usd"] > 0 and len(staff.prompts) == 1


async def test_an_urgent_task_with_enough_bidders_asks_nobody_alone(hire: Hire) -> None:
    staff = hire()
    await staff.ask(QUESTION, urgency="urgent")
    entered = await staff.entered()
    assert entered[entered.index("execution") + 1] == "seats"
    assert not (await staff.state()).get("tried")
    assert not any("Answer in the language of the task" in prompt for prompt in staff.prompts)
