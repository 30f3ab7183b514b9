"""Answering: a task is accepted, planned, and done by the expert that has won it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase

import prompts
from agora.domain import chat, labels, pulse, validity
from agora.domain.contracts import (
    AgentContext,
    AgentOutcome,
    AgentTask,
    Award,
    Case,
    Json,
    ToolCall,
)
from agora.domain.errors import BudgetSpentError, ClaimHeldError, RefusedError
from agora.domain.experts import LIBRARIAN, Bidder
from agora.domain.faults import ModelFault
from agora.domain.injections import printable, texts_in
from agora.domain.redaction import redact
from agora.domain.replies import Reply
from agora.domain.settings import Settings
from agora.domain.tools import Tool
from agora.team.asking import Asking
from agora.team.library import Library
from agora.team.market import Market
from agora.team.tooling import Tooling, spec_of
from memory import tasks
from memory.database import Database

Tell = Callable[..., None]
ALOUD = "Think first, between <think> and </think>; then give the answer alone."
"""What a teacher is asked beside the task; what it thinks is kept apart from its answer."""
ROUND_ORDINALS = 100
"""Acts of one round are numbered from its own hundred on."""


@dataclass
class Conversation:
    """What is said between us and one model over the rounds of one task.

    The task's labels grow with what the model is shown: policies see them at every later act.
    """

    task: AgentTask
    messages: list[Json]
    replies: list[Reply] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)


@dataclass(frozen=True)
class Answering:
    """The team's everyday work."""

    settings: Settings
    database: Database
    asking: Asking
    market: Market
    library: Library
    tooling: Tooling

    async def accept(self, task: AgentTask, here: Case) -> AgentOutcome | None:
        """Write the task down; return its outcome when it was done before.

        Raises UsageError for a routing policy that nobody knows.
        """
        self.market.admission.rules(task)
        await self.market.prompting.refresh()
        async with self.database.autocommit() as connection:
            if not await tasks.accept(connection, task, here.thread_id):
                known = await tasks.find(connection, task.id)
                assert known is not None
                if known["outcome"] is not None:
                    return AgentOutcome.model_validate(known["outcome"])
                if known["thread_id"] != here.thread_id:
                    where = known["thread_id"]
                    raise ClaimHeldError(f"task {task.id} is being done in thread {where}")
        if task.deadline_s is not None:
            await chat.load()  # before the deadline counts
        return None

    def context(self, task: AgentTask, here: Case) -> AgentContext:
        """Return what goes with the task from its first stage on."""
        ends_at = None
        if task.deadline_s is not None:
            ends_at = (self.market.clock() + timedelta(seconds=task.deadline_s)).isoformat()
        return AgentContext(
            correlation_id=here.correlation_id,
            thread_id=here.thread_id,
            ends_at=ends_at,
            prompt_versions={one.name: one.version for one in self.market.experts()},
        )

    async def plan(self, task: AgentTask) -> Json:
        """Return the task's domains and the tools at hand."""
        tools = await self.tooling.of(task.workspace) if task.workspace else []
        return {
            "mix": self.market.mix(task),
            "tools": [tool.name for tool in tools],
        }

    async def execute(
        self, task: AgentTask, context: AgentContext, award: Award, tell: Tell
    ) -> AgentOutcome:
        """Return what the winner made of the task, validated; a fault of its is an outcome too.

        It works with the version of its prompt that the task began with.
        """
        bidder = await self.market.bidder(award.winner.name)
        pinned = await self.market.prompting.pinned(bidder.expert, context.prompt_versions)
        bidder = replace(bidder, expert=pinned)
        tell("award", expert=bidder.name, p_success=award.winner.p_success)
        try:
            if bidder.expert == LIBRARIAN:
                return await self._look_up(task)
            patient = context.but(ends_at=self._patience(context.ends_at, award))
            return await self._converse(task, patient, bidder, award, tell)
        except ModelFault as fault:
            failed = _failed(bidder, redact(str(fault), self.settings.secrets), fault.hint)
            if fault.is_answer:
                return failed
            server = {"opens_breaker": fault.opens_breaker, "is_unhealthy": fault.is_unhealthy}
            return failed.but(fault=fault.code, **server)
        except BudgetSpentError as error:  # another task was quicker; somebody cheaper may do
            return _failed(bidder, str(error), error.hint).but(status="refused", fault=error.code)
        except RefusedError as error:
            return _failed(bidder, str(error), error.hint).but(status="refused")

    def _patience(self, ends_at: str | None, award: Award) -> str | None:
        """Return until when the winner may take, so that another model could still take over.

        It gets half of what is left, or as long as it has bid for, up to three quarters.
        """
        if ends_at is None or not award.has_relief:
            return ends_at
        left_s = self.asking.admission.left_s(ends_at)
        own_s = max(0.5 * left_s, min(award.winner.wait_s, 0.75 * left_s))
        return (self.market.clock() + timedelta(seconds=own_s)).isoformat()

    async def _look_up(self, task: AgentTask) -> AgentOutcome:
        return (await self.library.answer(task)).but(expert=LIBRARIAN.name)

    async def _converse(
        self, task: AgentTask, context: AgentContext, bidder: Bidder, award: Award, tell: Tell
    ) -> AgentOutcome:
        talk = await self._opening(task, context, bidder)
        tools = await self._tools(task, bidder) if context.has_tools else []
        rounds = self.settings.execution.tool_rounds if tools else 0
        for number in range(rounds + 1):
            offered = self.tooling.permitted(talk.task, bidder.name, tools) if rounds else []
            offered = offered if number < rounds else []
            reply = await self.asking.ask(
                talk.task,
                bidder,
                talk.messages,
                ordinal=number * ROUND_ORDINALS,
                ends_at=context.ends_at,
                tools=[spec_of(tool) for tool in offered],
                on_token=lambda piece: tell("token", text=piece, expert=bidder.name),
                has_relief=award.has_relief,
            )
            talk.replies.append(reply)
            if not reply.tool_calls:
                break
            await self._call(bidder, talk, offered, number, tell)
        return _outcome(bidder, award.winner.q, talk, [tool.name for tool in tools]).but(
            labels=labels.taken_on(task.labels, talk.task.labels)
        )

    async def _opening(
        self, task: AgentTask, context: AgentContext, bidder: Bidder
    ) -> Conversation:
        found = await self.library.passages(task)
        quoted = [f"{printable(one.path)}:{one.line}\n{one.text}" for one in found]
        # Memories are the team's own: what is untrusted in them only untrusted tasks are told.
        read = [*(one.path for one in found), *(one.text for one in found)]
        text = prompts.load("answer").render(
            task=task.text,
            pulse=pulse.for_model(context.pulse, bidder.model),
            memories="\n".join(context.memories),
            documents="\n\n".join(quoted),
        )
        if self._is_teacher(bidder):
            text = f"{text}\n\n{ALOUD}"
        messages = [
            {"role": "system", "content": bidder.expert.system},
            {"role": "user", "content": text},
        ]
        return Conversation(_marked(task, labels.of_texts(*read)), messages)

    def _is_teacher(self, bidder: Bidder) -> bool:
        """Return whether a model is asked to think aloud: its terms permit to learn from that."""
        wanted, model = self.settings.distil, bidder.model
        if not wanted.traces or model is None or "reasoning" in getattr(model, "capabilities", ()):
            return False
        is_local = "local" in wanted.teachers and model.residency == "local"
        return is_local or any(fnmatchcase(model.name, one) for one in wanted.teachers)

    async def _tools(self, task: AgentTask, bidder: Bidder) -> list[Tool]:
        able = "tools" in getattr(bidder.model, "capabilities", ())
        if not task.workspace or not able or not bidder.expert.tools:
            return []
        return await self.tooling.admitted(task.workspace, bidder.expert.tools)

    async def _call(
        self,
        bidder: Bidder,
        talk: Conversation,
        tools: Sequence[Tool],
        number: int,
        tell: Tell,
    ) -> None:
        """Do what the model has asked for; what it asked wrongly it is told, and may ask again."""
        reply = talk.replies[-1]
        talk.messages.append(reply.message)
        for index, wanted in enumerate(reply.tool_calls):
            tell("tool", name=wanted["name"], arguments=wanted["arguments"], expert=bidder.name)
            done = await self.tooling.answer(
                talk.task,
                bidder.name,
                tools,
                wanted["name"],
                wanted["arguments"],
                number * ROUND_ORDINALS + index,
            )
            talk.calls.append(done)
            said = {"error": done.error} if done.error else {"result": done.result}
            content = json.dumps(said, ensure_ascii=False)
            told = {"role": "tool", "content": content, "tool_call_id": wanted["id"]}
            talk.messages.append(told)
            tags = next((tool.tags for tool in tools if tool.name == done.name), ())
            talk.task = _marked(talk.task, labels.of_result(tags, *texts_in(said)))


