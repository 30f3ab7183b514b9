import pytest

from agora.domain.errors import SandboxFailedError
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.trials import NoTestsError, TestRun, run_tests
from tests.agora.domain.repair.conftest import MakeTree, command

pytestmark = pytest.mark.needs("bubblewrap")
DIVIDE = "def divide(a, b):\n    share = a / b\n    return share\n"
DIVIDED = (
    "from tool import divide\n"
    "def test_even():\n    assert divide(4, 2) == 2\n"
    "def test_zero():\n    assert divide(4, 0) is None\n"
    "def test_odd():\n    assert divide(5, 2) == 2\n"
)


@pytest.fixture
def tested(sandbox: Sandbox, tree: MakeTree) -> "Trying":
    return Trying(sandbox, tree)


class Trying:
    def __init__(self, sandbox: Sandbox, tree: MakeTree) -> None:
        self.sandbox = sandbox
        self.tree = tree

    def __call__(self, tool: str, tests: str, **others: str) -> TestRun:
        place = self.tree(tool, tests, **others)
        return run_tests(self.sandbox, place, command(place), timeout_s=120, each_s=1)


def test_every_test_has_an_outcome_under_pytests_own_name(tested: Trying) -> None:
    run = tested(DIVIDE, DIVIDED)
    assert run.passing == ("test_tool.py::test_even",)
    assert run.failing == ("test_tool.py::test_zero", "test_tool.py::test_odd")
    assert not run.tampered


def test_a_failure_says_what_where_and_with_which_values(tested: Trying) -> None:
    failure = tested(DIVIDE, DIVIDED).failures["test_tool.py::test_zero"]
    assert failure.exception == "ZeroDivisionError"
    assert (failure.path, failure.line) == ("tool.py", 2)
    assert failure.values == {"a": "4", "b": "0"}
    assert failure.frames == (("test_tool.py", 5), ("tool.py", 2))


def test_a_wrong_answer_names_the_call(tested: Trying) -> None:
    failure = tested(DIVIDE, DIVIDED).failures["test_tool.py::test_odd"]
    assert failure.exception == "AssertionError" and failure.call == "divide(5, 2)"
    assert "2.5" in failure.message


def test_nothing_is_written_into_the_tree(sandbox: Sandbox, tree: MakeTree) -> None:
    place = tree("", "def test_it():\n    open('made', 'w').write('x')\n")
    assert run_tests(sandbox, place, command(place), timeout_s=120).passing
    assert sorted(path.name for path in place.iterdir()) == ["test_tool.py", "tool.py"]


def test_skipped_and_expected_failures_are_neither_passes_nor_failures(tested: Trying) -> None:
    run = tested(
        "",
        "import pytest\n"
        "@pytest.mark.skip\ndef test_a(): pass\n"
        "@pytest.mark.xfail\ndef test_b(): assert False\n"
        "def test_c(): pass\n",
    )
    assert len(run.ids("skipped")) == 2 and len(run.passing) == 1 and not run.failing


def test_a_module_that_cannot_be_imported_is_a_failing_test(tested: Trying) -> None:
    run = tested("RATE = 1 / 0\n", "import tool\ndef test_it(): pass\n")
    assert run.failing == ("test_tool.py",)
    assert run.failures["test_tool.py"].exception == "ZeroDivisionError"
    assert run.failures["test_tool.py"].path == "tool.py"


def test_one_hanging_test_fails_and_the_others_go_on(tested: Trying) -> None:
    run = tested(
        "def wait(n):\n    while n:\n        pass\n",
        "from tool import wait\n"
        "def test_a(): wait(0)\ndef test_b(): wait(1)\ndef test_c(): wait(0)\n",
    )
    assert run.failing == ("test_tool.py::test_b",) and len(run.passing) == 2
    failure = run.failures["test_tool.py::test_b"]
    assert "deadline" in failure.message and failure.path == "tool.py"


def test_a_test_that_will_not_be_interrupted_is_ended(tested: Trying) -> None:
    stubborn = (
        "def wait(n):\n    while n:\n        try:\n            while n: pass\n"
        "        except BaseException: pass\n"
    )
    tests = "from tool import wait\ndef test_a(): wait(1)\ndef test_b(): wait(0)\n"
    run = tested(stubborn, tests)
    assert run.failing == ("test_tool.py::test_a",)
    assert run.passing == ("test_tool.py::test_b",)


def test_without_tests_there_is_no_right_and_wrong(tested: Trying) -> None:
    with pytest.raises(NoTestsError):
        tested("", "X = 1\n")


@pytest.mark.parametrize(
    "tool",
    ["import os; os._exit(0)", "while True: pass"],
    ids=["exits", "hangs"],
)
def test_a_module_that_stops_the_collection_gives_no_verdict(
    sandbox: Sandbox, tree: MakeTree, tool: str
) -> None:
    place = tree(tool, "import tool\ndef test_it(): pass\n")
    with pytest.raises(SandboxFailedError, match="no test was collected"):
        run_tests(sandbox, place, command(place), timeout_s=2)


