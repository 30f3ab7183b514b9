from agora.domain.repair.edits import Attempt
from agora.domain.repair.solutions import Instinct, learnt, remembered
from agora.domain.repair.source import Edit

KINDS = ("operator", "constant", "variable")


def attempt(kind: str, place: int, cost: float) -> Attempt:
    parts = ((place, place + 1, "x"),)
    edit = Edit("tool.py", place // 2 + 1, parts, kind, f"change {place}", cost)
    return Attempt((edit,), cost, f"{kind.title()} in Return")


def pool() -> list[Attempt]:
    """Return candidates as a search lists them: operators first, variables last."""
    return [
        attempt(kind, 10 * i + place, 1.0 + 0.3 * i)
        for i, kind in enumerate(KINDS)
        for place in range(10)
    ]


def lesson(kind: str) -> dict[str, object]:
    one = pool()
    passed = next(each for each in one if each.operator == kind)
    return remembered(one, [passed])


def place_of(kind: str, order: list[Attempt]) -> int:
    return next(place for place, one in enumerate(order) if one.operator == kind)


def test_without_any_fix_candidates_come_by_their_cost() -> None:
    one = pool()
    assert Instinct().ordered(one, 0) == one
    assert learnt([]) == Instinct()


def test_what_has_mended_before_is_tried_sooner() -> None:
    library = learnt([lesson("variable")] * 12)
    assert place_of("variable", library.ordered(pool(), 0)) < place_of("variable", pool())
    assert library.weights["variable"] > 0 > library.weights["operator"]


def test_of_a_context_that_failed_the_next_comes_later_where_fixes_were_often_elsewhere() -> None:
    library = learnt([lesson(kind) for kind in KINDS] * 4)
    assert {one.operator for one in pool()[:3]} == {"operator"}
    assert {one.operator for one in library.ordered(pool(), 0)[:3]} == set(KINDS)


def test_the_same_seed_gives_the_same_order_and_nothing_is_lost() -> None:
    library = learnt([lesson("variable"), lesson("constant")])
    one = library.ordered(pool(), 3)
    assert one == library.ordered(pool(), 3)
    assert sorted(one, key=id) != one and len(set(map(id, one))) == len(pool())
    assert one != library.ordered(pool(), 4)


def test_a_single_fix_moves_little_and_its_order_of_arrival_is_without_effect() -> None:
    few, many = learnt([lesson("variable")]), learnt([lesson("variable")] * 12)
    assert few.weights["variable"] < many.weights["variable"]
    both = [lesson("variable"), lesson("constant")]
    assert learnt(both) == learnt(both[::-1])


def test_a_search_in_which_nothing_passed_teaches_nothing() -> None:
    assert learnt([remembered(pool(), [])]) == Instinct()
