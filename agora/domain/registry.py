"""The registry of a workspace's tools: what is new, altered or gone, and what a tool is worth."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256

from agora.domain.contracts import Contract
from agora.domain.repair.diffs import unified
from agora.domain.signatures import Function, parsed
from agora.domain.tools import Tool

VALUE_DAYS = 30
LONGEST_SOURCE = 200_000
"""Characters of a file that are kept, so that a deleted tool can be brought back."""


class Difference(Contract):
    """What a look at the files, or at a server, has shown beside what the registry knew."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    same: int = 0


def difference(known: Mapping[str, str], found: Mapping[str, str]) -> Difference:
    """Compare names with the digests of their tools, as they were and as they are."""
    both = known.keys() & found.keys()
    changed = tuple(sorted(name for name in both if known[name] != found[name]))
    return Difference(
        added=tuple(sorted(found.keys() - known.keys())),
        changed=changed,
        gone=tuple(sorted(known.keys() - found.keys())),
        same=len(both) - len(changed),
    )


def value(
    good: Mapping[str, int], alternatives: Sequence[str], patterns: Mapping[str, Sequence[str]]
) -> float:
    """Return what a tool is worth: good calls × share of callers without another one.

    `good` counts the successful calls of 30 days by caller; `alternatives` names the living tools
    of the same capability; `patterns` are the tools that an expert may call. Whoever is no expert
    may call all.
    """
    if not good:
        return 0.0
    bereft = [one for one in good if not _has_other(patterns.get(one), alternatives)]
    return sum(good.values()) * len(bereft) / len(good)


def _has_other(patterns: Sequence[str] | None, alternatives: Sequence[str]) -> bool:
    if patterns is None:
        return bool(alternatives)
    return any(fnmatchcase(name, glob) for name in alternatives for glob in patterns)


def digest_of(tool: Tool, source: str) -> str:
    """Return what names a tool as it is: its own lines, or all that a server says of it."""
    text = function_text(source, tool.function) if source else tool.model_dump_json()
    return sha256((text or tool.model_dump_json()).encode("utf-8", "replace")).hexdigest()[:16]


def function_text(source: str, name: str) -> str:
    """Return the lines of a top-level function, its decorators included; "" if there is none."""
    span = _span(source, name)
    return "".join(source.splitlines(keepends=True)[span[0] : span[1]]) if span else ""


def _span(source: str, name: str) -> tuple[int, int] | None:
    tree = parsed(source)
    for node in tree.body if tree else ():
        if isinstance(node, Function) and node.name == name:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            return first - 1, node.end_lineno or node.lineno
    return None


def deletion(path: str, source: str, name: str) -> str:
    """Return the diff that takes a function out of its file."""
    span = _span(source, name)
    assert span, f"{path} has no function {name}"
    lines = source.splitlines(keepends=True)
    after = lines[span[1] :]
    while after and lines[: span[0]] and not after[0].strip():
        after = after[1:]  # the blank lines below go with it
    left = "".join([*lines[: span[0]], *after]).rstrip("\n")
    return unified({path: (source.encode(), f"{left}\n".encode() if left else b"")})


def restoration(path: str, source: str, here: str | None, name: str) -> str:
    """Return the diff that brings a function back: into its file, or with the whole file."""
    if here is None:
        new = unified({path: (b"", source.encode())})
        head = f"diff --git a/{path} b/{path}\n"
        return new.replace(head, f"{head}new file mode 100644\n").replace(
            f"--- a/{path}\n", "--- /dev/null\n"
        )
    text = function_text(source, name)
    joint = "\n\n\n" if here.strip() else ""
    return unified({path: (here.encode(), f"{here.rstrip()}{joint}{text.rstrip()}\n".encode())})
