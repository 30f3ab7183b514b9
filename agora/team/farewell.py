"""The end of a process: what was traced is sent, for as long as is promised, and no longer."""

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable

FAREWELL_S = 1.5
"""How long the end of a process may be held up by endpoints that do not answer."""


def begin() -> None:
    """Make tracers daemons, and their last words short; before the first of them is made."""
    # Else the interpreter itself waits for LangSmith's threads, for minutes where it hangs.
    os.environ.setdefault("LANGSMITH_USE_DAEMON", "true")
    atexit.register(say)


def say() -> None:
    """Send what is left; give up what is not sent in time."""
    sending = [threading.Thread(target=one, daemon=True) for one in _last_words()]
    for one in sending:
        one.start()
    ends_at = time.monotonic() + FAREWELL_S
    for one in sending:
        one.join(max(0.0, ends_at - time.monotonic()))


def _last_words() -> list[Callable[[], object]]:
    """Return what is left to do of those that were ever begun; none is imported for it."""
    words: list[Callable[[], object]] = []
    if known := sys.modules.get("agora.team.telemetry"):
        if known.opened.cache_info().currsize and (telling := known.opened()):
            words.append(telling.close)
    if known := sys.modules.get("nodes.tracing"):
        words.append(known.flush)
    if (known := sys.modules.get("langsmith.run_trees")) and (client := known._CLIENT):
        words.append(client.flush)
    return words
