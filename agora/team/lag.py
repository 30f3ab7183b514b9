"""The event loop's lag: how long work that is due waits for work that does not let go."""

import asyncio
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field

EVERY_S = 0.25
"""How often the loop is asked for a sign of life."""
BLOCKED_S = 1.0
"""A loop that is silent for so long is blocked: whatever it runs then is noted."""


@dataclass
class Lag:
    """A thread that asks the loop, so that it sees a block while it lasts, and what blocks."""

    _worst_s: float = field(default=0.0, init=False)
    _where: str = field(default="", init=False)
    _watching: threading.Thread | None = field(default=None, init=False)
    _is_over: threading.Event = field(default_factory=threading.Event, init=False)

    def watch(self) -> None:
        """Begin to watch the running loop; ends with `close`, or with the process."""
        if self._watching is None:
            self._is_over.clear()
            given = (asyncio.get_running_loop(), threading.get_ident())
            self._watching = threading.Thread(target=self._watch, args=given, daemon=True)
            self._watching.start()

    def taken(self) -> tuple[float, str]:
        """Return the worst lag in seconds since the last call, and where the loop was then."""
        found = self._worst_s, self._where
        self._worst_s, self._where = 0.0, ""
        return found

    def close(self) -> None:
        """Watch no more."""
        self._is_over.set()
        self._watching = None

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while not self._is_over.wait(EVERY_S):
            answered, begun, where = threading.Event(), time.monotonic(), ""
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:  # the loop is closed
                return
            while not answered.wait(BLOCKED_S) and not self._is_over.is_set():
                where = where or _where(thread)
                self._note(time.monotonic() - begun, where)
            self._note(time.monotonic() - begun, where)

    def _note(self, lag_s: float, where: str) -> None:
        if lag_s >= self._worst_s:
            self._worst_s, self._where = lag_s, where


def _where(thread: int) -> str:
    """Return the innermost lines of what a thread runs now."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return ""
    lines = traceback.extract_stack(frame)[-3:]
    return " < ".join(f"{one.name} ({one.filename}:{one.lineno})" for one in reversed(lines))
