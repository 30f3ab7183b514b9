import asyncio

import pytest

from agora.domain.contracts import Act
from agora.domain.doors import opened, require_act
from agora.domain.errors import OutsideOfActError

ASK, CALL = Act(kind="ask_model", subject="m"), Act(kind="call_tool", subject="t")


def test_a_door_is_shut_outside_of_an_act() -> None:
    with pytest.raises(OutsideOfActError, match="kind ask_model, has none"):
        require_act("ask_model")


def test_an_act_opens_the_doors_of_its_kind_while_it_is_done() -> None:
    with opened(ASK):
        assert require_act("call_tool", "ask_model") == ASK
        with pytest.raises(OutsideOfActError, match="call_tool or commit, has ask_model"):
            require_act("call_tool", "commit")
    with pytest.raises(OutsideOfActError):
        require_act("ask_model")


def test_a_failed_act_leaves_no_door_open() -> None:
    with pytest.raises(ZeroDivisionError), opened(ASK):
        raise ZeroDivisionError
    with pytest.raises(OutsideOfActError):
        require_act("ask_model")


async def test_acts_at_once_do_not_open_each_others_doors() -> None:
    async def act(mine: Act) -> Act:
        with opened(mine):
            await asyncio.sleep(0.01)
            return require_act(mine.kind)

    assert list(await asyncio.gather(act(ASK), act(CALL))) == [ASK, CALL]


async def test_a_thread_of_the_act_finds_the_door_open() -> None:
    with opened(CALL):
        assert await asyncio.to_thread(require_act, "call_tool") == CALL
