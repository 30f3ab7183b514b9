"""A small real model server: speaks Ollama's and OpenAI's wire formats, with all their faults.

It obeys what it is shown: by default the last instruction anywhere in the prompt wins, whoever
wrote it, so that an injected instruction visibly works.

    with ModelServer(models=("qwen3:8b",)) as server:
        server.fail("500", None, "reset")  # one for each coming chat request
        ...  # OLLAMA_HOST=server.url, OPENAI_BASE_URL=server.openai_url
        assert server.served("qwen3:8b").requests == 3

Its faults, beside those of `REFUSALS`: hang, slow, keep_alive, stall, reset_before, reset, cut,
no_finish, malformed, truncated, error_inside, html, html_502, redirect, empty, prose,
wrong_schema, refused, filtered, length, bad_call, no_usage. `python -m tests.model_server` runs it
as a process of its own; `GET /exchanges` then tells what it has seen.
"""

import argparse
import asyncio
import json
import re
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Self

from tests.model_wires import REFUSALS, Call, Json, OllamaWire, OpenAIWire, Wire, as_bytes, filled

Message = Mapping[str, Any]
Script = Callable[[list[Message]], str | Call | list[Call]]
PATHS: dict[str, type[OllamaWire] | type[OpenAIWire]] = {
    "/api/chat": OllamaWire,
    "/v1/chat/completions": OpenAIWire,
}
RULES = {
    "call": r"\bcall (?P<what>\w+) (?=\{)",
    "say": r"(?:[Rr]eply with exactly: ?|\b[Ss]ay:? )(?P<what>.+)",
    "sum": r"(?P<a>-?\d+) ?(?P<what>[-+*/]) ?(?P<b>-?\d+)",
}


@dataclass
class Exchange:
    """One chat request, what struck it, and what was really written for it."""

    path: str
    body: Json
    headers: dict[str, str]
    fault: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    usage_sent: bool = False
    hung_up: bool = False  # the client was gone before the end

    @property
    def model(self) -> str:
        """Return the model that was asked for."""
        return str(self.body.get("model", ""))

    @property
    def prompt(self) -> str:
        """Return all messages as one text."""
        return "\n".join(str(m.get("content") or "") for m in self.body.get("messages", []))


@dataclass(frozen=True)
class Served:
    """What one model has served, in USD at the server's own prices."""

    requests: int
    tokens_in: int
    tokens_out: int
    usd: float


def pieces(text: str) -> list[str]:
    """Cut a text into tokens: at most four characters, with the space before them."""
    return re.findall(r"\s*\S{1,4}|\s+$", text)


def obey(messages: list[Message]) -> str | Call:
    """Do what the last instruction in the prompt says: call a tool, reply exactly, do a sum."""
    text = "\n".join(str(m.get("content") or "") for m in messages)
    found = [(m.start(), k, m) for k, rule in RULES.items() for m in re.finditer(rule, text)]
    if not found:
        return "I see no instruction."
    _, kind, match = max(found, key=lambda f: f[0])
    if kind == "sum":
        return _sum(match)
    if kind == "say":
        return match["what"].strip()
    if messages[-1].get("role") == "tool":  # it has been called, and this is what it said
        return str(messages[-1].get("content"))
    return Call(match["what"], json.JSONDecoder().raw_decode(text, match.end())[0])


def _sum(match: re.Match[str]) -> str:
    a, b = int(match["a"]), int(match["b"])
    results = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else "undefined"}
    return str(results[match["what"]])


