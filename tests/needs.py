"""Tests that need a program: `@pytest.mark.needs("bubblewrap")`.

Where it is missing they are left out, and the last lines say which and how to add it. With
`CI=true` they fail instead. Registered by `pytest_plugins = ["tests.needs"]` in `conftest.py`.
"""

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ADDED = Path(__file__).parent.parent / ".venv"
JAVASCRIPT, FINETUNING = ADDED / "javascript", ADDED / "finetuning"
PROGRAMS = {
    "bubblewrap": "bwrap",
    "chromium": "chromium",
    "finetuning": str(FINETUNING / "installed"),
    "git": "git",
    "javascript-sdk": str(JAVASCRIPT / "node_modules/@langchain/langgraph-sdk/package.json"),
    "nodejs": "node",
    "redis-server": "redis-server",
}
SCRIPTS = {"finetuning": "scripts/add_finetuning", "javascript-sdk": "scripts/add_javascript"}
LEFT_OUT = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    left_out: dict[str, list[str]] = defaultdict(list)
    config.stash[LEFT_OUT] = left_out
    config.addinivalue_line(
        "markers", f"needs(*packages): left out without them; known: {', '.join(PROGRAMS)}"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("CI") == "true":
        return
    lacking = [item for item in items if any(missing(item))]
    for item in lacking:
        for package in missing(item):
            config.stash[LEFT_OUT][package].append(item.nodeid)
    if lacking:
        config.hook.pytest_deselected(items=lacking)
        items[:] = [item for item in items if item not in lacking]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if output := getattr(session.config, "workeroutput", None):  # one of several processes
        left_out: dict[str, list[str]] = session.config.stash[LEFT_OUT]
        output["left_out"] = dict(left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a process that runs tests what it has left out: the same as all others."""
    left_out: dict[str, list[str]] = getattr(node, "workeroutput", {}).get("left_out", {})
    config: pytest.Config = node.config
    config.stash[LEFT_OUT].update(left_out)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if packages := list(missing(item)):
        pytest.fail(f"needs {' and '.join(packages)}: {remedy(*packages)}", pytrace=False)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for package, tests in config.stash[LEFT_OUT].items():
        terminalreporter.section(f"left out: {package} is missing; {remedy(package)}", yellow=True)
        for test in tests:
            terminalreporter.line(test)


def missing(item: pytest.Item) -> Iterator[str]:
    for marker in item.iter_markers("needs"):
        for package in marker.args:
            if package not in PROGRAMS:
                raise pytest.UsageError(f"{item.nodeid}: nobody knows how to add {package!r}")
            if not is_there(package):
                yield package


def is_there(package: str) -> bool:
    program = shutil.which(PROGRAMS[package])
    if program is None:
        return Path(PROGRAMS[package]).is_file()
    return package != "bubblewrap" or is_allowed(program)


@cache
def is_allowed(bwrap: str) -> bool:
    # There, and of no use: where these tests run in a sandbox themselves.
    tried = (bwrap, "--unshare-user", "--ro-bind", "/", "/", "true")
    return subprocess.run(tried, stderr=subprocess.DEVNULL).returncode == 0


def remedy(*packages: str) -> str:
    programs = [one for one in packages if one not in SCRIPTS]
    steps = [f"sudo apt-get install {' '.join(programs)}"] if programs else []
    steps += [SCRIPTS[one] for one in packages if one in SCRIPTS]
    return f"to add it: {' && '.join(steps)}"
