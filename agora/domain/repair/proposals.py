"""What experts propose: whole functions or diffs, as edits in the pool of the search."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from agora.domain.contracts import Contract
from agora.domain.repair.edits import Attempt
from agora.domain.repair.patches import PatchError, apply, parse
from agora.domain.repair.source import Edit, Function
from agora.domain.repair.territory import trespass

OPERATOR = "proposal"
COST, A_LINE, MOST = 1.2, 0.25, 4.0
"""What a proposal costs in the ranking: as much as a likely edit, and more with every line."""
LONGEST = 20_000  # characters of one proposal


class Rewrite(Contract):
    """One proposal as a model writes it: a function anew, or a unified diff."""

    why: str = Field(default="", max_length=600)
    path: str = Field(default="", max_length=300)
    function: str = Field(default="", max_length=200)  # Class.method for a method
    code: str = Field(default="", max_length=LONGEST)  # of the whole function, `def` included
    diff: str = Field(default="", max_length=LONGEST)  # instead of the three before


class Rewrites(Contract):
    """What an expert answers to a report, the best proposal first."""

    proposals: tuple[Rewrite, ...] = Field(max_length=4)


class Proposal(Contract):
    """Files as an expert would have them, by path."""

    by: str
    why: str
    files: dict[str, str]


def understood(tree: Path, by: str, rewrite: Rewrite) -> Proposal | None:
    """Return a model's proposal; None where it names nothing of the tree, or changes nothing."""
    try:
        files = _patched(tree, rewrite.diff) if rewrite.diff else _rewritten(tree, rewrite)
    except (PatchError, OSError, SyntaxError, ValueError):
        return None
    return Proposal(by=by, why=" ".join(rewrite.why.split()), files=files) if files else None


def _patched(tree: Path, diff: str) -> dict[str, str]:
    text = diff if diff.endswith("\n") else f"{diff}\n"
    patches = parse(text)
    known = {one.path: _read(tree, one.path) for one in patches if not one.is_new}
    return dict(apply(patches, known))


def _rewritten(tree: Path, rewrite: Rewrite) -> dict[str, str]:
    text = _read(tree, rewrite.path)
    place = _function(ast.parse(text), rewrite.function)
    if place is None:
        return {}
    lines = text.splitlines(keepends=True)
    first = min([place.lineno, *(one.lineno for one in place.decorator_list)])
    indent = lines[place.lineno - 1][: place.col_offset]
    code = _indented(rewrite.code, indent, keeps=lines[first - 1 : place.lineno - 1])
    new = "".join([*lines[: first - 1], code, *lines[place.end_lineno or place.lineno :]])
    ast.parse(new)
    return {rewrite.path: new} if new != text else {}


def _read(tree: Path, path: str) -> str:
    """Return a file's text; raise ValueError for one that is not the tool's own."""
    place = tree / path
    inside = place.resolve().is_relative_to(tree.resolve()) and not place.is_symlink()
    if not path or trespass(path) or not inside or not path.endswith(".py"):
        raise ValueError(f"{path}: not a source of the tree")
    return place.read_bytes().decode()


def _function(module: ast.Module, name: str) -> Function | None:
    *around, own = name.split(".")
    body: Sequence[ast.stmt] = module.body
    for one in around:
        classes = [n for n in body if isinstance(n, ast.ClassDef) and n.name == one]
        body = classes[0].body if classes else ()
    found = [n for n in body if isinstance(n, Function) and n.name == own]
    return found[-1] if found else None


def _indented(code: str, indent: str, keeps: Sequence[str]) -> str:
    """Return a function's text at its place, with its decorators where the text has none."""
    lines = [line.rstrip() for line in code.strip("\n").splitlines()]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    text = "".join(f"{indent}{line[margin:]}\n" if line else "\n" for line in lines)
    return text if text.lstrip().startswith("@") else "".join(keeps) + text


def proposed(tree: Path, proposals: Sequence[Proposal]) -> list[Attempt]:
    """Return proposals as attempts; those that need a file which is not there are left out."""
    return [
        Attempt(edits, min(MOST, sum(edit.cost for edit in edits)), f"{OPERATOR} of {one.by}")
        for one in proposals
        if (edits := tuple(_edits(tree, one)))
    ]


def _edits(tree: Path, proposal: Proposal) -> Iterator[Edit]:
    if not all((tree / path).is_file() for path in proposal.files):
        return
    for path, text in proposal.files.items():
        old, new = (tree / path).read_bytes(), text.encode()
        start = _shared_start(old, new)
        tail = _shared_start(old[start:][::-1], new[start:][::-1])
        part = (start, len(old) - tail, new[start : len(new) - tail].decode().replace("\r\n", "\n"))
        lines = max(part[2].count("\n"), old[start : part[1]].count(b"\n")) + 1
        line = old[:start].count(b"\n") + 1
        cost = COST + A_LINE * (lines - 1)
        what = f"as {proposal.by} proposes: {proposal.why[:200] or 'without a reason'}"
        yield Edit(path, line, (part,), OPERATOR, what, cost)


def _shared_start(one: bytes, other: bytes) -> int:
    """Return how long two texts are the same, in whole lines."""
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    length = min(len(one), len(other)) if same is None else same
    return one.rfind(b"\n", 0, length) + 1


def is_proposal(attempt: Attempt) -> bool:
    """Return whether an expert has proposed it."""
    return attempt.operator.split("+")[0] == OPERATOR


def author(attempt: Attempt) -> str:
    """Return the expert that has proposed an attempt; "" for one of the search."""
    return attempt.context.removeprefix(f"{OPERATOR} of ") if is_proposal(attempt) else ""


def gist(diff: str) -> tuple[str, ...]:
    """Return what a diff takes out and puts in, wherever that stands in the file."""
    marks = ("+++ ", "--- ")
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:4] not in marks]
    paths = [line[6:] for line in diff.splitlines() if line.startswith("+++ b/")]
    return (*paths, *(" ".join(line.split()) for line in lines))
