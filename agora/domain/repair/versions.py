"""Versions of a slow tool that may be raced: rewrites found by syntax, and what experts propose."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from agora.domain.contracts import Contract
from agora.domain.repair import gate
from agora.domain.repair.diffs import unified
from agora.domain.repair.proposals import Proposal, gist
from agora.domain.repair.source import Function
from agora.domain.repair.speedups import speedups
from agora.domain.safety import tags_of
from agora.domain.tools import Tool


class Version(Contract):
    """Files anew, by whom ("" without any model), and in one sentence why they are faster."""

    by: str
    what: str
    files: dict[str, str]
    diff: str


def versions(
    tree: Path, tool: Tool, proposals: Sequence[Proposal], rejected: Sequence[str]
) -> list[Version]:
    """Return what is worth a race, the smallest first: nothing that was refused or would be."""
    text = (tree / tool.path).read_bytes().decode()
    found = [
        ("", one.what, {tool.path: one.text}) for one in speedups(tool.path, text, tool.function)
    ]
    found += [(one.by, f"as {one.by} proposes: {one.why}", one.files) for one in proposals]
    unwanted = set(map(gist, rejected))
    whole = [_version(tree, *one) for one in found]
    return [
        one
        for one in whole
        if one
        and gist(one.diff) not in unwanted
        and is_same_kind(tool, text, one.files)
        and gate.judge(tree, one.diff).verdict != "refuse"
    ]


def is_same_kind(tool: Tool, text: str, files: Mapping[str, str]) -> bool:
    """Return whether a version takes what the tool takes, and still does nothing but compute."""
    old, new = (_function(one, tool.function) for one in (text, files.get(tool.path, text)))
    if old is None or new is None:
        return False
    module = ast.parse(files.get(tool.path, text))
    return ast.dump(old.args) == ast.dump(new.args) and "pure" in tags_of(new, module)


def _function(text: str, name: str) -> Function | None:
    found = [one for one in ast.parse(text).body if isinstance(one, Function) and one.name == name]
    return found[-1] if found else None


def _version(tree: Path, by: str, what: str, files: Mapping[str, str]) -> Version | None:
    if not all((tree / path).is_file() for path in files):
        return None
    old = {path: (tree / path).read_bytes() for path in files}
    diff = unified({path: (old[path], text.encode()) for path, text in files.items()})
    return Version(by=by, what=what, files=dict(files), diff=diff)
