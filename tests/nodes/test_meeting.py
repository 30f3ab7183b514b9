"""The stages of the war room: seats, vote and ruling."""

import json

from tests.running import Hire

QUESTION = "Shall we paint the bridge?"


async def test_seats_are_filled_strongest_first(hire: Hire) -> None:
    state = await hire().meet(QUESTION, domain="law")
    seats = state["seats"]
    assert seats[0]["expert"] == "risk" and len(seats) == 4
    chances = [seat["p"] for seat in seats]
    assert chances == sorted(chances, reverse=True)
    assert state["task"]["id"] and state["task"]["text"] == QUESTION


async def test_different_families_sit_before_more_of_one(hire: Hire) -> None:
    local = ("qwen3:8b", "llama3.2:3b", "mistral:7b")
    seats = (await hire(local=local).meet(QUESTION))["seats"]
    assert len(seats) == 5
    assert {seat["family"] for seat in seats} == {"qwen", "llama", "mistral"}


async def test_each_vote_is_kept_as_it_was_given(hire: Hire) -> None:
    staff = hire(lambda messages: json.dumps({"answer": "yes", "confidence": 70}))
    state = await staff.meet(QUESTION)
    votes = state["votes"]
    assert all(vote["answer"] == "yes" for vote in votes)
    assert all(vote["confidence"] == 0.7 and vote["tokens"] > 0 for vote in votes)
    heard = [seat["expert"] for seat in state["seats"][: len(votes)]]
    assert [vote["expert"] for vote in votes] == heard and len(staff.prompts) == len(votes)


async def test_the_ruling_names_its_reason_and_becomes_the_outcome(hire: Hire) -> None:
    staff = hire(lambda messages: json.dumps({"answer": "yes", "confidence": 0.9}))
    state = await staff.meet(QUESTION)
    ruling, outcome = state["ruling"], state["outcome"]
    assert "valid answers agree" in ruling["reason"]
    assert ruling["is_consensus"] and ruling["confidence"] == outcome["confidence"] > 0.6
    assert (outcome["answer"], outcome["expert"]) == ("yes", "war_room")
    assert outcome["tokens"] == sum(vote["tokens"] for vote in ruling["votes"]) > 0


async def test_a_second_meeting_on_the_thread_begins_with_an_empty_table(hire: Hire) -> None:
    staff = hire(lambda messages: json.dumps({"answer": "yes", "confidence": 0.9}))
    first = await staff.meet(QUESTION)
    second = await staff.meet("Is the tunnel safe?")
    votes = len(first["votes"]) + len(second["votes"])
    assert first["task"]["id"] != second["task"]["id"] and len(staff.prompts) == votes
