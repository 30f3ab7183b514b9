"""An answer while it arrives, and as it stands in the end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agora.domain.contracts import Json
from agora.domain.faults import (
    ContentRefusedError,
    ContextOverflowError,
    EmptyAnswerError,
    MisfitAnswerError,
    ModelFault,
    OutputLimitError,
    UnfinishedAnswerError,
)
from agora.domain.models import Model, Spent, estimated, tokens_of

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

THINK, END = "<think>", "</think>"


class Reply(Spent):
    """A complete answer and what it took; reasoning is kept apart from the text."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[Json, ...] = ()  # {"id", "name", "arguments"}
    latency_s: float = 0.0
    first_token_s: float = 0.0
    finish: str = ""  # the server's own word, such as "stop"

    @property
    def message(self) -> Json:
        """Return the answer as the next message of the conversation."""
        calls = {"tool_calls": list(self.tool_calls)} if self.tool_calls else {}
        return {"role": "assistant", "content": self.text, **calls}


@dataclass
class Draft:
    """What has arrived of an answer; `tokens_sent` is our estimate of the prompt."""

    model: Model
    tokens_sent: int
    window: int  # tokens that the server was asked to hold
    raw: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finish: str = ""
    usage: Mapping[str, Any] | None = None
    pieces: int = 0  # that carried something: each is at least one token
    first_token_s: float | None = None
    is_answering: bool = False  # what comes now is answer, no thought

    def add(self, chunk: "AIMessageChunk", at_s: float) -> str:
        """Take in what came `at_s` seconds after the question; return what of it is answer."""
        piece = str(chunk.text)
        thought = str(chunk.additional_kwargs.get("reasoning_content") or "")
        refusal = str(chunk.additional_kwargs.get("refusal") or "")
        if piece or thought or refusal or chunk.tool_call_chunks:
            self.pieces += 1
            self.first_token_s = at_s if self.first_token_s is None else self.first_token_s
        self.raw += piece
        self.reasoning += thought
        self.refusal += refusal
        for part in chunk.tool_call_chunks:
            self._add_call(part)
        self.usage = chunk.usage_metadata or self.usage
        self.finish = _finish(chunk.response_metadata) or self.finish
        return self._visible(piece)

    @property
    def text(self) -> str:
        """Return the answer so far, without the thoughts before it."""
        return apart(self.raw)[1].strip()

    @property
    def received(self) -> int:
        """Return the tokens that came at the least."""
        called = "".join(call["name"] + call["arguments"] for call in self.calls.values())
        return max(self.pieces, tokens_of(self.raw + self.reasoning + self.refusal + called))

    def spent(self, *, is_begun: bool = True) -> Spent:
        """Return the server's count, else an estimate that is never below what was received."""
        # Some servers count in every chunk: where the stream broke, the count lags behind.
        least = min(1, self.pieces) if self.finish else self.pieces
        if self.usage and self.usage["output_tokens"] >= least:
            cached = (self.usage.get("input_token_details") or {}).get("cache_read") or 0
            tokens = self.usage["input_tokens"], self.usage["output_tokens"]
            return self.model.spent(*tokens, cached=cached)
        if not is_begun:
            return Spent()
        return estimated(self.model, self.tokens_sent, self.received)

    def reply(self, latency_s: float) -> Reply:
        """Return the answer; raise the ModelFault that makes it none."""
        if fault := self._fault():
            kind, said = fault
            raise kind(self.model.name, self.model.server, said, vendor=self.model.vendor)
        return Reply(
            **self.spent().model_dump(),
            text=self.text,
            reasoning="\n".join(filter(None, (self.reasoning.strip(), apart(self.raw)[0]))),
            tool_calls=tuple(filter(None, map(_tool_call, self.calls.values()))),
            latency_s=latency_s,
            first_token_s=self.first_token_s or 0.0,
            finish=self.finish,
        )

    def _fault(self) -> tuple[type[ModelFault], str] | None:
        if not self.finish:
            return UnfinishedAnswerError, f"after {len(self.raw)} characters"
        # Ollama drops the oldest part of too long a prompt, and says so by its count alone.
        sent = self.usage["input_tokens"] if self.usage else 0
        if self.model.vendor == "ollama" and sent >= self.window:
            return ContextOverflowError, f"{self.window} tokens"
        if self.finish == "length":
            return OutputLimitError, f"{self.spent().tokens_out} tokens"
        if self.refusal or self.finish == "content_filter":
            return ContentRefusedError, self.refusal
        if broken := [call for call in self.calls.values() if _tool_call(call) is None]:
            return MisfitAnswerError, f"arguments of {broken[0]['name'] or 'a nameless tool'}"
        if not self.text and not self.calls:
            return EmptyAnswerError, ""
        return None

    def _add_call(self, part: Mapping[str, Any]) -> None:
        # OpenAI numbers the parts of each call; Ollama sends every call whole.
        index = len(self.calls) if part["index"] is None else part["index"]
        call = self.calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        call["id"] = call["id"] or part["id"] or f"call_{index}"
        call["name"] = call["name"] or part["name"] or ""
        call["arguments"] += part["args"] or ""

    def _visible(self, piece: str) -> str:
        if self.is_answering:
            return piece
        head = self.raw.lstrip()
        if THINK.startswith(head[: len(THINK)]) and END not in head:
            return ""  # a thought, or too early to tell
        self.is_answering = True
        return apart(self.raw)[1]


def apart(raw: str) -> tuple[str, str]:
    """Return what stands in `<think>…</think>` at the head of an answer, and what follows it."""
    head = raw.lstrip()
    if not head.startswith(THINK):
        return "", head
    thought, _, answer = head.removeprefix(THINK).partition(END)
    return thought.strip(), answer.lstrip()


def _finish(metadata: Mapping[str, Any]) -> str:
    said = metadata.get("finish_reason") or metadata.get("done_reason")
    return str(said or ("stop" if metadata.get("done") else ""))


def _tool_call(call: Mapping[str, str]) -> Json | None:
    try:
        arguments = json.loads(call["arguments"] or "{}")
    except ValueError:
        return None
    if not call["name"] or not isinstance(arguments, dict):
        return None
    return {"id": call["id"], "name": call["name"], "arguments": arguments}
