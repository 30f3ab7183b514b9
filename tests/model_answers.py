"""One answer of the model server: what the script says, as far as the fault lets it."""

import asyncio
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.model_oddities import CUT, ODDITIES, RESPONSES, torn
from tests.model_wires import REFUSALS, Call, Json, OllamaWire, OpenAIWire, Wire, filled

Message = Mapping[str, Any]
Script = Callable[[Sequence[Message]], str | Call | list[Call]]
PATHS: dict[str, type[OllamaWire] | type[OpenAIWire]] = {
    "/api/chat": OllamaWire,
    "/v1/chat/completions": OpenAIWire,
}
PHRASES = {status.value: status.phrase for status in HTTPStatus}
BREAKS = ("stall", "reset", "cut", "no_finish", "malformed", "truncated", "error_inside")


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


@dataclass
class Manner:
    """How a server answers; everything may be changed while it runs.

    `script` turns the messages into a text or tool calls, `prices` are USD per million tokens
    (in, out) by model. Times are seconds: until the first token, for each token, and what the
    fault `slow` waits. `retry_after` goes with 429 and 503. `<think>` at the head of a text goes
    where the wire has its own place for thoughts, unless `splits_thoughts` is off.
    """

    script: Script
    prices: dict[str, tuple[float, float]] = field(default_factory=dict)
    retry_after: str | None = "1"
    first_token_s: float = 0.0
    token_s: float = 0.0
    slow_s: float = 0.5
    splits_thoughts: bool = True


def pieces(text: str) -> list[str]:
    """Cut a text into tokens: at most four characters, with the space before them."""
    return re.findall(r"\s*\S{1,4}|\s+$", text)


