from agora.domain.repair.edits import Attempt
from agora.domain.repair.imagine import imagined
from agora.domain.repair.locate import Call, Observation, suspicion
from agora.domain.repair.rank import ranked
from agora.domain.repair.source import Edit
from agora.domain.repair.trials import Failure


def attempt(name: str, cost: float, *added: str) -> Attempt:
    return Attempt((Edit("tool.py", 1, ((0, 0, name),), name, name, cost, added),), cost)


def names(attempts: list[Attempt], *behaviours: tuple[str, ...], known: str = "") -> list[str]:
    order = ranked(attempts, behaviours, frozenset(filter(None, [known])))
    return [one.edits[0].operator for one, _ in order]


def test_without_more_to_go_by_the_smallest_edit_wins() -> None:
    assert names([attempt("large", 3), attempt("small", 1)]) == ["small", "large"]


def test_patches_that_behave_alike_vote_together() -> None:
    rivals = [attempt("alone", 1.0), attempt("one", 1.2), attempt("other", 1.2)]
    assert names(rivals, ("1", "2"), ("1", "3"), ("1", "3"))[0] == "one"


def test_a_constant_of_the_tests_is_not_trusted() -> None:
    rivals = [attempt("learnt", 1.0, "42"), attempt("plain", 1.5)]
    assert names(rivals, known="42")[0] == "plain"


def test_raising_where_rivals_answer_is_not_trusted() -> None:
    rivals = [attempt("raises", 1.0), attempt("a", 1.3), attempt("b", 1.4)]
    behaviours = (("!TypeError", "!TypeError"), ("1", "2"), ("1", "3"))
    assert names(rivals, *behaviours)[0] != "raises"


def test_a_slow_patch_has_no_allies() -> None:
    rivals = [attempt("slow", 1.2), attempt("late", 1.2), attempt("quick", 1.1)]
    assert names(rivals, ("1",), ("1",), ("1", "2"))[0] == "quick"


def test_reasons_are_told() -> None:
    (_, reasons), *_ = ranked([attempt("one", 1)], (), frozenset())
    assert reasons == ("1 small edit", "100% of the odds")


CALL = Call(path="tool.py", name="f", arguments=("[3, 1, 2]", "'ab'", "4"))


def test_imagined_inputs_are_of_the_same_kinds() -> None:
    calls = imagined([CALL], seed=1)
    assert calls[0] == CALL and len(set(calls)) > 30
    for call in calls:
        first, second, third = (type(__import__("ast").literal_eval(a)) for a in call.arguments)
        assert (first, second, third) == (list, str, int)


def test_the_same_seed_imagines_the_same_inputs() -> None:
    assert imagined([CALL], seed=1) == imagined([CALL], seed=1)
    assert imagined([CALL], seed=1) != imagined([CALL], seed=2)


def test_what_is_no_plain_value_is_not_imagined() -> None:
    assert imagined([CALL.but(arguments=("<Basket at 0x1>",))], seed=1) == []


def observed(name: str, passed: bool, *lines: int) -> Observation:
    return Observation(id=name, passed=passed, seconds=0, lines={"tool.py": lines})


def test_lines_of_failing_tests_only_are_the_most_suspicious() -> None:
    tests = [observed("a", False, 1, 2), observed("b", True, 1), observed("c", True, 1, 3)]
    scores = suspicion(tests, (), ["tool.py"])
    assert scores["tool.py", 2] == 1.0 > scores["tool.py", 1] > 0
    assert ("tool.py", 3) not in scores


def test_the_line_that_raised_gains() -> None:
    tests = [observed("a", False, 1, 2), observed("b", True, 1, 2)]
    failure = Failure(exception="KeyError", frames=(("tool.py", 2),))
    scores = suspicion(tests, [failure], ["tool.py"])
    assert scores["tool.py", 2] > scores["tool.py", 1]
