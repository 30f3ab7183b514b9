"""A test that needs a missing program is left out and named, never silently passed over."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.needs import remedy

ROOT = Path(__file__).parent.parent
pytest_plugins = ["pytester"]
TESTS = """
import pytest

@pytest.mark.needs("bubblewrap")
def test_of_the_sandbox(): pass

@pytest.mark.needs("git", "bubblewrap")
def test_of_a_patch(): pass

def test_of_nothing_special(): pass
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave the tests under test a machine with git and nothing else."""
    monkeypatch.delenv("CI", raising=False)
    folder = tmp_path / "programs"
    folder.mkdir()
    add(folder, "git")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def add(folder: Path, program: str, script: str = "#!/bin/sh\n") -> None:
    (folder / program).write_text(script)
    (folder / program).chmod(0o755)


def run(
    pytester: pytest.Pytester, tests: str = TESTS, on: Sequence[str] = ("-n0",)
) -> pytest.RunResult:
    pytester.makepyfile(tests)
    plugins = ("-p", "tests.needs", "-p", "no:asyncio", "--strict-markers")
    return pytester.runpytest_inprocess(*plugins, *on)


@pytest.mark.parametrize("on", ["-n0", "-n1"])
def test_what_a_missing_program_leaves_out_is_named_with_its_remedy(
    pytester: pytest.Pytester, programs: Path, monkeypatch: pytest.MonkeyPatch, on: str
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    outcome = run(pytester, on=[on])
    outcome.assert_outcomes(passed=1)
    assert outcome.ret == pytest.ExitCode.OK
    outcome.stdout.fnmatch_lines(
        [
            "*left out: bubblewrap is missing*sudo apt-get install bubblewrap*",
            "*::test_of_the_sandbox",
            "*::test_of_a_patch",
            "*1 passed*",
        ]
    )


def test_where_all_programs_are_there_nothing_is_left_out(
    pytester: pytest.Pytester, programs: Path
) -> None:
    add(programs, "bwrap")
    outcome = run(pytester)
    outcome.assert_outcomes(passed=3)
    outcome.stdout.no_fnmatch_line("*left out*")


def test_a_sandbox_that_the_machine_forbids_is_as_good_as_missing(
    pytester: pytest.Pytester, programs: Path
) -> None:
    add(programs, "bwrap", "#!/bin/sh\nexit 1\n")
    outcome = run(pytester)
    outcome.assert_outcomes(passed=1)
    outcome.stdout.fnmatch_lines(["*left out: bubblewrap*", "*::test_of_the_sandbox"])


def test_on_a_ci_machine_a_missing_program_fails_the_session(
    pytester: pytest.Pytester, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    outcome = run(pytester)
    outcome.assert_outcomes(passed=1, errors=2)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    outcome.stdout.fnmatch_lines(["*needs bubblewrap*sudo apt-get install bubblewrap*"])


def test_the_remedy_names_programs_before_scripts() -> None:
    said = remedy("javascript-sdk", "nodejs", "finetuning")
    steps = ["sudo apt-get install nodejs", "scripts/add_javascript", "scripts/add_finetuning"]
    assert said == f"to add it: {' && '.join(steps)}"


def test_a_program_that_nobody_knows_how_to_add_is_wrong_use(
    pytester: pytest.Pytester, programs: Path
) -> None:
    outcome = run(pytester, 'import pytest\n@pytest.mark.needs("gti")\ndef test_it(): pass\n')
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines(["*nobody knows how to add 'gti'*"])
