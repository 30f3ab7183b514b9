"""Two vendors whose servers fail: processes of their own that speak Ollama's and OpenAI's wires."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from tests.model_server import ModelServer, obey_orders

ROOT = Path(__file__).parent.parent
# USD per million tokens, in and out. What is local has a price here (power), so that its spend can
# be compared, too.
PRICES = {
    "ollama": {"llama3.1:8b": (0.03, 0.05), "qwen2.5:7b": (0.02, 0.04)},
    "openai": {"gpt-4o-mini": (0.15, 0.6), "gpt-4.1-nano": (0.1, 0.4)},
}
VENDORS = tuple(PRICES)
TOKEN_S = 0.002


def prices(vendor: str, dear: float) -> dict[str, tuple[float, float]]:
    """Return a vendor's prices, so many times as dear as usual."""
    return {
        name: (dear * usd_in, dear * usd_out) for name, (usd_in, usd_out) in PRICES[vendor].items()
    }


@dataclass(frozen=True)
class Vendor:
    """One vendor's server, and how it is told what shall strike."""

    name: str
    url: str
    orders: IO[str]
    replies: IO[str]

    def strike(self, faults: Sequence[str], share: float, seed: int, dear: float) -> None:
        """Let these faults strike a share of the coming requests, and forget all that was seen."""
        order = {"faults": faults, "share": share, "seed": seed, "prices": prices(self.name, dear)}
        print(json.dumps(order), file=self.orders, flush=True)
        assert self.replies.readline().strip() == "ready"

    def exchanges(self) -> list[dict[str, Any]]:
        """Return every request since the last order, and what was served for it."""
        seen: list[dict[str, Any]] = httpx.get(f"{self.url}/exchanges", timeout=60).json()
        return seen


@contextmanager
def started(name: str) -> Iterator[Vendor]:
    """Start one vendor's server."""
    command = [sys.executable, "-m", "benchmarks.chaos_servers", name]
    options: dict[str, Any] = {"cwd": ROOT, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **options) as process:
        assert process.stdin and process.stdout
        url = process.stdout.readline().strip()
        yield Vendor(name, url, process.stdin, process.stdout)
        process.stdin.close()


def solve(messages: Sequence[Mapping[str, Any]]) -> str:
    """Answer the task that stands in the prompt; no two tasks ask the same."""
    said = "\n".join(str(one["content"]) for one in messages)
    _, mark, task = said.rpartition("<task>\n")
    if not mark:
        return '{"same": false}' if "both questions" in said else '{"number": 0}'
    found = re.search(r"Reply with exactly: (.+)", task)
    return found[1] if found else "I see no task."


if __name__ == "__main__":
    vendor = PRICES[sys.argv[1]]
    with ModelServer(solve, models=vendor, prices=vendor, token_s=TOKEN_S) as server:
        obey_orders(server)
