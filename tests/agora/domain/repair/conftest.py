"""What the tests of repair stand on: an open act, a sandbox, small trees of files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agora.domain.contracts import Act
from agora.domain.doors import opened
from agora.domain.repair.interpreters import OWN
from agora.domain.repair.sandbox import Sandbox, choose_sandbox
from agora.domain.repair.workspace import PLUGINS, TestCommand
from agora.domain.settings import load

MakeTree = Callable[..., Path]


@pytest.fixture
def act() -> Iterator[None]:
    with opened(Act(kind="run_tests", subject="a workspace")):
        yield


@pytest.fixture
def sandbox(act: None) -> Sandbox:
    return choose_sandbox(load({}).sandbox, trust_workspace=False)


@pytest.fixture
def trusted(act: None) -> Sandbox:
    return choose_sandbox(load({}).sandbox, trust_workspace=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that a sandbox may write."""
    place = tmp_path / "inside"
    place.mkdir()
    return place


@pytest.fixture
def tree(tmp_path: Path) -> MakeTree:
    """Make a tree of `tool.py` and `test_tool.py`, or of other files by name."""

    def make(tool: str, tests: str, **others: str) -> Path:
        place = tmp_path / "tree"
        place.mkdir()
        for name, text in {"tool.py": tool, "test_tool.py": tests, **others}.items():
            (place / name).write_text(text, "utf-8")
        return place

    return make


def command(tree: Path, *arguments: str) -> TestCommand:
    """Return `pytest -q` under our own Python, without the plugins that nothing here needs."""
    return TestCommand("pytest -q", tree, OWN, ("-q", *arguments), tuple(PLUGINS.values()))
