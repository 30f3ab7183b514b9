"""The two wire formats of the model server: Ollama's JSON lines and OpenAI's server-sent events."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
AT = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Call:
    """A tool call that a script answers with."""

    name: str
    arguments: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """An answer fault that only a status can tell: what stands on the first line, and the body."""

    status: int
    message: str
    code: str | None = None


# Names of faults that are told by a status; {model} is filled in.
REFUSALS = {
    "400": Refusal(400, "this option is not supported"),
    "401": Refusal(401, "Incorrect API key provided: sk-canary", "invalid_api_key"),
    "403": Refusal(403, "Your project may not use {model}", "model_forbidden"),
    "404": Refusal(404, "model '{model}' not found", "model_not_found"),
    "429": Refusal(429, "Rate limit reached for {model}", "rate_limit_exceeded"),
    "quota": Refusal(429, "You exceeded your current quota", "insufficient_quota"),
    "429_date": Refusal(429, "Rate limit reached for {model}", "rate_limit_exceeded"),
    "429_bare": Refusal(429, "Too many requests"),
    "500": Refusal(500, "the runner has crashed"),
    "502": Refusal(502, "Bad gateway"),
    "503": Refusal(503, "server busy, please try again"),
    "504": Refusal(504, "upstream request timeout"),
    "529": Refusal(529, "Overloaded", "overloaded_error"),
    "context": Refusal(
        400, "This model's maximum context length is exceeded", "context_length_exceeded"
    ),
    "no_tools": Refusal(400, "{model} does not support tools"),
}


class OllamaWire:
    """One JSON object a line."""

    content_type = "application/x-ndjson"

    def __init__(self, body: Json) -> None:
        self.model = str(body.get("model", ""))
        self.is_stream = bool(body.get("stream", True))
        self.schema = body.get("format") if isinstance(body.get("format"), dict) else None
        self.thinks = bool(body.get("think"))
        self.context = int(body.get("options", {}).get("num_ctx", 0)) or None
        self.limit = int(body.get("options", {}).get("num_predict", 0)) or None
        self.reports_usage = True

    def start(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        return self._line({"content": text})

    def thought(self, text: str) -> bytes:
        return self._line({"content": "", "thinking": text})

    def calls(self, calls: Sequence[Call]) -> bytes:
        asked = [{"function": {"name": c.name, "arguments": c.arguments}} for c in calls]
        return self._line({"content": "", "tool_calls": asked})

    def end(self, finish: str, usage: tuple[int, int] | None) -> bytes:
        counts = dict(zip(("prompt_eval_count", "eval_count"), usage or (), strict=False))
        reason = "stop" if finish == "tool_calls" else finish
        times = {"total_duration": 5_000_000, "eval_duration": 4_000_000, "load_duration": 1}
        return self._line({"content": ""}, done=True, done_reason=reason, **times, **counts)

    def whole(self, text: str, calls: Sequence[Call], finish: str, usage: tuple[int, int]) -> bytes:
        done = json.loads(self.end(finish, usage))
        asked = json.loads(self.calls(calls))["message"].get("tool_calls") if calls else None
        message = {"role": "assistant", "content": text, **({"tool_calls": asked} if asked else {})}
        return as_bytes(done | {"message": message})

    def keep_alive(self) -> bytes:
        return self._line({"content": ""})

    def bad_call(self) -> bytes | None:
        return None  # the server notices by itself, and answers 500

    def refused(self) -> list[bytes]:
        return [self.token("I'm sorry, I can't help with that."), self.end("stop", None)]

    def error(self, message: str, code: str | None) -> bytes:
        return as_bytes({"error": message})

    def broken(self, whole_line: bool) -> bytes:
        return b'{"message": {"role": "assi\n' if whole_line else b'{"model": "x", "mess'

    def _line(self, message: Json, **more: Any) -> bytes:
        line = {"model": self.model, "created_at": AT, "done": False, **more}
        return as_bytes(line | {"message": {"role": "assistant", **message}}) + b"\n"


class OpenAIWire:
    """Server-sent events, each with one chunk."""

    content_type = "text/event-stream"

    def __init__(self, body: Json) -> None:
        self.model = str(body.get("model", ""))
        self.is_stream = bool(body.get("stream", False))
        wanted = body.get("response_format") or {}
        self.schema = wanted.get("json_schema", {}).get("schema")
        self.thinks = True
        self.context: int | None = None
        self.limit = body.get("max_completion_tokens") or body.get("max_tokens")
        self.reports_usage = bool((body.get("stream_options") or {}).get("include_usage"))

    def start(self) -> bytes:
        return self._event({"role": "assistant", "content": ""})

    def token(self, text: str) -> bytes:
        return self._event({"content": text})

    def thought(self, text: str) -> bytes:
        return self._event({"reasoning_content": text})

    def calls(self, calls: Sequence[Call]) -> bytes:
        return self._event({"tool_calls": self._asked(calls)})

    def end(self, finish: str, usage: tuple[int, int] | None) -> bytes:
        last = self._event({}, finish)
        if usage and self.reports_usage:
            last += self._chunk(choices=[], usage=_counts(usage))
        return last + b"data: [DONE]\n\n"

    def whole(self, text: str, calls: Sequence[Call], finish: str, usage: tuple[int, int]) -> bytes:
        asked = {"tool_calls": self._asked(calls)} if calls else {}
        message = {"role": "assistant", "content": text or None, "refusal": None, **asked}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": self.model}
        return as_bytes(head | {"choices": [choice], "usage": _counts(usage)})

    def keep_alive(self) -> bytes:
        return b": keep-alive\n\n"

    def bad_call(self) -> bytes | None:
        asked = self._asked([Call("add")])
        asked[0]["function"]["arguments"] = '{"a": 1, "b'
        return self._event({"tool_calls": asked}) + self.end("tool_calls", None)

    def refused(self) -> list[bytes]:
        return [self._event({"refusal": "I can't help with that."}), self.end("stop", None)]

    def error(self, message: str, code: str | None) -> bytes:
        return as_bytes({"error": {"message": message, "type": "error", "code": code}})

    def broken(self, whole_line: bool) -> bytes:
        return b'data: {"id": "chatcmpl-1", "cho\n\n' if whole_line else b'data: {"id": "chat'

    def _asked(self, calls: Sequence[Call]) -> list[Json]:
        return [
            {
                "index": i,
                "id": f"call_{i}",
                "type": "function",
                "function": {"name": c.name, "arguments": json.dumps(c.arguments)},
            }
            for i, c in enumerate(calls)
        ]

    def _event(self, delta: Json, finish: str | None = None) -> bytes:
        return self._chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])

    def _chunk(self, **fields: Any) -> bytes:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
        return b"data: " + as_bytes(head | {"model": self.model} | fields) + b"\n\n"


Wire = OllamaWire | OpenAIWire


def as_bytes(value: Any) -> bytes:
    """Return compact JSON, as servers send it."""
    return json.dumps(value, separators=(",", ":")).encode()


def filled(schema: Json, text: str) -> Json:
    """Return an object that fits a flat schema, with the text in its first string."""
    said: Json = {}
    for name, part in schema.get("properties", {}).items():
        kind = part.get("type", "string")
        if kind == "string":
            text, value = "", part.get("enum", [text])[0]
        else:
            value = {"number": 0.5, "integer": 1, "boolean": True, "array": []}.get(kind, {})
        said[name] = value
    return said


def _counts(usage: tuple[int, int]) -> Json:
    tokens_in, tokens_out = usage
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
