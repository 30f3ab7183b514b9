from agora.domain import budgets
from agora.domain.budgets import Budget, Left
from agora.domain.contracts import AgentTask
from agora.domain.settings import load

TASK = AgentTask(id="t", text="What follows?", tenant="acme")
DAY = "2026-11-26"


def of(task: AgentTask, **arguments: object) -> dict[str, tuple[float | None, int | None]]:
    settings = load({}, **arguments).budget
    found = budgets.of(settings, task, DAY) + list(budgets.of_experts(settings, DAY).values())
    return {one.name: (one.cap_usd, one.cap_tokens) for one in found}


def test_an_answer_draws_on_every_budget_that_has_a_cap() -> None:
    caps = {"budget.tenants.acme.day_usd": 2, "budget.experts.risk.day_tokens": 900}
    assert of(TASK.but(budget_usd=0.1), **caps) == {
        "task:t": (0.1, None),
        f"day:{DAY}": (5.0, None),
        f"{DAY}/tenant:acme": (2.0, None),
        f"{DAY}/expert:risk": (None, 900),
    }


def test_other_tenants_and_experts_are_not_charged() -> None:
    caps = {"budget.tenants.other.day_usd": 2, "budget.experts.engineer.day_usd": None}
    assert set(of(TASK, **caps)) == {f"day:{DAY}"}


def test_a_task_has_the_cap_of_the_settings_unless_it_names_its_own() -> None:
    assert of(TASK, **{"budget.task_usd": 0.2, "budget.day_usd": None}) == {"task:t": (0.2, None)}
    assert of(TASK.but(budget_usd=0.3), **{"budget.task_usd": 0.2})["task:t"] == (0.3, None)


def test_the_parts_of_a_task_share_its_budget() -> None:
    assert "task:t" in of(TASK.but(id="t.2", budget_usd=1.0))


def test_what_costs_nothing_is_kept_out_by_tokens_alone() -> None:
    day = Budget(name=f"day:{DAY}", cap_usd=0.0, cap_tokens=10)
    assert budgets.shortage(day, Left(usd=-1.0, tokens=10), 0.0, 10) == ""
    assert "the budget of today has 9 left" in budgets.shortage(day, Left(tokens=9), 0.0, 10)
    assert "could cost 0.5000 USD" in budgets.shortage(day, Left(usd=0.4), 0.5, 10)


def test_a_budget_is_named_in_words() -> None:
    assert Budget(name=f"{DAY}/expert:risk").said == "expert risk today"
    assert Budget(name="task:t").said == "this task"