class ModelServer:
    """Serves on 127.0.0.1 from a thread of its own while its `with` block runs.

    `script` turns the messages into a text or tool calls; `fault` names what strikes an exchange,
    beside what `fail` has queued. `prices` are USD per million tokens (in, out) by model.
    `first_token_s` and `token_s` make it slow; `slow_s` is what the fault `slow` waits.
    """

    def __init__(
        self,
        script: Script = obey,
        *,
        models: Sequence[str] = ("tiny:1b",),
        faults: Sequence[str | None] = (),
        fault: Callable[[Exchange], str | None] = lambda exchange: None,
        prices: Mapping[str, tuple[float, float]] | None = None,
        api_key: str | None = None,
        retry_after: str | None = "1",
        first_token_s: float = 0.0,
        token_s: float = 0.0,
        slow_s: float = 0.5,
        port: int = 0,
    ) -> None:
        self.script, self.models, self.fault = script, tuple(models), fault
        self.prices, self.api_key, self.retry_after = dict(prices or {}), api_key, retry_after
        self.first_token_s, self.token_s, self.slow_s = first_token_s, token_s, slow_s
        self.port = port
        self.exchanges: list[Exchange] = []
        self.paths: list[str] = []  # of every request, also those that are no chat
        self._queued: deque[str | None] = deque(faults)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
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

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # Cancelled when the server stops; OSError and IncompleteReadError: the client is gone.
        with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
            path, headers, body = await _request(reader)
            self.paths.append(path)
            if path in PATHS:
                exchange = Exchange(path, body, headers)
                self.exchanges.append(exchange)
                await _unless_gone(Answer(self, exchange, writer).give(), reader, exchange)
            else:
                _whole(writer, *self._listing(path))
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

    def strikes(self, exchange: Exchange) -> str | None:
        """Return the fault of this exchange; unknown models, keys and prompts fail by nature."""
        if self.api_key and exchange.headers.get("authorization") != f"Bearer {self.api_key}":
            return "401"
        if exchange.model not in self.models:
            return "404"
        return self._queued.popleft() if self._queued else self.fault(exchange)


