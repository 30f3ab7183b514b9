"""A small real model server: speaks Ollama's and OpenAI's wire formats, with all their faults.

It obeys what it is shown: by default the last instruction anywhere in the prompt wins, whoever
wrote it, so that an injected instruction visibly works.

    with ModelServer(models=("qwen3:8b",)) as server:
        server.fail("500", None, "reset")  # one for each coming chat request
        ...  # OLLAMA_HOST=server.url, OPENAI_BASE_URL=server.openai_url
        assert server.served("qwen3:8b").requests == 3

Its faults, beside those of `REFUSALS`, `RESPONSES` and `ODDITIES`: hang, slow, drip, keep_alive,
stall, reset_before, reset, cut, no_finish, malformed, truncated, torn, error_inside, html,
html_502, redirect, empty, prose, wrong_schema, refused, filtered, length, overrun, bad_call,
no_usage.

`python -m tests.model_server` runs it as a process of its own; `GET /exchanges` then tells what it
has seen. Each line of its standard input is JSON with what strikes from then on, and forgets what
was seen: `{"faults": ["500", "reset"], "share": 0.3, "seed": 1}`, perhaps with `prices`; it is
answered by a line.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

from tests.model_answers import PATHS, Answer, Exchange, Manner, Message, Script, whole
from tests.model_embeddings import EMBEDDINGS, embedded
from tests.model_wires import Call, Json, as_bytes

__all__ = ["Call", "Exchange", "ModelServer", "obey"]

RULES = {
    "call": r"\bcall (?P<what>\w+) (?=\{)",
    # "Say so" refers to what was said before: no answer is dictated by it.
    "say": r"(?:[Rr]eply with exactly: ?|\b[Ss]ay:? (?!so\b))(?P<what>.+)",
    "sum": r"(?P<a>-?\d+) ?(?P<what>[-+*/]) ?(?P<b>-?\d+)",
}


@dataclass(frozen=True)
class Served:
    """What one model has served, in USD at the server's own prices."""

    requests: int
    tokens_in: int
    tokens_out: int
    usd: float


def obey(messages: Sequence[Message]) -> str | Call:
    """Do what the last instruction says: call a tool, reply exactly, work out a sum.

    A call that has been answered is done: its result is the reply.
    """
    for index in reversed(range(len(messages))):
        kind, match = _instruction(messages[index])
        if kind == "sum":
            return _sum(match)
        if kind == "say":
            return str(match["what"]).strip()
        if kind == "call":
            results = [m["content"] for m in messages[index + 1 :] if m["role"] == "tool"]
            return str(results[-1]) if results else _call(match)
    return "I see no instruction."


def _instruction(message: Message) -> tuple[str, Any]:
    text = str(message.get("content") or "") if message.get("role") != "assistant" else ""
    found = [(kind, match) for kind, rule in RULES.items() for match in re.finditer(rule, text)]
    return max(found, key=lambda each: each[1].start(), default=("", None))


def _call(match: re.Match[str]) -> Call:
    arguments, _ = json.JSONDecoder().raw_decode(match.string, match.end())
    return Call(match["what"], arguments)


def _sum(match: re.Match[str]) -> str:
    a, b = int(match["a"]), int(match["b"])
    results = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else "undefined"}
    return str(results[match["what"]])


