"""Budgets: which caps an answer draws on. What is spent of them is kept in a table for all."""

from dataclasses import dataclass

from agora.domain.contracts import AgentTask
from agora.domain.settings import BudgetSettings, Cap


@dataclass(frozen=True)
class Budget:
    """A cap in USD, in tokens or in both; None: none of that kind."""

    name: str
    cap_usd: float | None = None
    cap_tokens: int | None = None

    @property
    def said(self) -> str:
        """Return whose budget it is, in words."""
        kind, _, whose = self.name.rpartition("/")[2].partition(":")
        return {"task": "this task", "day": "today"}.get(kind, f"{kind} {whose} today")


def of(settings: BudgetSettings, task: AgentTask, day: str) -> list[Budget]:
    """Return the budgets with a cap that any answer to this task draws on; `day` is ISO 8601.

    The parts of a task share the task's budget.
    """
    usd = settings.task_usd if task.budget_usd is None else task.budget_usd
    tokens = settings.task_tokens if task.budget_tokens is None else task.budget_tokens
    known = [
        Budget(name=f"task:{task.id.partition('.')[0]}", cap_usd=usd, cap_tokens=tokens),
        _daily(f"day:{day}", settings),
        _daily(f"{day}/tenant:{task.tenant}", settings.tenants.get(task.tenant)),
    ]
    return [one for one in known if one.cap_usd is not None or one.cap_tokens is not None]


def of_experts(settings: BudgetSettings, day: str) -> dict[str, Budget]:
    """Return the budgets of those experts that have one of their own."""
    return {
        name: _daily(f"{day}/expert:{name}", cap)
        for name, cap in settings.experts.items()
        if cap.day_usd is not None or cap.day_tokens is not None
    }


def _daily(name: str, cap: Cap | None) -> Budget:
    if cap is None:
        return Budget(name=name)
    return Budget(name=name, cap_usd=cap.day_usd, cap_tokens=cap.day_tokens)


@dataclass(frozen=True)
class Left:
    """What a budget has left, below 0 where a cap was lowered; None: no cap of that kind."""

    usd: float | None = None
    tokens: int | None = None


def shortage(budget: Budget, left: Left, cost_usd: float, tokens: int) -> str:
    """Return why a call does not fit into a budget, in words; "" if it does.

    What costs nothing is never kept out by a cap on money.
    """
    if cost_usd and left.usd is not None and cost_usd > left.usd:
        has = f"{max(0.0, left.usd):.4f}"
        return f"could cost {cost_usd:.4f} USD, and the budget of {budget.said} has {has} left"
    if left.tokens is not None and tokens > left.tokens:
        has = f"{max(0, left.tokens)}"
        return f"could take {tokens} tokens, and the budget of {budget.said} has {has} left"
    return ""
