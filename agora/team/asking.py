"""Asking: one question to one bidder's model, decided, paid for and recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from agora.domain import chat
from agora.domain.contracts import ActOutcome, AgentTask, Json
from agora.domain.experts import Bidder
from agora.domain.models import expected_cost
from agora.domain.replies import Reply
from agora.domain.settings import Settings
from agora.team.acting import Acting
from agora.team.admission import Admission


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
    ) -> Reply:
        """Return the model's whole reply; raise ModelFault, RefusedError or BudgetSpentError.

        What the answer could cost at its longest is reserved before, what it has cost is settled.
        """
        model: Any = bidder.model
        limits = self.settings.execution
        sent = chat.prompt_tokens(messages, tools, schema)
        most_usd = expected_cost(model, sent, limits.answer_tokens)

        async def do() -> ActOutcome:
            reply = await chat.ask(
                model,
                messages,
                self.settings,
                tools=tools,
                deadline_s=min(limits.deadline_s, self.admission.left_s(ends_at)),
                answer_tokens=limits.answer_tokens,
                on_token=on_token,
                schema=schema,
            )
            tokens = reply.tokens_in + reply.tokens_out
            return ActOutcome(result=reply.as_json(), cost_usd=reply.cost_usd, tokens=tokens)

        if most_usd:
            await self.admission.open_budgets(task)
        act = self.admission.question(bidder, task, most_usd, ordinal)
        return Reply.model_validate(await self.acting.perform(act, do))
