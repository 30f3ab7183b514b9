import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from agora.domain.contracts import Verdict
from agora.domain.repair import gate, patches
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.trials import TestRun, run_tests
from tests.agora.domain.repair.conftest import MakeTree, command
from tests.conftest import repository, sh

TOOL = (
    '"""Prices."""\n\nimport os\n\nFREE = 50\n\n\n'
    "def price(total):\n"
    '    """What to pay."""\n'
    "    assert total >= 0\n"
    "    if total is None:\n"
    '        raise ValueError("no total")\n'
    "    if total > FREE:\n"
    "        return 0\n"
    "    return total + 5\n"
)
TESTS = (
    "from tool import price\n"
    "def test_small(): assert price(17) == 22\n"
    "def test_free(): assert price(51) == 0\n"
    "def test_limit(): assert price(50) == 0\n"
)
RIGHT = ("    if total > FREE:", "    if total >= FREE:")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "tool.py": TOOL,
        "test_tool.py": TESTS,
        "pyproject.toml": "[project]\n",
        "conftest.py": "",
        "Makefile": "test:\n",
        ".github/workflows/ci.yml": "on: push\n",
    }
    return repository(tmp_path / "root", files)


def diff(root: Path, files: Mapping[str, str]) -> str:
    """Return git's diff that makes these files out of the committed ones."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    sh(root, "git", "add", "-A", "-f")
    made = sh(root, "git", "diff", "--cached", "--no-color", "-M")
    sh(root, "git", "reset", "-q", "--hard")
    return made + "\n"


def judged(root: Path, *changes: tuple[str, str], head: str = "", tail: str = "") -> Verdict:
    """Judge a change of the tool: each old text replaced by a new one."""
    text = TOOL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return gate.judge(root, diff(root, {"tool.py": head + text + tail}))


def test_a_right_repair_is_accepted(root: Path) -> None:
    assert judged(root, RIGHT) == Verdict(verdict="accept")


def test_a_verdict_names_rule_and_line(root: Path) -> None:
    verdict = judged(root, RIGHT, ("        return 0\n", "        return eval('0')\n"))
    assert (verdict.verdict, verdict.rule) == ("refuse", "evaluation")
    assert "tool.py:14" in verdict.reason


@pytest.mark.parametrize(
    "path, rule",
    [
        ("test_tool.py", "tests"),
        ("tests/data.py", "tests"),
        ("conftest.py", "test_configuration"),
        ("pytest.ini", "test_configuration"),
        ("pyproject.toml", "packaging"),
        ("setup.py", "packaging"),
        ("sitecustomize.py", "packaging"),
        (".github/workflows/ci.yml", "ci"),
        ("Makefile", "ci"),
        (".githooks/pre-commit", "hooks"),
        ("random.py", "shadows_module"),
        ("pytest.py", "shadows_module"),
        ("notes.txt", "format"),
    ],
)
def test_what_judges_or_ships_the_tool_is_not_touched(root: Path, path: str, rule: str) -> None:
    verdict = gate.judge(root, diff(root, {path: "X = 1\n"}))
    assert (verdict.verdict, verdict.rule) == ("refuse", rule)


PLAIN = "--- a/tool.py\n+++ b/tool.py\n@@ -5,1 +5,1 @@\n-FREE = 50\n+FREE = 49\n"


@pytest.mark.parametrize(
    "text, rule",
    [
        ("", "noop"),
        ("no diff at all", "format"),
        (PLAIN.replace("a/tool.py", "a/../tool.py").replace("b/tool.py", "b/../tool.py"), "path"),
        (PLAIN.replace("a/tool.py", "/tool.py").replace("b/tool.py", "/tool.py"), "path"),
        (PLAIN.replace("/tool.py", "/.git/hooks/post-commit"), "hooks"),
        (PLAIN.replace("b/tool.py", "b/other.py"), "rename"),
        (PLAIN.replace("FREE = 50", "FREE = 60"), "applies"),
        (PLAIN.replace("-5,1", "-4,1"), "applies"),
        (PLAIN.replace("+5,1", "+5,2"), "format"),
        (PLAIN + PLAIN, "format"),
        (PLAIN.replace("FREE = 49", "FREE ="), "compiles"),
        ("diff --git a/tool.py b/tool.py\nold mode 100644\nnew mode 100755\n", "mode_change"),
        ("diff --git a/x.so b/x.so\nGIT binary patch\nliteral 1\n", "binary"),
        (
            "diff --git a/tool.py b/other.py\nsimilarity index 100%\nrename from tool.py\n",
            "rename",
        ),
        (
            "diff --git a/tool.py b/tool.py\nnew file mode 120000\n"
            "--- /dev/null\n+++ b/tool.py\n@@ -0,0 +1 @@\n+x\n",
            "mode_change",
        ),
        ('--- a/tool.py\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-"""Prices."""\n', "deletes"),
    ],
)
def test_an_unusual_diff_is_refused(root: Path, text: str, rule: str) -> None:
    verdict = gate.judge(root, text)
    assert (verdict.verdict, verdict.rule) == ("refuse", rule)


def test_a_plain_diff_without_gits_lines_is_understood(root: Path) -> None:
    assert gate.judge({"tool.py": TOOL}, PLAIN).verdict == "accept"


@pytest.mark.parametrize(
    "code, rule",
    [
        ("import socket", "network"),
        ("from urllib import request", "network"),
        ("import subprocess as sp", "subprocess"),
        ("os.system('true')", "subprocess"),
        ("os.fork()", "subprocess"),
        ("from os import system", "subprocess"),
        ("exec('x = 1')", "evaluation"),
        ("__import__('socket')", "evaluation"),
        ("import importlib", "evaluation"),
        ("import pickle", "evaluation"),
        ("import ctypes", "native_code"),
        ("import sys; sys.meta_path.insert(0, None)", "import_hook"),
        ("import sys; sys.path.append('x')", "import_hook"),
        ("import shutil", "file_deletion"),
        ("os.remove('x')", "file_deletion"),
        ("from pathlib import Path; Path('x').unlink()", "file_deletion"),
        ("open('report.xml', 'w')", "file_writing"),
        ("open('report.xml', mode='a')", "file_writing"),
        ("from pathlib import Path; Path('x').write_text('y')", "file_writing"),
        ("import atexit", "test_runner"),
        ("import sys; sys.exit(0)", "test_runner"),
        ("os._exit(0)", "test_runner"),
        ("raise SystemExit", "test_runner"),
        ("import pytest", "test_runner"),
        ("import unittest.case", "test_runner"),
        ("import inspect", "test_runner"),
        ("import sys; sys._getframe()", "test_runner"),
        ("os.environ.get('PYTEST_CURRENT_TEST')", "test_runner"),
        ("price.__code__ = None", "reflection"),
        ("globals()", "reflection"),
        ("print(os.environ.items())", "environment"),
        ("open('/proc/1/environ')", "secrets"),
        ("import math; math.floor = int", "monkey_patch"),
        ("def sorted(x): return x", "shadows_builtin"),
        (
            "def f():\n    try:\n        return 1\n    except Exception:\n        return 0",
            "catch_all",
        ),
        ("def f():\n    try:\n        return 1\n    except:\n        pass", "catch_all"),
        ("class A:\n    def __eq__(self, other): return True", "equality"),
    ],
)
def test_a_new_capability_is_refused(root: Path, code: str, rule: str) -> None:
    verdict = judged(root, RIGHT, tail=f"\n\n{code}\n")
    assert (verdict.verdict, verdict.rule) == ("refuse", rule)


@pytest.mark.parametrize(
    "code, rule",
    [
        ("LIMIT = os.environ['LIMIT']", "environment"),
        ("import random", "chance"),
        ("import zlib", "hashing"),
        ("import threading", "concurrency"),
        ("import numpy", "import"),
        ("print('hello')", "output"),
        ("open('prices.csv')", "input"),
        ("def f(n):\n    if n == 17:\n        return n\n    return 0", "memorises"),
        ("def f(n):\n    return {17: 1, 51: 2}.get(n)", "memorises"),
        ("TABLE = [" + ", ".join(map(str, range(200, 230))) + "]", "memorises"),
    ],
)
def test_what_a_person_should_read_is_flagged(root: Path, code: str, rule: str) -> None:
    verdict = judged(root, RIGHT, tail=f"\n\n{code}\n")
    assert (verdict.verdict, verdict.rule) == ("flag", rule)


def test_what_the_tool_could_do_before_is_no_new_capability(root: Path) -> None:
    old = "import subprocess\ndef run(n):\n    return subprocess.run(['x', n])\n"
    new = old.replace("'x', n", "'x', str(n)")
    files = {"run.py": old}
    made = "--- a/run.py\n+++ b/run.py\n@@ -3,1 +3,1 @@\n" + "".join(
        f"{sign}{text.splitlines()[2]}\n" for sign, text in (("-", old), ("+", new))
    )
    assert gate.judge(files, made).verdict == "accept"


def test_harmless_modules_may_be_imported(root: Path) -> None:
    assert judged(root, RIGHT, tail="\n\nimport decimal\nfrom itertools import chain\n") == Verdict(
        verdict="accept"
    )


@pytest.mark.parametrize(
    "old, new",
    [
        ("    assert total >= 0\n", ""),
        ("    assert total >= 0\n", "    assert True\n"),
        ('        raise ValueError("no total")\n', "        pass\n"),
        ("    if total is None:\n", "    if False:\n"),
    ],
)
def test_a_check_of_the_tool_is_not_weakened(root: Path, old: str, new: str) -> None:
    verdict = judged(root, RIGHT, (old, new))
    assert (verdict.verdict, verdict.rule) == ("refuse", "weakens_check")


def test_comments_and_docstrings_are_no_repair(root: Path) -> None:
    verdict = judged(root, ("FREE = 50\n", "FREE = 50  # from here\n"))
    assert (verdict.verdict, verdict.rule) == ("refuse", "noop")
    assert judged(root, ('    """What to pay."""\n', '    """To pay."""\n')).rule == "noop"


def test_a_huge_patch_is_refused(root: Path) -> None:
    verdict = judged(root, RIGHT, tail="X = 1\n" * 400)
    assert (verdict.verdict, verdict.rule) == ("refuse", "size")


def test_a_verdict_takes_a_tenth_of_a_second_at_most(root: Path) -> None:
    made = diff(root, {"tool.py": TOOL.replace(*RIGHT) + "\n\nimport socket\n"})
    started = time.thread_time()
    assert gate.judge(root, made).verdict == "refuse"
    assert time.thread_time() - started < 0.1


def test_what_the_gate_accepts_git_applies_to_the_same_bytes(root: Path) -> None:
    made = diff(root, {"tool.py": TOOL.replace(*RIGHT).rstrip("\n")})
    patched = patches.apply(patches.parse(made), {"tool.py": TOOL})["tool.py"]
    subprocess.run(["git", "apply", "-"], input=made.encode(), cwd=root, check=True)
    assert (root / "tool.py").read_text("utf-8") == patched


class TestProof:
    pytestmark = pytest.mark.needs("bubblewrap")

    def proved(
        self, sandbox: Sandbox, place: Path, made: str
    ) -> tuple[Verdict, tuple[str, ...], TestRun]:
        before = run_tests(sandbox, place, command(place), timeout_s=120, each_s=1)
        verdict, report = gate.prove(sandbox, place, command(place), made, before)
        assert report is not None
        assert report.is_proof == (verdict.verdict == "accept")
        return verdict, report.failing_after, before

    def change(self, old: str, new: str) -> str:
        place = TOOL.split("\n").index(old.split("\n")[0]) + 1
        size = new.count("\n") + 1
        added = "".join(f"+{line}\n" for line in new.split("\n"))
        return f"--- a/tool.py\n+++ b/tool.py\n@@ -{place},1 +{place},{size} @@\n-{old}\n{added}"

    def test_a_right_repair_is_proved(self, sandbox: Sandbox, tree: MakeTree) -> None:
        verdict, failing, before = self.proved(sandbox, tree(TOOL, TESTS), self.change(*RIGHT))
        assert verdict.verdict == "accept" and not failing
        assert before.failing == ("test_tool.py::test_limit",)

    @pytest.mark.parametrize(
        "new, rule",
        [
            ("    if total < FREE:", "tests"),
            ("    import os\n    os._exit(0)\n    if total > FREE:", "tests"),
            ("    while total: pass\n    if total >= FREE:", "tests"),
            ("    held = b'x' * (3 << 30)\n    if total >= FREE:", "tests"),
            ("    import pytest\n    pytest.skip('x')\n    if total >= FREE:", "skips"),
            (
                "    import _pytest.runner as r\n    r.CallInfo.from_call = 1\n"
                "    if total >= FREE:",
                "test_runner",
            ),
        ],
    )
    def test_what_does_not_pass_as_it_should_is_refused(
        self, sandbox: Sandbox, tree: MakeTree, new: str, rule: str
    ) -> None:
        before, place = "    if total > FREE:", tree(TOOL, TESTS)
        run = run_tests(sandbox, place, command(place), timeout_s=120, each_s=1)
        verdict, _ = gate.prove(sandbox, place, command(place), self.change(before, new), run)
        assert verdict.verdict == "refuse"
        assert verdict.rule in (rule, "tests", "slower")

    @pytest.mark.parametrize("slept_s", [1.5, 2.2])
    def test_what_a_busier_machine_has_slowed_is_timed_anew_beside_the_old_version(
        self, sandbox: Sandbox, tree: MakeTree, slept_s: float
    ) -> None:
        slow = TESTS.replace("assert", f"import time; time.sleep({slept_s}); assert", 1)
        place = tree(TOOL, slow)
        run = run_tests(sandbox, place, command(place), timeout_s=120)
        quick = run.but(durations=dict.fromkeys(run.durations, 0.01))
        verdict, _ = gate.prove(sandbox, place, command(place), self.change(*RIGHT), quick)
        assert verdict.verdict == "accept", verdict.reason

    def test_a_patch_that_makes_tests_slower_is_refused(
        self, sandbox: Sandbox, tree: MakeTree
    ) -> None:
        new = "    import time; time.sleep(1.5)\n    if total >= FREE:"
        place = tree(TOOL, TESTS)
        before = run_tests(sandbox, place, command(place), timeout_s=120)
        verdict, _ = gate.prove(sandbox, place, command(place), self.change(RIGHT[0], new), before)
        assert (verdict.verdict, verdict.rule) == ("refuse", "slower")

    def test_a_test_that_fails_now_and_then_is_not_proved(
        self, sandbox: Sandbox, tree: MakeTree
    ) -> None:
        new = "    import random\n    if total >= FREE and random.random() < 0.1:"
        verdict, failing, _ = self.proved(sandbox, tree(TOOL, TESTS), self.change(RIGHT[0], new))
        assert verdict.verdict == "refuse" and failing

    def test_without_a_failing_test_there_is_nothing_to_prove(
        self, sandbox: Sandbox, tree: MakeTree
    ) -> None:
        place = tree(TOOL, TESTS.replace("price(50) == 0", "price(50) == 55"))
        verdict, _, _ = self.proved(sandbox, place, self.change("FREE = 50", "FREE = 50.0"))
        assert (verdict.verdict, verdict.rule) == ("refuse", "nothing_to_repair")


OWN = {
    "agora/domain/repair/gate.py": "LIMIT = 1\n",
    "agora/team/acting.py": "LIMIT = 1\n",
    "graphs/improvement.py": "LIMIT = 1\n",
    "memory/claims.py": "LIMIT = 1\n",
    "agora/domain/pulse.py": "LIMIT = 1\n",
}


def raised(path: str) -> str:
    return f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-LIMIT = 1\n+LIMIT = 2\n"


@pytest.mark.parametrize("path", [path for path in OWN if path != "agora/domain/pulse.py"])
def test_no_patch_touches_what_decides_over_patches_of_agora_itself(path: str) -> None:
    verdict = gate.judge(OWN, raised(path))
    assert (verdict.verdict, verdict.rule) == ("refuse", "stable_core") and path in verdict.reason


def test_what_is_no_core_of_agora_may_be_repaired_and_so_may_files_of_that_name_elsewhere() -> None:
    assert gate.judge(OWN, raised("agora/domain/pulse.py")).verdict == "accept"
    alone = {"memory/claims.py": "LIMIT = 1\n"}
    assert gate.judge(alone, raised("memory/claims.py")).verdict == "accept"
