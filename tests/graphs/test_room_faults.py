import asyncio
import json
import re
import time
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from tests.running import Hire

MODELS = ("qwen3:8b", "llama3.2:3b", "mistral:7b", "gemma3:4b", "phi4:14b")
PLACES = [
    (set(hanging), {prose})
    for hanging in combinations(MODELS, 2)
    for prose in MODELS
    if prose not in hanging
]
DEADLINE_S = 90.0


def yes(messages: Sequence[Any]) -> str:
    return json.dumps({"answer": "yes", "confidence": 0.8})


async def test_wherever_two_hang_and_one_talks_nonsense_every_meeting_rules_in_time(
    hire: Hire,
) -> None:
    staff = hire(yes, local=MODELS, **{"room.deadline_s": DEADLINE_S, "room.member_s": 8})

    def strikes(exchange: Any) -> str | None:
        hanging, prose = PLACES[int(re.findall(r"place (\d+)", exchange.prompt)[0])]
        return "hang" if exchange.model in hanging else "prose" if exchange.model in prose else None

    staff.server.fault = strikes

    async def meet(number: int) -> tuple[float, Any]:
        begun = time.monotonic()
        state = await staff.meet(f"Is it true at place {number}?", on=f"room-{number}")
        return time.monotonic() - begun, state

    met = await asyncio.gather(*map(meet, range(len(PLACES))))
    assert len(met) == 30 and max(seconds for seconds, _ in met) < DEADLINE_S
    for _, state in met:
        assert len(state["seats"]) == 5
        ruling, outcome = state["ruling"], state["outcome"]
        assert ruling["answer"] == "yes"
        assert outcome["status"] == ("answered" if ruling["is_consensus"] else "failed")
