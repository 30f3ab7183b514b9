from agora.domain.repair.edits import Attempt
from agora.domain.repair.instincts import Habit, of_fixes, of_tools
from agora.domain.repair.solutions import Instinct
from agora.domain.repair.source import Edit


def answers(**times: tuple[int, int]) -> list[dict[str, str]]:
    """Return so many accepted and refused fixes of each operator."""
    return [
        {"operator": operator, "status": status}
        for operator, (good, bad) in times.items()
        for status in ["applied"] * good + ["rejected"] * bad
    ]


def kinds(habits: list[Habit]) -> set[tuple[str, str]]:
    return {(one.kind, one.subject) for one in habits}


def test_accepted_fixes_call_for_no_caution() -> None:
    assert of_fixes(answers(variable=(9, 2), constant=(3, 0))) == []


def test_where_half_is_refused_the_search_is_conservative() -> None:
    found = of_fixes(answers(variable=(1, 1), constant=(1, 1)))
    assert kinds(found) == {("conservative", "the search")}
    assert found[0].because == "2 of the last 4 changes were rejected or taken back"
    assert of_fixes(answers(variable=(0, 1))) == [], "one no is no habit"


def test_a_kind_of_edit_that_people_refuse_comes_last() -> None:
    found = of_fixes(answers(constant=(1, 3), variable=(9, 0)))
    assert kinds(found) == {("last", "constant")}
    edits = [
        Edit("a.py", n, ((n, n, ""),), name, "", 1.0)
        for n, name in enumerate(("constant", "variable"))
    ]
    attempts = [Attempt((edit,), edit.cost) for edit in edits]
    (first, last) = Instinct(last=("constant",)).ordered(attempts, seed=0)
    assert (first.operator, last.operator) == ("variable", "constant")


def tool(name: str, value: float = 0.0, fruitless: int = 0, *others: str) -> dict[str, object]:
    return {"name": name, "value": value, "fruitless": fruitless, "alternatives": list(others)}


def test_a_valued_tool_is_kept_and_one_that_cannot_be_mended_gives_way() -> None:
    tools = [tool("a", 7, 5, "b"), tool("b", 1, 3, "a"), tool("c", 1, 3), tool("d", 1, 2, "a")]
    found = of_tools(tools, valuable=5)
    assert kinds(found) == {("keep", "a"), ("deprecate", "b")}
    assert found[0].told == "keep a: its value is 7: others rely on it"
