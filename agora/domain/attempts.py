"""One question to a model: at most two attempts, within one deadline."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from pydantic import ValidationError

from agora.domain import structured
from agora.domain.faults import (
    ContextOverflowError,
    MisfitAnswerError,
    ModelFault,
    OutputLimitError,
    TimedOutError,
)
from agora.domain.models import Spent
from agora.domain.replies import Draft, Reply
from agora.domain.vendors import Question, stream
from agora.domain.wires import Wire

__all__ = ["Question", "answer"]

PAUSE_S = 0.3  # before the one retry, unless the server names its own
LONGEST_PAUSE_S = 3.0  # a server that asks for more is left to itself where others are free
ROOM_S = 1.0  # what must be left of the deadline for a retry to be worth it
LONGEST_TOKEN = 8  # characters; an answer of longer ones on average has overrun its limit

OnToken = Callable[[str], None]


async def answer(question: Question, on_token: OnToken | None) -> Reply:
    """Return the whole answer, or raise a ModelFault with all that was spent."""
    lost, attempt = Spent(), _Attempt(question, on_token)
    try:
        async with asyncio.timeout(question.deadline_s) as limit:
            try:
                return await attempt.run()
            except ModelFault as fault:
                await _pause(fault, attempt, limit)
            lost, attempt = attempt.spent, _Attempt(question, on_token, attempt.asked_at)
            reply = await attempt.run()
            return reply.but(**(lost + reply).model_dump())
    except TimeoutError:
        late = attempt.fault(TimedOutError, f"{question.deadline_s:g} s")
        raise late.after(lost + attempt.spent, attempt.draft.text) from None
    except ModelFault as fault:
        fault.after(lost + attempt.spent, attempt.draft.text)
        raise


async def _pause(fault: ModelFault, attempt: "_Attempt", limit: asyncio.Timeout) -> None:
    """Wait before another attempt, or raise the fault where there is no sense in one."""
    pause_s = PAUSE_S if fault.retry_after_s is None else fault.retry_after_s
    left_s = (limit.when() or 0.0) - asyncio.get_running_loop().time()
    has_begun = attempt.draft.first_token_s is not None
    longest_s = LONGEST_PAUSE_S if attempt.question.has_relief else left_s
    is_short = pause_s <= min(longest_s, left_s - ROOM_S)
    if not fault.is_retryable or has_begun or not is_short:
        raise fault
    await asyncio.sleep(pause_s)


class _Attempt:
    """One request, and what comes back; `asked_at` is when the first one started."""

    def __init__(
        self, question: Question, on_token: OnToken | None, asked_at: float | None = None
    ) -> None:
        self.question, self.on_token, self.wire = question, on_token, Wire()
        self.draft = Draft(question.model, question.sent, question.window)
        self.clock = asyncio.get_running_loop().time
        self.asked_at = self.clock() if asked_at is None else asked_at

    @property
    def spent(self) -> Spent:
        return self.draft.spent(is_begun=self.wire.is_begun)

    async def run(self) -> Reply:
        question = self.question
        if question.sent > question.model.context:
            said = f"about {question.sent} of {question.model.context} tokens"
            raise self.fault(ContextOverflowError, said)
        async with aclosing(stream(question, self.wire)) as chunks:
            async for chunk in chunks:
                visible = self.draft.add(chunk, self.clock() - self.asked_at)
                if visible and self.on_token:
                    self.on_token(visible)
                self._stop_if_overlong()
        return self._fitting(self.draft.reply(self.clock() - self.asked_at))

    def fault(self, kind: type[ModelFault], said: str) -> ModelFault:
        model = self.question.model
        return kind(model.name, model.server, said, vendor=model.vendor)

    def _stop_if_overlong(self) -> None:
        # Some servers do not know the limit that they were given; we pay for no more than that.
        limit = self.question.answer_tokens
        if self.draft.pieces > limit or len(self.draft.raw) > limit * LONGEST_TOKEN:
            raise self.fault(OutputLimitError, f"{limit} tokens")

    def _fitting(self, reply: Reply) -> Reply:
        if self.question.schema is None or reply.tool_calls:
            return reply
        try:
            return reply.but(text=structured.fit(reply.text, self.question.schema))
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "all of it"
            raise self.fault(MisfitAnswerError, f"{where}: {first['msg']}") from None
