"""What a stage does where a policy leaves an act to a person: it waits, and then goes on."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langgraph.types import interrupt

from agora import team
from agora.domain.errors import PersonAskedError

T = TypeVar("T")


async def once_permitted(body: Callable[[], Awaitable[T]]) -> T:
    """Return what the body gives; an act that needs a person's yes interrupts it until then.

    Begun again from its top, the body finds done what it has done before.
    """
    while True:
        try:
            return await body()
        except PersonAskedError as asked:
            said = _answer(asked)
            by, reason = str(said.get("by") or "person"), str(said.get("message") or "")
            await team.current().acting.hear(asked.id, said["type"], by, reason)


def _answer(asked: PersonAskedError) -> dict[str, Any]:
    for _ in range(asked.before):  # what else this stage has asked is answered: passed over
        interrupt(asked.request)
    answer = interrupt(asked.request)
    while (said := _read(answer)) is None:
        answer = interrupt(asked.request | {"problem": f"not a decision: {answer!r}"})
    return said


def _read(answer: Any) -> dict[str, Any] | None:
    decisions = answer.get("decisions") if isinstance(answer, dict) else None
    one = decisions[0] if isinstance(decisions, list) and len(decisions) == 1 else None
    is_clear = isinstance(one, dict) and one.get("type") in ("approve", "reject")
    return one if is_clear else None
