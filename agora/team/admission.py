"""Admission: who may bid for a task, under which rules, and from which budgets it is paid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from agora.domain.auction import Ask
from agora.domain.chat import prompt_tokens
from agora.domain.contracts import Act, AgentTask, Json
from agora.domain.experts import LIBRARIAN, REPAIRER, Bidder
from agora.domain.models import expected_cost
from agora.domain.settings import Settings
from agora.team.acting import Policy
from agora.team.clocks import Clock
from memory import acts
from memory.database import Database


@dataclass(frozen=True)
class View:
    """What all offers for one task are made from."""

    task: AgentTask
    ask: Ask
    standings: Json
    busy: Mapping[str, int]  # answers that each bidder works on now
    left: float | None  # USD in the tightest of the budgets that exist
    failed: Mapping[str, str]  # bidders that have failed at this task, and how
    silent: Mapping[str, str]  # models whose servers have


@dataclass(frozen=True)
class Refusal:
    """Why a bidder may not bid: it cannot, or it could and a rule says no."""

    reasons: tuple[str, ...]
    is_by_rule: bool


@dataclass(frozen=True)
class Admission:
    """The rules at the door of an auction."""

    settings: Settings
    database: Database
    policy: Policy
    clock: Clock

    def refusal(self, bidder: Bidder, view: View) -> Refusal | None:
        """Return why a bidder may not bid, in words a user understands; None: it may."""
        if cannot := _cannot(bidder, view):
            return Refusal((cannot,), is_by_rule=False)
        if bidder.model is None:
            return None
        said = self.policy.decide(self.question(bidder, view.task, 0.0))
        if not said.is_allowed:
            return Refusal(tuple(said.reasons), is_by_rule=True)
        if too_dear := self._unaffordable(bidder, view):
            return Refusal((too_dear,), is_by_rule=True)
        return None

    def _unaffordable(self, bidder: Bidder, view: View) -> str:
        model: Any = bidder.model
        most = expected_cost(model, sent_to(bidder, view), self.settings.execution.answer_tokens)
        caps = [self.settings.budget.day_usd if view.left is None else view.left]
        caps += [view.task.budget_usd] if view.task.budget_usd is not None else []
        if not most or most <= min(caps):
            return ""
        return f"could cost {most:.4f} USD, and the budget has {max(0.0, min(caps)):.4f} left"

    def question(self, bidder: Bidder, task: AgentTask, cost_usd: float, ordinal: int = 0) -> Act:
        """Return the act of asking a bidder's model for this task, as policies see it."""
        model: Any = bidder.model
        return Act(
            kind="ask_model",
            subject=model.name,
            actor=bidder.name,
            cost_usd=cost_usd,
            budgets=tuple(self.budgets(task)) if cost_usd else (),
            ordinal=ordinal,
            facts={
                "residency": model.residency,
                "labels": list(task.labels),
                "tenant": task.tenant,
            },
        )

    def budgets(self, task: AgentTask) -> list[str]:
        """Return the names of the budgets that a paid answer to this task draws on."""
        own = [f"task:{task.id}"] if task.budget_usd is not None else []
        return [f"day:{self.clock():%Y-%m-%d}", *own]

    async def open_budgets(self, task: AgentTask) -> None:
        """Make sure that the budgets of a paid answer exist, with the caps that hold now."""
        day, *own = self.budgets(task)
        async with self.database.autocommit() as connection:
            await acts.open_budget(connection, day, self.settings.budget.day_usd)
            for name in own:
                await acts.open_budget(connection, name, task.budget_usd or 0.0)

    def left_s(self, ends_at: str | None) -> float:
        """Return the seconds until a task's deadline, at least a hundredth; inf without one."""
        if ends_at is None:
            return inf
        return max(0.01, (datetime.fromisoformat(ends_at) - self.clock()).total_seconds())


def sent_to(bidder: Bidder, view: View) -> int:
    """Return an estimate of the tokens that a bidder is sent: its own prompt and the task."""
    return prompt_tokens([{"role": "user", "content": view.task.text + bidder.expert.system}])


def _cannot(bidder: Bidder, view: View) -> str:
    task = view.task
    if bidder.name in view.failed:
        return f"has failed at this task: {view.failed[bidder.name]}"
    if bidder.model and bidder.model.name in view.silent:
        return f"its model has failed at this task: {view.silent[bidder.model.name]}"
    if bidder.expert == LIBRARIAN and task.workspace is None:
        return "there is no git workspace to read"
    if bidder.expert == REPAIRER:
        return "repairs tools: `agora fix WORKSPACE --test CMD`"
    able = {*bidder.expert.domains, *getattr(bidder.model, "capabilities", ())}
    missing = set(task.requires) - able
    return f"cannot do {', '.join(sorted(missing))}" if missing else ""
