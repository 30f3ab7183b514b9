"""Admission: who may bid for a task, under which rules, and from which budgets it is paid."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from math import inf
from typing import Any

from agora.domain import budgets, routing
from agora.domain.auction import Ask
from agora.domain.budgets import Budget, Left
from agora.domain.chat import prompt_tokens
from agora.domain.contracts import Act, AgentTask, Json
from agora.domain.experts import LIBRARIAN, REPAIRER, Bidder
from agora.domain.models import Spent, roomy
from agora.domain.routing import Rules
from agora.domain.settings import Settings
from agora.team.clocks import Clock
from agora.team.governing import Governing
from memory import acts
from memory.database import Database


@dataclass(frozen=True)
class View:
    """What all offers for one task are made from."""

    task: AgentTask
    rules: Rules
    budgets: Sequence[Budget]  # that any answer draws on
    own: Mapping[str, Budget]  # of experts that have one
    ask: Ask
    standings: Json
    busy: Mapping[str, int]  # answers that each model works on now
    left: Mapping[str, Left]  # of the budgets that exist already
    failed: Mapping[str, str]  # bidders that have failed at this task, and how
    silent: Mapping[str, str]  # models whose servers have
    unproved: Mapping[str, str] = field(default_factory=dict)  # models on trial, beside whom
    overflowed: int = 0  # tokens of the largest context that was too small


@dataclass(frozen=True)
class Refusal:
    """Why a bidder may not bid: it cannot, or it could and a rule or a budget says no."""

    reasons: tuple[str, ...]
    is_by_rule: bool = False
    is_too_dear: bool = False


@dataclass(frozen=True)
class Admission:
    """The rules at the door of an auction."""

    settings: Settings
    database: Database
    policy: Governing
    clock: Clock

    def rules(self, task: AgentTask) -> Rules:
        """Return what matters for this task; raise UsageError for a policy that nobody knows."""
        return routing.rules(task, self.settings)

    def refusal(self, bidder: Bidder, view: View) -> Refusal | None:
        """Return why a bidder may not bid, in words a user understands; None: it may."""
        if cannot := _cannot(bidder, view):
            return Refusal((cannot,))
        if bidder.model is None:
            return None
        said = _verdict(self.policy.decide, self.policy.hash, _asked(bidder, view.task, view.rules))
        if not (said.is_allowed or said.asks):
            return Refusal(tuple(said.reasons), is_by_rule=True)
        if too_dear := self._shortage(bidder, view):
            return Refusal((too_dear,), is_by_rule=True, is_too_dear=True)
        return None

    def _shortage(self, bidder: Bidder, view: View) -> str:
        model: Any = bidder.model
        sent, longest = roomy(sent_to(bidder, view)), self.settings.execution.answer_tokens
        most_usd, most_tokens = model.price_usd(sent, longest), sent + longest
        own = view.own.get(bidder.expert.name)
        for budget in (*view.budgets, *((own,) if own else ())):
            left = view.left.get(budget.name) or Left(budget.cap_usd, budget.cap_tokens)
            if said := budgets.shortage(budget, left, most_usd, most_tokens):
                return said
        return ""

    def question(self, bidder: Bidder, task: AgentTask, most: Spent, ordinal: int = 0) -> Act:
        """Return the act of asking a bidder's model for this task, as policies see it.

        `most` is what it may use up, and is reserved from the budgets that this could exceed.
        """
        drawn = self.budgets(task, bidder)
        return _act(*_asked(bidder, task, self.rules(task))).but(
            cost_usd=most.cost_usd,
            tokens=most.tokens,
            budgets=tuple(one.name for one in drawn if most.cost_usd or one.cap_tokens is not None),
            ordinal=ordinal,
            vendor=getattr(bidder.model, "vendor", ""),
        )

    def budgets(self, task: AgentTask, bidder: Bidder) -> list[Budget]:
        """Return the budgets that an answer of this bidder draws on."""
        shared, own = self.all_budgets(task)
        return [*shared, own[bidder.expert.name]] if bidder.expert.name in own else shared

    def all_budgets(self, task: AgentTask) -> tuple[list[Budget], dict[str, Budget]]:
        """Return the budgets that any answer draws on, and those that experts have."""
        day = f"{self.clock():%Y-%m-%d}"
        shared = budgets.of(self.settings.budget, task, day)
        return shared, budgets.of_experts(self.settings.budget, day)

    async def open_budgets(self, task: AgentTask, bidder: Bidder) -> None:
        """Make sure that the budgets of an answer exist, with the caps that hold now."""
        async with self.database.autocommit() as connection:
            await acts.open_budgets(connection, self.budgets(task, bidder))

    def left_s(self, ends_at: str | None) -> float:
        """Return the seconds until a task's deadline, at least a hundredth; inf without one."""
        if ends_at is None:
            return inf
        return max(0.01, (datetime.fromisoformat(ends_at) - self.clock()).total_seconds())


def sent_to(bidder: Bidder, view: View) -> int:
    """Return an estimate of the tokens that a bidder is sent: its own prompt and the task."""
    return _tokens(view.task.text) + _tokens(bidder.expert.system)


Asked = tuple[str, str, str, tuple[str, ...], str, bool]
"""All that a policy is asked of a bidder: who, which model, where, labels, tenant, outside?"""


def _asked(bidder: Bidder, task: AgentTask, rules: Rules) -> Asked:
    model: Any = bidder.model
    is_outside = not rules.admits(model)
    return bidder.name, model.name, model.residency, task.labels, task.tenant, is_outside


def _act(
    actor: str, model: str, residency: str, labels: tuple[str, ...], tenant: str, is_outside: bool
) -> Act:
    facts: Json = {"residency": residency, "labels": list(labels), "tenant": tenant}
    return Act(
        kind="ask_model", subject=model, actor=actor, facts=facts | {"is_outside": is_outside}
    )


@lru_cache(maxsize=10_000)
def _verdict(decide: Callable[[Act], Any], policies: str, asked: Asked) -> Any:
    """Ask once for equal bids: an auction asks the same of every bidder, task after task."""
    return decide(_act(*asked))


@lru_cache(maxsize=1000)
def _tokens(text: str) -> int:
    return prompt_tokens([{"role": "user", "content": text}])


def _cannot(bidder: Bidder, view: View) -> str:
    task = view.task
    if bidder.name in view.failed:
        return f"has failed at this task: {view.failed[bidder.name]}"
    if bidder.expert is LIBRARIAN and task.workspace is None:
        return "there is no git workspace to read"
    if bidder.expert is REPAIRER:
        return "repairs tools: `agora fix WORKSPACE --test CMD`"
    if task.requires:
        able = {*bidder.expert.domains, *getattr(bidder.model, "capabilities", ())}
        if missing := set(task.requires) - able:
            return f"cannot do {', '.join(sorted(missing))}"
    return _model_cannot(bidder, view) if bidder.model else ""


def _model_cannot(bidder: Bidder, view: View) -> str:
    model: Any = bidder.model
    if beside := view.unproved.get(model.name):
        return f"it is on trial: it bids once it has proved better than {beside}"
    if model.name in view.silent:
        return f"its model has failed at this task: {view.silent[model.name]}"
    if model.context <= max(view.overflowed, sent_to(bidder, view)):
        return f"its context of {model.context} tokens is too small for this task"
    return ""
