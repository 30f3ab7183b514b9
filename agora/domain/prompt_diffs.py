"""Prompts as a person compares them: one diff that shows the whole text, and can be applied."""

import difflib

_NO_END = "\\ No newline at end of file"


def diff(old: str, new: str, name: str = "prompt") -> str:
    """Return the unified diff from one text to another, with every line that stays as context."""
    before, after = old.splitlines(), new.splitlines()
    lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=1_000_000, lineterm="")
    return "\n".join(lines) + "\n" if before != after else ""


def patched(old: str, shown: str) -> str:
    """Return the text that a diff makes of `old`; raise ValueError where it is not about it."""
    lines = [one for one in shown.splitlines() if one != _NO_END]
    start = next((n for n, one in enumerate(lines) if one.startswith("@@")), None)
    if start is None:
        raise ValueError("is not a unified diff")
    body = [one or " " for one in lines[start + 1 :] if not one.startswith("@@")]
    before = [one[1:] for one in body if one[0] in " -"]
    if before != old.splitlines() or any(one[0] not in " -+" for one in body):
        raise ValueError("does not fit the prompt that it was made from, whole as it is")
    return "\n".join(one[1:] for one in body if one[0] in " +")
