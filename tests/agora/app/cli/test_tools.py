from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.conftest import repository
from tests.improving import BROKEN, FILES

SANDBOXED = pytest.mark.needs("bubblewrap")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "workspace", FILES)


def test_typed_functions_are_listed_and_shown(agora: Agora, root: Path) -> None:
    (tool,) = agora("tools", "list", "--workspace", root, "--json").json["tools"]
    assert tool["name"] == "prices.total"
    shown = agora("tools", "show", "prices.total", "--workspace", root)
    assert shown.code == 0 and "prices.py:1" in shown.out and "count" in shown.out


@SANDBOXED
def test_a_call_is_carried_out_and_counted(agora: Agora, root: Path) -> None:
    given = ("tools", "run", "prices.total", "--workspace", root)
    said = agora(*given, "--args", '{"price": 2, "count": 2}', "--json")
    assert said.code == 0 and said.json["result"] == 4
    assert agora(*given, "--args", '{"price": 1.5, "count": 2}').out == "3.5\n"
    (counted,) = agora("tools", "stats", "--json").json["tools"]
    assert counted["executions"] == 2 and counted["tool"] == "prices.total"


@pytest.mark.parametrize("arguments", ["nonsense", "[1]", '{"price": "x"}', '{"nosuch": 1}'])
def test_wrong_arguments_are_refused_before_anything_runs(
    agora: Agora, root: Path, arguments: str
) -> None:
    said = agora("tools", "run", "prices.total", "--workspace", root, "--args", arguments, "--json")
    assert said.code == 2 and said.error["message"]
    assert agora("tools", "stats", "--json").json == {"tools": []}


def test_an_unknown_tool_is_refused_with_those_there_are(agora: Agora, root: Path) -> None:
    said = agora("tools", "run", "nosuch", "--workspace", root, "--json")
    assert said.code == 2 and "prices.total" in said.error["hint"]


def test_a_folder_that_is_no_work_tree_has_no_tools(agora: Agora, tmp_path: Path) -> None:
    said = agora("tools", "list", "--workspace", tmp_path, "--json")
    assert said.code == 2 and "not a git work tree" in said.error["message"]


def test_the_registry_is_synced_and_tools_are_found_deleted_and_restored(
    agora: Agora, root: Path
) -> None:
    at = ("--workspace", root, "--json")
    assert agora("tools", "sync", *at, "--dry-run").json["added"] == ["prices.total"]
    assert agora("tools", "sync", *at).json["added"] == ["prices.total"]
    (found,) = agora("tools", "find", "what several things cost", *at).json["tools"]
    assert found["name"] == "prices.total" and found["tags"] == ["pure"]
    said = agora("tools", "delete", "prices.total", *at)
    assert said.code == 0 and "def total" not in (root / "prices.py").read_text()
    assert agora("tools", "list", *at).json["tools"] == []
    assert agora("tools", "restore", "prices.total", *at).code == 0
    assert (root / "prices.py").read_text() == BROKEN
    said = agora("tools", "restore", "prices.total", *at)
    assert said.code == 2 and "is not gone" in said.error["message"]