@dataclass
class Answer:
    """The answer to one exchange, being written."""

    server: ModelServer
    exchange: Exchange
    writer: asyncio.StreamWriter

    async def give(self) -> None:
        """Answer as the script says, and as the fault lets it."""
        fault = self.exchange.fault = self.server.strikes(self.exchange)
        wire: Wire = PATHS[self.exchange.path](self.exchange.body)
        if fault in REFUSALS:
            self._refuse(wire, fault)
        elif fault == "hang":
            await asyncio.Event().wait()
        elif fault == "reset_before":
            self._reset()
        elif fault == "bad_call" and wire.bad_call() is None:
            _whole(self.writer, 500, wire.error("error parsing tool call: raw='{'", None))
        elif fault in ("html", "html_502"):
            page = b"<!DOCTYPE html><html><body>Please <b>log in</b></body></html>"
            _whole(self.writer, 200 if fault == "html" else 502, page, "text/html")
        elif fault == "redirect":
            _whole(self.writer, 302, b"", more="Location: http://127.0.0.1:9/elsewhere\r\n")
        else:
            await self._speak(wire, fault)

    def _refuse(self, wire: Wire, fault: str) -> None:
        refusal = REFUSALS[fault]
        body = wire.error(refusal.message.format(model=wire.model), refusal.code)
        after = self.server.retry_after if fault in ("429", "503") else None
        _whole(self.writer, refusal.status, body, more=f"Retry-After: {after}\r\n" if after else "")

    async def _speak(self, wire: Wire, fault: str | None) -> None:
        await asyncio.sleep(self.server.slow_s if fault == "slow" else self.server.first_token_s)
        text, calls = self._said(wire, fault)
        tokens_in = len(pieces(self.exchange.prompt + json.dumps(self.exchange.body.get("tools"))))
        self._count(tokens_in=min(tokens_in, wire.context or tokens_in))
        if not wire.is_stream:
            self._count(tokens_out=len(pieces(text)), usage_sent=True)
            usage = (self.exchange.tokens_in, self.exchange.tokens_out)
            _whole(self.writer, 200, wire.whole(text, calls, "stop", usage))
            return
        _head(self.writer, 200, wire.content_type, "Transfer-Encoding: chunked\r\n")
        async for part in self._parts(wire, fault, text, calls):
            self.writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" if part else b"")
            await self.writer.drain()
        if fault not in ("cut", "reset"):
            self.writer.write(b"0\r\n\r\n")

    def _said(self, wire: Wire, fault: str | None) -> tuple[str, list[Call]]:
        said = self.server.script(self.exchange.body.get("messages", []))
        if not isinstance(said, str):
            return "", [said] if isinstance(said, Call) else said
        if wire.schema and not said.lstrip().startswith(("{", "`", "<")):
            said = json.dumps(filled(wire.schema, said))
        strange = {"empty": "", "wrong_schema": '{"unexpected": true}', "prose": "Well, I think so."}
        return strange.get(fault or "", said), []

    async def _parts(
        self, wire: Wire, fault: str | None, text: str, calls: list[Call]
    ) -> AsyncIterator[bytes]:
        yield wire.start()
        while fault == "keep_alive":
            yield wire.keep_alive()
            await asyncio.sleep(0.05)
        if fault == "refused":
            for part in wire.refused():
                yield part
            return
        if fault == "bad_call":
            yield wire.bad_call() or b""
            return
        thought, answer = _thought(text) if wire.thinks else ("", text)
        tokens = [wire.thought(t) for t in pieces(thought)] + [wire.token(t) for t in pieces(answer)]
        is_cut = fault in BREAKS
        limit = len(tokens) // 2 if is_cut or fault == "length" else wire.limit
        for token in tokens[:limit]:
            self._count(tokens_out=1)
            yield token
            await asyncio.sleep(self.server.token_s)
        if is_cut:
            await asyncio.sleep(0.02)  # a reset takes what the client has not read yet
            yield await self._break(wire, str(fault))
            return
        if calls:
            self._count(tokens_out=len(pieces(json.dumps([asdict(c) for c in calls]))))
            yield wire.calls(calls)
        is_over = limit is not None and len(tokens) > limit
        finish = "content_filter" if fault == "filtered" else "length" if is_over else "stop"
        usage = None if fault == "no_usage" else (self.exchange.tokens_in, self.exchange.tokens_out)
        self._count(usage_sent=bool(usage) and wire.reports_usage)
        yield wire.end("tool_calls" if calls else finish, usage)

    async def _break(self, wire: Wire, fault: str) -> bytes:
        if fault == "stall":
            await asyncio.Event().wait()
        if fault == "reset":
            self._reset()
        if fault == "error_inside":
            error = wire.error("the runner has died", None)
            return error + b"\n" if isinstance(wire, OllamaWire) else b"data: " + error + b"\n\n"
        return wire.broken(fault == "malformed") if fault in ("malformed", "truncated") else b""

    def _reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def _count(self, tokens_in: int = 0, tokens_out: int = 0, usage_sent: bool = False) -> None:
        usd_in, usd_out = self.server.prices.get(self.exchange.model, (0.0, 0.0))
        self.exchange.tokens_in += tokens_in
        self.exchange.tokens_out += tokens_out
        self.exchange.usd += (tokens_in * usd_in + tokens_out * usd_out) / 1e6
        self.exchange.usage_sent |= usage_sent


BREAKS = ("stall", "reset", "cut", "no_finish", "malformed", "truncated", "error_inside")


def _thought(text: str) -> tuple[str, str]:
    thought, mark, answer = text.removeprefix("<think>").partition("</think>")
    return (thought, answer) if mark and text.startswith("<think>") else ("", text)


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


def _head(writer: asyncio.StreamWriter, status: int, content_type: str, more: str = "") -> None:
    writer.write(
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n"
        f"Connection: close\r\n{more}\r\n".encode()
    )


def _whole(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    content_type: str = "application/json",
    more: str = "",
) -> None:
    _head(writer, status, content_type, f"Content-Length: {len(body)}\r\n{more}")
    writer.write(body)


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
    with ModelServer(port=chosen.port, models=models, faults=faults, token_s=chosen.token_s) as s:
        sys.stdout.write(f"{s.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
