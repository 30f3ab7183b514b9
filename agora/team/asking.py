"""Asking: one question to one bidder's model, decided, paid for and recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from agora.domain import chat, structured
from agora.domain.contracts import ActOutcome, AgentTask, Json
from agora.domain.experts import Bidder
from agora.domain.faults import MisfitAnswerError, ModelFault, RequestRefusedError
from agora.domain.models import most_spent
from agora.domain.redaction import redact
from agora.domain.replies import Reply
from agora.domain.settings import Settings
from agora.team.acting import Acting
from agora.team.admission import Admission

CLOSING_S = 0.3
"""What a task takes to be closed once its last call has ended: its deadline leaves that much."""
RETRY = 50
"""The ordinal of a second try, counted from the first one's."""


@dataclass(frozen=True)
class Asking:
    """The way of every question to a model."""

    settings: Settings
    acting: Acting
    admission: Admission

    async def ask(
        self,
        task: AgentTask,
        bidder: Bidder,
        messages: Sequence[Json],
        *,
        ordinal: int = 0,
        ends_at: str | None = None,
        tools: Sequence[Json] = (),
        schema: type[BaseModel] | None = None,
        on_token: Callable[[str], None] | None = None,
        has_relief: bool = False,
    ) -> Reply:
        """Return the model's whole reply; raise ModelFault, RefusedError or BudgetSpentError.

        What the answer could cost at its longest is reserved before, what it has cost is settled.
        With a `schema` the reply is JSON that fits it: a model that misses it is shown what is
        wrong, and asked once more.
        """
        await chat.load()
        question = _Question(task, bidder, ends_at, tools, schema, on_token, has_relief)
        if schema is None:
            return await self._ask(question, messages, ordinal)
        told = _instructed(messages, schema)
        try:
            return await self._ask(question, told, ordinal)
        except (MisfitAnswerError, RequestRefusedError) as fault:
            # Some servers refuse the form itself; the words alone may do.
            mended = [*told, *_shown(fault)]
            is_formal = isinstance(fault, MisfitAnswerError)
            second = replace(question, is_formal=is_formal)
            reply = await self._ask(second, mended, ordinal + RETRY)
            return reply.but(**(fault.spent + reply).model_dump())

    async def _ask(self, question: "_Question", messages: Sequence[Json], ordinal: int) -> Reply:
        task, bidder, schema = question.task, question.bidder, question.schema
        model: Any = bidder.model
        limits = self.settings.execution
        messages = redact(list(messages), self.settings.secrets)
        sent = chat.prompt_tokens(messages, question.tools, schema)
        most = most_spent(model, sent, limits.answer_tokens)

        async def do() -> ActOutcome:
            reply = await chat.ask(
                model,
                messages,
                self.settings,
                tools=question.tools,
                deadline_s=min(limits.deadline_s, self._left_s(question.ends_at)),
                answer_tokens=limits.answer_tokens,
                on_token=question.on_token,
                schema=schema,
                has_relief=question.has_relief,
                is_formal=question.is_formal and "json" in model.capabilities,
            )
            used: Json = {"cost_usd": reply.cost_usd, "is_estimate": reply.is_estimate}
            return ActOutcome(result=reply.as_json(), tokens=reply.tokens, **used)

        act = self.admission.question(bidder, task, most, ordinal)
        if act.budgets:
            await self.admission.open_budgets(task, bidder)
        return Reply.model_validate(await self.acting.perform(act, do))

    def _left_s(self, ends_at: str | None) -> float:
        return max(0.01, self.admission.left_s(ends_at) - CLOSING_S)


@dataclass(frozen=True)
class _Question:
    """What stays the same when a model is asked once more."""

    task: AgentTask
    bidder: Bidder
    ends_at: str | None
    tools: Sequence[Json]
    schema: type[BaseModel] | None
    on_token: Callable[[str], None] | None
    has_relief: bool
    is_formal: bool = True


def _instructed(messages: Sequence[Json], schema: type[BaseModel]) -> list[Json]:
    """Return the conversation, its last turn asking for JSON: models want turns to alternate."""
    *before, last = messages
    return [*before, last | {"content": f"{last['content']}\n\n{structured.instruction(schema)}"}]


def _shown(fault: ModelFault) -> list[Json]:
    """Return what a model said, and what is wrong with it, as turns of the conversation."""
    if not fault.text:
        return []
    return [
        {"role": "assistant", "content": fault.text},
        {"role": "user", "content": f"That is no valid answer: {fault.said}. Answer again."},
    ]
