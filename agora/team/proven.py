"""Proven: which ways of working paired trials have shown to be better, read once in a while."""

import asyncio
from dataclasses import dataclass, field
from math import inf
from typing import Any

from agora.domain.ways import WAYS, Way
from agora.team.proving import Proving
from memory.database import Row


@dataclass
class Proven:
    """Which ways trials have promoted, as a process last read it."""

    proving: Proving
    fresh_s: float
    _rows: dict[tuple[str, str], Row] = field(default_factory=dict, init=False)
    _read_at: float = field(default=-inf, init=False)

    async def of(self, way: Way, kind: str) -> Row | None:
        """Return the newest trial of a way for a kind of task, or None."""
        now = asyncio.get_running_loop().time()
        if now - self._read_at > self.fresh_s:
            rows: list[Any] = [row for way in WAYS for row in await self.proving.listed(way)]
            self._rows = {(row["kind"], row["subject"]): row for row in rows}  # the newest last
            self._read_at = now
        return self._rows.get((way, kind))

    async def has_paid(self, way: Way, kind: str) -> bool:
        """Return whether a trial has promoted a way for a kind of task, and nothing since speaks
        against it."""
        row = await self.of(way, kind)
        return bool(row and row["status"] == "promoted")
