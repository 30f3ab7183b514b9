"""What keeps the doors shut: models, tools, git and sandboxes work only inside of an act."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agora.domain.contracts import Act
from agora.domain.errors import OutsideOfActError

_open: ContextVar[Act | None] = ContextVar("open_act", default=None)


@contextmanager
def opened(act: Act) -> Iterator[None]:
    """Let what stands in the block reach outside, in the name of this act."""
    token = _open.set(act)
    try:
        yield
    finally:
        _open.reset(token)


def require_act(*kinds: str) -> Act:
    """Return the act that is being done; raise OutsideOfActError if it is none of these kinds."""
    act = _open.get()
    if act is None or act.kind not in kinds:
        raise OutsideOfActError(
            f"needs an open act of kind {' or '.join(kinds)}, has {act.kind if act else 'none'}"
        )
    return act