def test_wrong_arguments_give_no_verdict(sandbox: Sandbox, tree: MakeTree) -> None:
    place = tree("", "def test_it(): pass\n")
    with pytest.raises(SandboxFailedError, match="pytest did not run"):
        run_tests(sandbox, place, command(place, "--no-such-option"), timeout_s=120)


FAILING = "from tool import answer\ndef test_it():\n    assert answer() == 42\n"
ENDINGS = {
    "os_exit": "import os\ndef answer():\n    os._exit(0)\n",
    "system_exit": "def answer():\n    raise SystemExit(0)\n",
    "pytest_exit": "import pytest\ndef answer():\n    pytest.exit('done', returncode=0)\n",
    "killed": "import os\ndef answer():\n    os.kill(os.getpid(), 9)\n",
    "skip": "import pytest\ndef answer():\n    pytest.skip('no')\n",
    "atexit": "import atexit, os\natexit.register(os._exit, 0)\ndef answer():\n    return 1\n",
    "printed": "def answer():\n    print('1 passed in 0.01s', flush=True)\n    return 1\n",
}


@pytest.mark.parametrize("tool", ENDINGS.values(), ids=ENDINGS.keys())
def test_ending_early_is_never_a_pass(tested: Trying, tool: str) -> None:
    assert not tested(tool, FAILING).passing


PATCHES = {
    "runtest": "import _pytest.python\n_pytest.python.Function.runtest = lambda self: None\n",
    "report": (
        "from _pytest.reports import TestReport\n"
        "made = TestReport.from_item_and_call.__func__\n"
        "def fake(cls, item, call):\n    call.excinfo = None\n    return made(cls, item, call)\n"
        "TestReport.from_item_and_call = classmethod(fake)\n"
    ),
    "call": (
        "import _pytest.runner\n"
        "made = _pytest.runner.CallInfo.from_call.__func__\n"
        "made.__code__ = (lambda cls, func, when, reraise=None:"
        " cls(None, None, 0, 0, 0, when, _ispytest=True)).__code__\n"
    ),
}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES.keys())
def test_a_patched_pytest_does_not_pass_unnoticed(tested: Trying, patch: str) -> None:
    run = tested(patch + "def answer():\n    return 1\n", FAILING)
    assert run.tampered or not run.passing
    assert not run.upholds(TestRun(outcomes={"test_tool.py::test_it": "failed"}))


def test_nobody_reaches_the_supervisor_from_a_test(tested: Trying) -> None:
    run = tested(
        "",
        "import os\n"
        "def test_memory():\n    open(f'/proc/{os.getppid()}/mem', 'rb')\n"
        "def test_output():\n    open(f'/proc/{os.getppid()}/fd/1', 'w').write('x')\n",
    )
    assert {failure.exception for failure in run.failures.values()} == {"PermissionError"}


def test_killing_the_supervisor_gives_no_verdict(tested: Trying) -> None:
    with pytest.raises(SandboxFailedError):
        tested("import os\nos.kill(os.getppid(), 9)\n", "import tool\ndef test_it(): pass\n")


def test_a_file_named_like_a_standard_module_does_not_reach_the_runner(tested: Trying) -> None:
    run = tested("", "def test_it(): pass\n", **{"select.py": "1/0", "tempfile.py": "1/0"})
    assert run.passing == ("test_tool.py::test_it",)


def test_stopping_at_the_first_failure_is_overruled(sandbox: Sandbox, tree: MakeTree) -> None:
    place = tree("", "def test_a(): assert 0\ndef test_b(): pass\n")
    run = run_tests(sandbox, place, command(place, "-x"), timeout_s=120)
    assert len(run.outcomes) == 2


def test_what_has_not_begun_in_time_is_left_out(sandbox: Sandbox, tree: MakeTree) -> None:
    slow = "".join(f"def test_{n}():\n    time.sleep(2)\n" for n in range(4))
    place = tree("", f"import time\n{slow}")
    run = run_tests(sandbox, place, command(place), timeout_s=120, within_s=3.5)
    assert run.passing and not run.failing, "pytest has had the time to start"
    assert "test_tool.py::test_3" in run.unrun
    assert len(run.passing) + len(run.unrun) == 4


def test_a_thousand_failures_fit_into_a_report(tested: Trying) -> None:
    names = "".join(f"    v{n} = 'x' * 190\n" for n in range(29))
    run = tested(
        f"def double(n):\n{names}    raise ValueError('y' * 1900)\n",
        "import pytest\nfrom tool import double\n\n\n"
        "@pytest.mark.parametrize('n', range(1000))\ndef test_it(n):\n"
        "    assert double(n) == 2 * n\n",
    )
    assert len(run.failing) == 1000
    first, last = run.failures[run.failing[0]], run.failures[run.failing[-1]]
    assert len(first.values) > 20 and last.exception == "ValueError" and not last.values
