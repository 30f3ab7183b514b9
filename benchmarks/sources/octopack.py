"""Broken Python functions with visible and hidden tests, from HumanEvalPack.

Source: Muennighoff et al. 2023, "OctoPack: Instruction Tuning Code Large Language Models".
"""

import ast
import builtins
import doctest
import json
import sys
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sources.checkout import Origin, Part, is_in, open_origin

ITEMS = "evaluation/create/humaneval-x/data/python/data/humanevalpack.jsonl"
ORIGIN = Origin("bigcode-project/octopack", "e17a8f6470264286bc6a52eb8263582083bf3bf6", ITEMS)
DEV_PERCENT = 40
KEPT = ("task_id", "entry_point", "bug_type", "failure_symptoms", "docstring")
HEAD = "import random\nfrom solution import {names}\n\nrandom.seed(20240)\n"
IMPORTS = "import solution\n\n\ndef test_visible_import():\n    assert callable(solution.{name})\n"
Row = dict[str, Any]


def derive(
    folders: Sequence[Path], part: Part, is_detected: Callable[[Row], bool]
) -> dict[str, list[Row]]:
    """Return the programs of a part, by file; `is_detected` says whether visible tests fail."""
    text = open_origin(ORIGIN, folders).read(ITEMS).decode()
    items = [json.loads(line) for line in text.splitlines() if line]
    rows = [_row(item) for item in items if is_in(part, _key(item), DEV_PERCENT)]
    return {f"{part}.jsonl": [row | {"visible_detects": is_detected(row)} for row in rows]}


def _key(item: Row) -> str:
    return f"agora-repair:{item['task_id']}"


def _row(item: Row) -> Row:
    reference = _module(item["declaration"] + item["canonical_solution"])
    visible_from, visible = _visible(item, reference)
    row = {
        "module": "solution.py",
        "buggy_source": _module(item["declaration"] + item["buggy_solution"]),
        "reference_source": reference,
        "hidden_tests": _tests("hidden", _checked(item["test"]), item["entry_point"], reference),
        "visible_from": visible_from,
        "visible_tests": visible,
    }
    return row | {name: item[name] for name in KEPT}


def _visible(item: Row, reference: str) -> tuple[str, str]:
    """Return where the visible tests come from, and their text."""
    name = item["entry_point"]
    for origin, read in (("example_test", _asserts), ("docstring", _examples)):
        if statements := read(item[origin]):
            return origin, _tests("visible", statements, name, reference)
    return "none", IMPORTS.format(name=name)


def _tests(kind: str, statements: list[ast.stmt], name: str, reference: str) -> str:
    """Write one test per assert; statements that build on each other stay together."""
    text = HEAD.format(names=", ".join([name, *_others(statements, name, reference)]))
    if not all(isinstance(one, ast.Assert) for one in statements):
        return text + _test(f"test_{kind}", statements)
    return text + "".join(
        _test(f"test_{kind}_{at:02}", [one]) for at, one in enumerate(statements, 1)
    )


def _test(name: str, statements: list[ast.stmt]) -> str:
    lines = "\n".join(map(ast.unparse, statements)).split("\n")
    return f"\n\ndef {name}():\n" + "".join(f"    {line}\n" for line in lines)


def _others(statements: list[ast.stmt], name: str, reference: str) -> list[str]:
    """Return the module's other functions that the tests call."""
    defined = {one.name for one in ast.parse(reference).body if isinstance(one, ast.FunctionDef)}
    used = {one.id for top in statements for one in ast.walk(top) if isinstance(one, ast.Name)}
    return sorted((defined & used) - {name})


def _checked(text: str) -> list[ast.stmt]:
    """Return what the body of `check` does, without prints and `assert True`."""
    functions = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef)]
    check = [one for one in functions if one.name == "check"]
    return [one for function in check for one in function.body if not _is_idle(one)]


def _is_idle(statement: ast.stmt) -> bool:
    return ast.unparse(statement).startswith("print(") or (
        isinstance(statement, ast.Assert)
        and isinstance(statement.test, ast.Constant)
        and statement.test.value is True
    )


def _asserts(text: str) -> list[ast.stmt]:
    """Return the asserts of an example test, which may carry other code around them."""
    try:
        return [one for one in _checked(text) if isinstance(one, ast.Assert)]
    except SyntaxError:
        lines = [line.strip() for line in text.splitlines()]
        return [one for line in lines if line.startswith("assert ") for one in _parsed(line)]


def _examples(docstring: str) -> list[ast.stmt]:
    """Return the examples of a docstring as asserts, except those that prose runs into."""
    found = doctest.DocTestParser().get_examples(docstring)
    asked = [f"assert {one.source.strip()} == ({one.want.strip()})" for one in found]
    return [statement for text in asked for statement in _parsed(text)]


def _parsed(text: str) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except SyntaxError:
        return []


def _module(source: str) -> str:
    """Return a module with the standard-library imports that it forgot."""
    text = source.strip("\n") + "\n"
    missing = _unbound(ast.parse(text))
    modules = [f"import {name}\n" for name in sorted(missing & sys.stdlib_module_names)]
    types = [f"from typing import {name}\n" for name in sorted(missing & set(typing.__all__))]
    return "".join(modules + types) + ("\n\n" if modules or types else "") + text


def _unbound(tree: ast.Module) -> set[str]:
    """Return the names that are used and come from nowhere."""
    used, bound = set[str](), set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
    return used - bound