class ModelServer:
    """Serves on 127.0.0.1 from a thread of its own while its `with` block runs.

    `faults` strike the first requests, one each; `fault` names what strikes any other. `api_key`
    is asked for when it is given. The rest is its `manner`.
    """

    def __init__(
        self,
        script: Script = obey,
        *,
        models: Iterable[str] = ("tiny:1b",),
        faults: Sequence[str | None] = (),
        fault: Callable[[Exchange], str | None] = lambda exchange: None,
        prices: Mapping[str, tuple[float, float]] | None = None,
        api_key: str | None = None,
        port: int = 0,
        **manner: Any,
    ) -> None:
        self.manner = Manner(script, dict(prices or {}), **manner)
        self.models, self.fault, self.api_key, self.port = tuple(models), fault, api_key, port
        self.exchanges: list[Exchange] = []
        self.embedded: list[Exchange] = []
        self.paths: list[str] = []  # of every request, also those that are no chat
        self._queued: deque[str | None] = deque(faults)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(60):
            raise RuntimeError("the model server has not started")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """Return where Ollama's clients find it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """Return the base URL for OpenAI's clients."""
        return f"{self.url}/v1"

    @property
    def last(self) -> Exchange:
        """Return the newest chat request."""
        return self.exchanges[-1]

    @property
    def hang_ups(self) -> int:
        """Return how many clients went away before the end."""
        return sum(e.hung_up for e in self.exchanges)

    def fail(self, *faults: str | None) -> None:
        """Queue what strikes the coming chat requests, in order; None spares one."""
        self._queued.extend(faults)

    def served(self, model: str | None = None) -> Served:
        """Return what was written for one model, or for all of them."""
        of = [e for e in self.exchanges if model in (None, e.model)]
        return Served(
            len(of),
            sum(e.tokens_in for e in of),
            sum(e.tokens_out for e in of),
            sum(e.usd for e in of),
        )

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled when the server stops; OSError and IncompleteReadError: the client is gone.
        with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
            path, headers, body = await _request(reader)
            self.paths.append(path)
            if path in PATHS:
                exchange = Exchange(path, body, headers)
                exchange.fault = self._strikes(exchange)
                self.exchanges.append(exchange)
                answer = Answer(self.manner, exchange, writer)
                await _unless_gone(answer.give(), reader, exchange)
            elif path in EMBEDDINGS:
                exchange = Exchange(path, body, headers)
                self.embedded.append(exchange)
                whole(writer, *embedded(exchange, self._strikes(exchange)))
            elif path == "/v1/models" and self._lacks_key(headers):
                whole(writer, 401, as_bytes({"error": {"message": "Incorrect API key provided"}}))
            else:
                whole(writer, *self._listing(path))
        writer.close()

    def _listing(self, path: str) -> tuple[int, bytes]:
        names = self.models
        listings: dict[str, Any] = {
            "/api/version": {"version": "0.12.0"},
            "/api/tags": {"models": [{"name": n, "model": n, "details": {}} for n in names]},
            "/v1/models": {"object": "list", "data": [{"id": n, "object": "model"} for n in names]},
            "/exchanges": [asdict(e) for e in self.exchanges],
        }
        found = listings.get(path)
        return (404, b"404 page not found") if found is None else (200, as_bytes(found))

    def _lacks_key(self, headers: Mapping[str, str]) -> bool:
        return bool(self.api_key) and headers.get("authorization") != f"Bearer {self.api_key}"

    def _strikes(self, exchange: Exchange) -> str | None:
        if self._lacks_key(exchange.headers):
            return "401"
        if exchange.model not in self.models:
            return "404"
        return self._queued.popleft() if self._queued else self.fault(exchange)


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], Json]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return lines[0].split(" ")[1], headers, json.loads(body) if body else {}


async def _unless_gone(
    answer: Coroutine[Any, Any, None], reader: asyncio.StreamReader, exchange: Exchange
) -> None:
    giving, gone = asyncio.ensure_future(answer), asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({giving, gone}, return_when=asyncio.FIRST_COMPLETED)
        exchange.hung_up = not giving.done()
        if giving.done():
            giving.result()
    finally:
        giving.cancel()
        gone.cancel()
        await asyncio.gather(giving, gone, return_exceptions=True)


def main() -> None:
    """Serve until the standard input ends; the first line printed is the URL."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--models", default="tiny:1b", help="names, separated by commas")
    parser.add_argument("--faults", default="", help="one for each request, separated by commas")
    parser.add_argument("--token-s", type=float, default=0.0)
    chosen = parser.parse_args()
    faults = [fault or None for fault in chosen.faults.split(",")] if chosen.faults else []
    models = chosen.models.split(",")
    options = {"faults": faults, "token_s": chosen.token_s}
    with ModelServer(port=chosen.port, models=models, **options) as s:
        obey_orders(s)


def obey_orders(server: ModelServer) -> None:
    """Print the URL, then do what each line of the standard input says."""
    print(server.url, flush=True)  # noqa: T201
    for line in sys.stdin:
        order = json.loads(line)
        server.manner.prices |= order.pop("prices", {})
        server.fault = struck_by(**order)
        server.exchanges.clear()
        print("ready", flush=True)  # noqa: T201


def struck_by(faults: Sequence[str], share: float, seed: int) -> Callable[[Exchange], str | None]:
    """Return what strikes this share of the requests by chance.

    A wrong schema or prose strikes only those that ask for a schema: elsewhere they are answers.
    """
    chance = random.Random(seed)

    def strike(exchange: Exchange) -> str | None:
        is_free = not (exchange.body.get("format") or exchange.body.get("response_format"))
        able = [one for one in faults if not (is_free and one in ("wrong_schema", "prose"))]
        return chance.choice(able) if able and chance.random() < share else None

    return strike


if __name__ == "__main__":
    main()
