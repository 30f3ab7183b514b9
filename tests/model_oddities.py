"""What broken servers, proxies and lesser copies make of the two wire formats.

`RESPONSES` stand in the place of any response, and the connection is closed after them. `ODDITIES`
change what a sound stream writes: the parts before the end, then the end with its usage.
"""

import json
from collections.abc import Callable, Sequence

from tests.model_wires import OllamaWire, OpenAIWire, Wire, as_bytes

Parts = list[bytes]
Odd = Callable[[Wire, Parts, bytes], Parts]

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def _json(body: bytes, more: bytes = b"") -> bytes:
    head = OK + b"Content-Type: application/json\r\n" + more
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


RESPONSES: dict[str, Callable[[Wire], bytes]] = {
    "closed": lambda wire: b"",
    "reset_in_head": lambda wire: OK + b"Content-Ty",
    "not_http": lambda wire: b"220 mail.example.com ESMTP\r\n",
    "gzip_garbage": lambda wire: _json(b"this is not gzip", b"Content-Encoding: gzip\r\n"),
    "bad_chunk": lambda wire: OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nbroken\r\n",
    "short": lambda wire: OK + b"Content-Length: 900\r\n\r\n" + wire.keep_alive(),
    "silent": lambda wire: OK + b"Transfer-Encoding: chunked\r\n\r\n",
    "error_200": lambda wire: _json(wire.error("the upstream provider has failed", None)),
    "error_code": lambda wire: _json(b'{"error": {"message": "Overloaded", "code": 529}}'),
    "nothing": lambda wire: _json(b""),
    "null": lambda wire: _json(b"null"),
    "list": lambda wire: _json(b"[]"),
}


def _twice(wire: Wire, parts: Parts, end: bytes) -> Parts:
    if isinstance(wire, OllamaWire):
        return [*parts, end + end]
    last, done = end.split(b"data: [DONE]")
    return [*parts, last + last + b"data: [DONE]" + done]


def _half_a_character(wire: Wire, parts: Parts, end: bytes) -> Parts:
    half = parts[: len(parts) // 2]
    text = json.dumps(json.loads(wire.token("é").removeprefix(b"data: ")), ensure_ascii=False)
    head = b"data: " if isinstance(wire, OpenAIWire) else b""
    return [*half, head + text.encode().partition("é".encode())[0] + "é".encode()[:1]]


def _bad_utf8(wire: Wire, parts: Parts, end: bytes) -> Parts:
    return [*parts, wire.token("~").replace(b"~", b"\xff\xfe"), end]


def _finished_by(word: bytes) -> Odd:
    def finish(wire: Wire, parts: Parts, end: bytes) -> Parts:
        return [*parts[: len(parts) // 2], end.replace(b'"stop"', b'"%s"' % word)]

    return finish


def _in_parts(wire: Wire, parts: Parts, end: bytes) -> Parts:
    return [*(_as_list(part) if isinstance(wire, OpenAIWire) else part for part in parts), end]


def _as_list(part: bytes) -> bytes:
    event = json.loads(part.removeprefix(b"data: "))
    delta = event["choices"][0]["delta"]
    if delta.get("content"):
        delta["content"] = [{"type": "text", "text": delta["content"]}]
    return b"data: " + as_bytes(event) + b"\n\n"


def _filtered_first(wire: Wire, parts: Parts, end: bytes) -> Parts:
    """Begin as Azure does: with a chunk that has no choices."""
    if isinstance(wire, OllamaWire):
        return [*parts, end]
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    return [b"data: " + as_bytes(first | {"prompt_filter_results": []}) + b"\n\n", *parts, end]


def _null_choices(wire: Wire, parts: Parts, end: bytes) -> Parts:
    if isinstance(wire, OllamaWire):
        return [b'{"model": "x", "message": null, "done": false}\n', *parts, end]
    return [b'data: {"id": "chatcmpl-1", "choices": null}\n\n', *parts, end]


def _usage_everywhere(wire: Wire, parts: Parts, end: bytes) -> Parts:
    """Count so far in every chunk, as some servers do."""
    if isinstance(wire, OllamaWire):
        return [part[:-2] + b',"prompt_eval_count":1,"eval_count":1}\n' for part in parts] + [end]
    so_far = b',"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n'
    return [part[:-3] + so_far for part in parts] + [end]


def _cut_while_counting(wire: Wire, parts: Parts, end: bytes) -> Parts:
    return _usage_everywhere(wire, parts[: len(parts) // 2], b"")


def _no_usage_fields(wire: Wire, parts: Parts, end: bytes) -> Parts:
    """Send usage whose fields are missing or null."""
    if isinstance(wire, OllamaWire):
        return [*parts, end.replace(b'"eval_count":', b'"eval_count":null,"was":')]
    return [*parts, end.replace(b'"completion_tokens":', b'"completion_tokens":null,"was":')]


def _zero_usage(wire: Wire, parts: Parts, end: bytes) -> Parts:
    if isinstance(wire, OllamaWire):
        zero = end.replace(b'"eval_count":', b'"eval_count":0,"was":')
        return [*parts, zero.replace(b'"prompt_eval_count":', b'"prompt_eval_count":0,"had":')]
    zero = end.replace(b'"completion_tokens":', b'"completion_tokens":0,"was":')
    return [*parts, zero.replace(b'"prompt_tokens":', b'"prompt_tokens":0,"had":')]


CUT = ("half_character", "usage_cut")
"""Oddities that end in the middle of the answer."""
ODDITIES: dict[str, Odd] = {
    "bom": lambda wire, parts, end: [*parts, end],  # it stands before the head of the stream
    "crlf": lambda wire, parts, end: [one.replace(b"\n", b"\r\n") for one in (*parts, end)],
    "twice_finished": _twice,
    "half_character": _half_a_character,
    "bad_utf8": _bad_utf8,
    "finish_error": _finished_by(b"error"),
    "done_load": _finished_by(b"load"),
    "parts": _in_parts,
    "filtered_first": _filtered_first,
    "null_choices": _null_choices,
    "usage_everywhere": _usage_everywhere,
    "usage_cut": _cut_while_counting,
    "usage_null": _no_usage_fields,
    "usage_zero": _zero_usage,
    "no_done": lambda wire, parts, end: [*parts, end.replace(b"data: [DONE]\n\n", b"")],
    "glued": lambda wire, parts, end: [b"".join((*parts, end))],
}


def torn(parts: Sequence[bytes]) -> Parts:
    """Return the same bytes, one by one chunk of seven, so that lines and characters are torn."""
    joined = b"".join(parts)
    return [joined[i : i + 7] for i in range(0, len(joined), 7)]