@dataclass
class Answer:
    """The answer to one exchange, being written."""

    manner: Manner
    exchange: Exchange
    writer: asyncio.StreamWriter

    async def give(self) -> None:
        """Answer as the script says, and as the fault lets it."""
        fault = self.exchange.fault
        wire: Wire = PATHS[self.exchange.path](self.exchange.body)
        if fault in REFUSALS:
            self._refuse(wire, fault)
        elif fault == "hang":
            await asyncio.Event().wait()
        elif fault == "reset_before":
            await self._reset()
        elif fault in RESPONSES:
            await self._respond(fault, RESPONSES[fault](wire))
        elif fault == "bad_call" and wire.bad_call() is None:
            whole(self.writer, 500, wire.error("error parsing tool call: raw='{'", None))
        elif fault in ("html", "html_502"):
            page = b"<!DOCTYPE html><html><body>Please <b>log in</b></body></html>"
            whole(self.writer, 200 if fault == "html" else 502, page, "text/html")
        elif fault == "redirect":
            whole(self.writer, 302, b"", more="Location: http://127.0.0.1:9/elsewhere\r\n")
        else:
            await self._speak(wire, fault)

    def _refuse(self, wire: Wire, fault: str) -> None:
        refusal = REFUSALS[fault]
        body = wire.error(refusal.message.format(model=wire.model), refusal.code)
        after = self.manner.retry_after if fault in ("429", "503", "429_date", "529") else None
        more = f"Retry-After: {after}\r\n" if after else ""
        if fault == "429_date":
            now = datetime.now(UTC)
            until = now + timedelta(seconds=float(after or 1))
            more = f"Date: {format_datetime(now, True)}\r\n"
            more += f"Retry-After: {format_datetime(until, True)}\r\n"
        whole(self.writer, refusal.status, body, more=more)

    async def _respond(self, fault: str, response: bytes) -> None:
        self.writer.write(response)
        await self.writer.drain()
        if fault == "silent":
            await asyncio.Event().wait()
        if fault.startswith("reset"):
            await self._reset()

    async def _speak(self, wire: Wire, fault: str | None) -> None:
        await asyncio.sleep(self.manner.slow_s if fault == "slow" else self.manner.first_token_s)
        text, calls = self._said(wire, fault)
        tokens_in = len(pieces(self.exchange.prompt + json.dumps(self.exchange.body.get("tools"))))
        self._count(tokens_in=min(tokens_in, wire.context or tokens_in))
        if not wire.is_stream:
            self._count(tokens_out=len(pieces(text)), usage_sent=True)
            usage = (self.exchange.tokens_in, self.exchange.tokens_out)
            whole(self.writer, 200, wire.whole(text, calls, "stop", usage))
            return
        head(self.writer, 200, wire.content_type, "Transfer-Encoding: chunked\r\n")
        async for part in self._parts(wire, fault, text, calls):
            self.writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" if part else b"")
            await self.writer.drain()
        if fault not in ("cut", "reset"):
            self.writer.write(b"0\r\n\r\n")

    def _said(self, wire: Wire, fault: str | None) -> tuple[str, list[Call]]:
        said = self.manner.script(self.exchange.body.get("messages", []))
        if not isinstance(said, str):
            return "", [said] if isinstance(said, Call) else said
        if wire.schema and not said.lstrip().startswith(("{", "`", "<")):
            said = json.dumps(filled(wire.schema, said))
        strange = {
            "empty": "",
            "wrong_schema": '{"unexpected": true}',
            "prose": "Well, I think so.",
        }
        return strange.get(fault or "", said), []

    async def _parts(
        self, wire: Wire, fault: str | None, text: str, calls: list[Call]
    ) -> AsyncIterator[bytes]:
        yield (b"\xef\xbb\xbf" if fault == "bom" else b"") + wire.start()
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
        if fault == "drip":
            async for part in self._drip(wire):
                yield part
        if fault in ODDITIES or fault == "torn":
            for part in self._odd(wire, fault, text):
                yield part
            return
        thought, answer = (
            _thought(text) if wire.thinks and self.manner.splits_thoughts else ("", text)
        )
        tokens = [wire.thought(t) for t in pieces(thought)] + [
            wire.token(t) for t in pieces(answer)
        ]
        is_cut = fault in BREAKS
        limit = len(tokens) // 2 if is_cut or fault == "length" else wire.limit
        limit = None if fault == "overrun" else limit
        for token in tokens[:limit]:
            self._count(tokens_out=1)
            yield token
            await asyncio.sleep(self.manner.token_s)
        if is_cut:
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

    async def _drip(self, wire: Wire) -> AsyncIterator[bytes]:
        while True:
            self._count(tokens_out=1)
            yield wire.token(" drip")
            await asyncio.sleep(self.manner.slow_s)

    def _odd(self, wire: Wire, fault: str, text: str) -> list[bytes]:
        tokens = pieces(text)
        usage = (self.exchange.tokens_in, len(tokens))
        # What a server says of its own counts is no usage where the fault is in the counts.
        is_counted = wire.reports_usage and fault not in (*CUT, "usage_null", "usage_zero")
        written = len(tokens) // 2 if fault in CUT else len(tokens)
        self._count(tokens_out=written, usage_sent=is_counted)
        parts, end = [wire.token(token) for token in tokens], wire.end("stop", usage)
        return torn([*parts, end]) if fault == "torn" else ODDITIES[fault](wire, parts, end)

    async def _break(self, wire: Wire, fault: str) -> bytes:
        if fault == "stall":
            await asyncio.Event().wait()
        if fault == "reset":
            await self._reset()
        if fault == "error_inside":
            error = wire.error("the runner has died", None)
            return error + b"\n" if isinstance(wire, OllamaWire) else b"data: " + error + b"\n\n"
        return wire.broken(fault == "malformed") if fault in ("malformed", "truncated") else b""

    async def _reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        while _unread(sock):  # a reset would take it
            await asyncio.sleep(0.01)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def _count(self, tokens_in: int = 0, tokens_out: int = 0, usage_sent: bool = False) -> None:
        usd_in, usd_out = self.manner.prices.get(self.exchange.model, (0.0, 0.0))
        self.exchange.tokens_in += tokens_in
        self.exchange.tokens_out += tokens_out
        self.exchange.usd += (tokens_in * usd_in + tokens_out * usd_out) / 1e6
        self.exchange.usage_sent |= usage_sent


def head(writer: asyncio.StreamWriter, status: int, content_type: str, more: str = "") -> None:
    """Write the head of a response."""
    phrase = PHRASES.get(status, "Unknown")
    writer.write(
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\n"
        f"Connection: close\r\n{more}\r\n".encode()
    )


def whole(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    content_type: str = "application/json",
    more: str = "",
) -> None:
    """Write a response at once."""
    head(writer, status, content_type, f"Content-Length: {len(body)}\r\n{more}")
    writer.write(body)


def _unread(sock: Any) -> bool:
    """Return whether a client on this machine has yet to read some of what it was sent."""
    ends = [f"{end[1]:04X}" for end in (sock.getpeername(), sock.getsockname())]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if [local[-4:], remote[-4:]] == ends:
            return int(queues.partition(":")[2], 16) > 0
    return False


def _thought(text: str) -> tuple[str, str]:
    thought, mark, answer = text.removeprefix("<think>").partition("</think>")
    return (thought, answer) if mark and text.startswith("<think>") else ("", text)
