"""The shape of the code, held by tests: imports, doors, ways out of a node, words, the package."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import StateGraph
from packaging.requirements import Requirement

from tests.reading import ROOT, Module, product, within

BELOW = {
    "agora.domain": (),
    "memory": ("agora.domain",),
    "prompts": (),
    "config": (),
    "agora.team": ("agora.domain", "memory", "prompts", "config"),
    "nodes": ("agora.domain", "memory", "agora.team", "prompts", "config"),
    "graphs": ("agora.domain", "memory", "agora.team", "nodes", "prompts", "config"),
    "agora.app": ("agora", "memory", "nodes", "graphs", "web", "prompts", "config"),
    "web": ("agora", "memory", "nodes", "graphs", "prompts", "config"),
}
OURS = ("agora", "memory", "prompts", "config", "nodes", "graphs", "web", "tests", "benchmarks")
DATABASES = ("psycopg", "psycopg_pool", "yoyo", "procrastinate", "chromadb", "redis")
VENDORS = ("langchain_ollama", "langchain_openai", "langchain.chat_models", "ollama", "openai")
GUARDED = {
    "agora.domain.alerts.mail",
    "agora.domain.alerts.post",
    "agora.domain.chat.ask",
    "agora.domain.fetching.fetch",
    "agora.domain.tools.call",
    "agora.domain.git.write",
    "agora.domain.hub.judge",
    "agora.domain.hub.push",
    "agora.domain.mcp_servers.call",
    "agora.domain.mcp_servers.offered",
    "agora.domain.probing.probe",
    "agora.domain.repair.sandbox.Sandbox.open",
}
NEVER_IN_A_NAME = set(
    "manager managers helper helpers util utils utility utilities handler handlers engine engines "
    "data info process misc base common new my".split()
)
NAMES_OF_THE_FIELD = {"BaseMovedError", "propose_new_texts"}  # the base of a commit; GEPA's word
MODULES = product()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_imports_point_downwards(module: Module) -> None:
    floor = next((floor for floor in BELOW if within(module.name, floor)), None)
    allowed = (floor, *BELOW[floor]) if floor else ()
    for name in module.imports():
        assert not name.startswith("."), f"{name}: an import says where from"
        assert not within(name, *OURS) or within(name, *allowed), f"{floor} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_langgraph_databases_and_vendors_are_known_where_they_belong(module: Module) -> None:
    for name in module.imports():
        if within(name, "langgraph.checkpoint") and module.name == "memory.checkpoints":
            continue
        if within(name, "langgraph"):
            assert within(module.name, "nodes", "graphs", "agora.app"), name
        if within(name, *DATABASES):
            assert not within(module.name, "agora.domain", "prompts", "config"), name
        if within(name, *VENDORS):
            assert within(module.name, "agora.domain"), f"{name}: ask through agora.domain.chat"


def test_every_door_begins_by_asking_for_its_act() -> None:
    first = {
        name: statement
        for module in MODULES
        for name, statement in module.first_statements()
        if name in GUARDED
    }
    assert set(first) == GUARDED, "a door has moved: name it here"
    for name, statement in first.items():
        assert re.match(r"(\w+ = )?require_act\(", ast.unparse(statement)), name


def test_only_the_team_goes_through_a_door() -> None:
    """What leads to a door is a door: the domain may build on one, others find it in the team."""
    doors = {"agora.domain.doors.require_act"}
    domain = [module for module in MODULES if within(module.name, "agora.domain")]
    while leading := {
        name
        for module in domain
        for name, used in module.definitions()
        if name not in doors and not doors.isdisjoint(used)
    }:
        doors |= leading
    for module in MODULES:
        if not within(module.name, "agora.domain", "agora.team"):
            used = module.references() & (doors | {"agora.domain.git.run"})
            assert not used, f"{module.name} reaches outside by itself: {used}"


def test_only_the_ledger_opens_a_door() -> None:
    opening = {
        module.name for module in MODULES if "agora.domain.doors.opened" in module.references()
    }
    assert opening == {"agora.team.acting"}


def test_git_is_called_in_one_place() -> None:
    for module in MODULES:
        lists = [n for n in ast.walk(module.tree) if isinstance(n, ast.List | ast.Tuple) and n.elts]
        firsts = [n.elts[0].value for n in lists if isinstance(n.elts[0], ast.Constant)]
        assert "git" not in firsts or module.name == "agora.domain.git", module.name


def test_a_node_leaves_by_command_or_by_edge_never_both() -> None:
    for name, graph in graphs():
        commanding = {name for name, node in graph.nodes.items() if node.ends}
        by_edge = {start for start, _ in graph.edges} | set(graph.branches)
        by_edge |= {start for starts, _ in graph.waiting_edges for start in starts}
        assert commanding.isdisjoint(by_edge), f"{name}: both ways: {commanding & by_edge}"
        assert set(graph.nodes) == commanding | by_edge - {"__start__"}, f"{name}: a dead end"


def graphs() -> Iterator[tuple[str, StateGraph[Any, Any, Any, Any]]]:
    for path in sorted((ROOT / "graphs").glob("[!_]*.py")):
        graph = import_module(f"graphs.{path.stem}").graph
        graph = getattr(graph, "builder", graph)
        assert isinstance(graph, StateGraph), path.stem
        yield path.stem, graph


def test_names_say_something() -> None:
    for module in MODULES:
        for name in module.own_names():
            words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
            is_allowed = name in NAMES_OF_THE_FIELD or words.isdisjoint(NEVER_IN_A_NAME)
            assert is_allowed, f"{module.name}: {name}"


def test_every_dependency_has_a_reason_beside_it() -> None:
    for line in dependencies():
        said = re.search(re.escape(f'"{line}"') + r",? +# \S", pyproject())
        assert said, f"{line}: why do we need it?"


def test_the_lock_holds_every_dependency_with_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text and "index" not in text
    pins = re.findall(r"^([\w.-]+)==([\w.+!]+)[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.M)
    assert len(pins) == len(re.findall(r"^\w", text, re.M)), "a line without a hash"
    locked = dict(pins)
    for requirement in map(Requirement, dependencies()):
        version = locked.get(requirement.name.lower())
        assert version and requirement.specifier.contains(version), f"{requirement}: make lock"


def test_nothing_names_a_machine_or_an_index() -> None:
    telling = re.compile(r"/(?:work|root)/|/tmp/\w|\.\./shared|pypi\.org|[p]ythonhosted|/[s]imple/")
    for path in files():
        found = telling.search(path.read_text("utf-8", errors="replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found}"


def files() -> Iterator[Path]:
    ours = [ROOT / name for name in (*OURS, "docs", "scripts", ".ci")]
    yield from (path for path in ROOT.glob("[!.]*") if path.is_file())
    for folder in ours:
        yield from (p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc")


def pyproject() -> str:
    return (ROOT / "pyproject.toml").read_text()


def dependencies() -> list[str]:
    project = tomllib.loads(pyproject())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["dev"]]
