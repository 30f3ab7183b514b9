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
    MalformedAnswerError,
    ModelFault,
    OutputLimitError,
    UnfinishedAnswerError,
)
from agora.domain.models import Model, Spent, tokens_of

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

THINK, END = "<think>", "</think>"
LONGEST_TOKEN = 8  # characters; more than this per token on the whole is more than was ordered


class Reply(Spent):
    """A complete answer, and what it took: reasoning is kept apart from the text."""

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
class Thinking:
    """Keeps `<think>…</think>` at the head of a stream apart from what follows."""

    held: str = ""
    is_inside: bool = False
    is_over: bool = False

    def feed(self, piece: str) -> str:
        """Return what of the stream is answer by now, and was not returned before."""
        if self.is_over:
            return piece
        self.held += piece
        head = self.held.lstrip()
        self.is_inside = self.is_inside or head.startswith(THINK)
        if not self.is_inside and THINK.startswith(head):
            return ""  # too early to tell
        thought, mark, answer = head.partition(END) if self.is_inside else ("", "-", self.held)
        if not mark:
            return ""
        self.held, self.is_over = thought, True
        return answer.lstrip() if thought else answer

    @property
    def thought(self) -> str:
        """Return what was thought so far."""
        return self.held.strip().removeprefix(THINK).strip() if self.is_inside else ""


@dataclass
class Draft:
    """What has arrived of an answer; `tokens_sent` is our estimate of the prompt."""

    model: Model
    tokens_sent: int
    window: int  # tokens that the server was asked to hold
    is_begun: bool = False  # the server has begun to answer, so that the prompt is paid
    first_token_s: float | None = None
    tokens: int = 0  # pieces that carried something: each is at least one token
    finish: str = ""
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    chunks: list["AIMessageChunk"] = field(default_factory=list)  # with pieces of tool calls
    usage: Mapping[str, Any] | None = None
    thinking: Thinking = field(default_factory=Thinking)

    def add(self, chunk: "AIMessageChunk", at_s: float) -> str:
        """Take in the next piece, `at_s` seconds after the question; return what is answer of it."""
        self.is_begun = True
        thought = str(chunk.additional_kwargs.get("reasoning_content") or "")
        refusal = str(chunk.additional_kwargs.get("refusal") or "")
        piece = str(chunk.text)
        if thought or refusal or piece or chunk.tool_call_chunks:
            self.tokens += 1
            self.first_token_s = at_s if self.first_token_s is None else self.first_token_s
        self.usage = chunk.usage_metadata or self.usage
        self.finish = _finish(chunk.response_metadata) or self.finish
        self.thoughts.append(thought)
        self.refusals.append(refusal)
        if chunk.tool_call_chunks:
            self.chunks.append(chunk)
        answer = self.thinking.feed(piece)
        self.texts.append(answer)
        return answer

    @property
    def text(self) -> str:
        """Return the answer so far."""
        undecided = "" if self.thinking.is_inside or self.thinking.is_over else self.thinking.held
        text = "".join(self.texts) + undecided
        return text.partition(END)[2].strip() if self._lacks_opening(text) else text.strip()

    @property
    def reasoning(self) -> str:
        """Return what was thought so far, whichever way the server tells it."""
        text = "".join(self.texts)
        untagged = text.partition(END)[0].strip() if self._lacks_opening(text) else ""
        return "".join(self.thoughts) + self.thinking.thought + untagged

    @property
    def is_overlong(self) -> bool:
        """Return whether more came than any answer of so many tokens can be."""
        return False

    def spent(self) -> Spent:
        """Return the server's count, else an estimate that is never below what was received."""
        if self.usage and (self.usage["output_tokens"] or not self.tokens):
            cached = (self.usage.get("input_token_details") or {}).get("cache_read") or 0
            return self.model.spent(
                self.usage["input_tokens"], self.usage["output_tokens"], cached=cached
            )
        if not self.is_begun:
            return Spent()
        received = max(self.tokens, tokens_of(self._everything()))
        return self.model.spent(self.tokens_sent, received, is_estimate=True)
