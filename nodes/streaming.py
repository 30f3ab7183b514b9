"""What a node says while it works: pieces of answers, progress of searches."""

from typing import Any

from langgraph.config import get_stream_writer


def tell(kind: str, **what: Any) -> None:
    """Send one piece to whoever streams this run with mode `custom`."""
    get_stream_writer()({"kind": kind} | what)
