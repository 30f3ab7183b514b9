from typing import Any

import pytest
from pydantic import BaseModel, Field

from agora.domain.contracts import AgentTask
from agora.domain.experts import Bidder
from agora.domain.faults import MisfitAnswerError
from agora.domain.replies import Reply
from agora.team.acting import standing_alone
from tests.conftest import ask
from tests.model_answers import Script
from tests.running import CLOUD, Hire, Staff

RIGHT = '{"answer": "yes", "confidence": 0.5}'
WRONG = '{"answer": "yes", "confidence": "rather"}'


class Opinion(BaseModel):
    answer: str
    confidence: float = Field(ge=0, le=1)


async def opinion(staff: Staff, model: str = "qwen3:8b", **changes: Any) -> Reply:
    known: Any = await staff.team.market.bidder(f"generalist@{model}")
    bidder = Bidder(known.expert, known.model.but(**changes))
    task = AgentTask(id="t", text="Is it so?")
    messages = [{"role": "user", "content": task.text}]
    with standing_alone("t", "tests"):
        return await staff.team.answering.asking.ask(task, bidder, messages, schema=Opinion)


def replies(*texts: str) -> Script:
    said = iter(texts)
    return lambda messages: next(said)


async def test_a_model_that_misses_the_schema_is_shown_what_is_wrong(hire: Hire) -> None:
    staff = hire(replies(WRONG, RIGHT))
    reply = await opinion(staff)
    assert Opinion.model_validate_json(reply.text).confidence == 0.5
    first, second = staff.server.exchanges
    assert WRONG in second.prompt and "confidence: Input should be a valid number" in second.prompt
    assert WRONG not in first.prompt and "JSON Schema" in first.prompt


async def test_both_tries_are_paid_and_recorded(hire: Hire) -> None:
    staff = hire(replies(WRONG, RIGHT), local=(), cloud=True)
    reply = await opinion(staff, CLOUD)
    served = staff.server.served().usd
    assert served > 0 and reply.cost_usd == pytest.approx(served)
    booked = await ask(staff.team, "SELECT status, cost_usd FROM acts ORDER BY began_at")
    assert [act["status"] for act in booked] == ["failed", "done"]
    assert sum(float(act["cost_usd"]) for act in booked) == pytest.approx(served)


async def test_a_model_that_misses_it_twice_is_not_asked_again(hire: Hire) -> None:
    staff = hire(replies(WRONG, WRONG, RIGHT))
    with pytest.raises(MisfitAnswerError, match="confidence"):
        await opinion(staff)
    assert len(staff.server.exchanges) == 2


async def test_a_server_that_refuses_the_form_is_asked_in_words(hire: Hire) -> None:
    staff = hire(replies(RIGHT), local=(), cloud=True)
    staff.server.fail("400")
    assert (await opinion(staff, CLOUD)).text == RIGHT
    first, second = (exchange.body for exchange in staff.server.exchanges)
    assert "response_format" in first and "response_format" not in second


async def test_a_model_that_knows_no_schemas_is_asked_in_words_at_once(hire: Hire) -> None:
    staff = hire(replies(f"Well: {RIGHT}"))
    assert (await opinion(staff, capabilities=())).text == RIGHT
    assert staff.server.last.body.get("format") is None and "JSON Schema" in staff.prompts[0]
