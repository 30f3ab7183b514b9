"""Stopping in good order: whoever goes on for long asks whether the server is about to stop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 10.0
"""How long running jobs may take to end when a worker is told to stop; then they are cancelled."""
stopping = asyncio.Event()
"""Set when the server has been told to stop: streams end, and nothing new is begun."""
_working: set[asyncio.Task[object]] = set()


@contextmanager
def counted() -> Iterator[None]:
    """Count the running task among those that a stopping server waits for."""
    task = asyncio.current_task()
    assert task
    _working.add(task)
    try:
        yield
    finally:
        _working.discard(task)


def working() -> set[asyncio.Task[object]]:
    """Return the tasks that are counted, and not done."""
    return set(_working)
