"""Labels: what a run has before it, and so what it may still do; they travel with the data.

`private` and `untrusted` are said of tasks and tools, too; `injected` is found: some text that the
run has read gives its reader orders.
"""

from collections.abc import Iterable

from agora.domain.injections import gives_orders

PRIVATE, UNTRUSTED, INJECTED = "private", "untrusted", "injected"
TAKEN_ON = (PRIVATE, UNTRUSTED, INJECTED)
"""What a run may take on while it reads."""


def of_texts(*texts: str) -> set[str]:
    """Return the labels of a run that is shown texts which its own task does not hold."""
    shown = [text for text in texts if text.strip()]
    if not shown:
        return set()
    return {UNTRUSTED, INJECTED} if gives_orders(*shown) else {UNTRUSTED}


def of_result(tags: Iterable[str], *texts: str) -> set[str]:
    """Return the labels of a run that has been given a tool's result.

    What is computed from its arguments alone (`pure`) brings nothing in from outside.
    """
    read = of_texts(*texts)
    own = {PRIVATE, UNTRUSTED} & set(tags)
    return own | (read - {UNTRUSTED} if "pure" in tags else read)


def joined(labels: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Return both, each once, those first that were there."""
    known = tuple(labels)
    return (*known, *sorted(set(more) - set(known)))


def taken_on(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    """Return what a run has taken on beside the labels that its task had."""
    return tuple(one for one in TAKEN_ON if one in set(after) - set(before))