def _marked(task: AgentTask, more: set[str]) -> AgentTask:
    """Return the task under the labels of what its model is shown, too."""
    return task if more <= set(task.labels) else task.but(labels=labels.joined(task.labels, more))


def _failed(bidder: Bidder, error: str, hint: str) -> AgentOutcome:
    model = bidder.model.name if bidder.model else None
    return AgentOutcome(
        status="failed", error=error, hint=hint, expert=bidder.expert.name, model=model
    )


def _outcome(
    bidder: Bidder, confidence: float, talk: Conversation, tools: Sequence[str]
) -> AgentOutcome:
    """Return the last reply as an outcome, failed if the reply does not count."""
    last = talk.replies[-1]
    why = "asks for tools beyond its rounds" if last.tool_calls else None
    why = why or validity.validate(last.text, last.finish, tools)
    model = bidder.model.name if bidder.model else None
    return AgentOutcome(
        status="failed" if why else "answered",
        answer="" if why else last.text.strip(),
        error=f"the reply of {bidder.name} {why}" if why else None,
        confidence=confidence,
        cost_usd=sum(reply.cost_usd for reply in talk.replies),
        is_estimate=any(reply.is_estimate for reply in talk.replies),
        tokens=sum(reply.tokens_in + reply.tokens_out for reply in talk.replies),
        tokens_out=sum(reply.tokens_out for reply in talk.replies),
        latency_s=sum(reply.latency_s for reply in talk.replies),
        expert=bidder.expert.name,
        model=model,
        tool_calls=tuple(talk.calls),
        reasoning_trace=last.reasoning or None,
    )
