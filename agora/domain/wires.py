"""What goes over the wire to a model's server: how far a request came, and what its body holds."""

import codecs
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from agora.domain.models import Model
from agora.domain.servers import is_private

CONNECT_S = 5.0


@dataclass
class Wire:
    """How far the last request came, and the head of its response, which exceptions may lack."""

    is_sent: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def hooks(self) -> dict[str, list[Any]]:
        """Return what an HTTP client has to call."""
        return {"request": [self._watch], "response": [self._note]}

    @property
    def is_begun(self) -> bool:
        """Return whether a model may have worked for us, so that it must be paid."""
        is_page = "html" in self.headers.get("content-type", "")
        return self.is_sent and self.status in (None, 200) and not is_page

    async def _watch(self, request: Any) -> None:
        self.is_sent = False
        request.extensions["trace"] = self._trace

    async def _trace(self, event: str, _: Any) -> None:
        # Not its end, which goes unheard where a call is broken off between the two.
        self.is_sent = self.is_sent or event.endswith("send_request_body.started")

    async def _note(self, response: Any) -> None:
        self.status, self.headers = response.status_code, response.headers
        if self.status == 200:
            response.aiter_bytes = _clean(response.aiter_bytes)


def _clean(body: Callable[..., AsyncIterator[bytes]]) -> Callable[..., AsyncIterator[bytes]]:
    """Return how to read a body of UTF-8, without the mark that some servers put before it.

    Raises UnicodeDecodeError for broken characters, which the clients would replace in silence.
    """

    async def read(*arguments: Any) -> AsyncIterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        async for piece in body(*arguments):
            yield decoder.decode(piece).encode()

    return read


def options(model: Model, timeout_s: float) -> dict[str, Any]:
    """Return what every HTTP client is made with; `timeout_s` is for one silence, not for all."""
    return {
        "timeout": timeout(timeout_s),
        "verify": tls(),
        # A redirect would carry the prompt to a server that nobody has chosen.
        "follow_redirects": False,
        "trust_env": not is_private(model.base_url),
        # A connection belongs to its call: none waits for a loop that has ended.
        "headers": {"Connection": "close"},
    }


def timeout(timeout_s: float) -> httpx.Timeout:
    """Return it with less for the connection alone."""
    return httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))


@cache
def tls() -> ssl.SSLContext:
    """Return one context for all: it takes a while to make."""
    return httpx.create_ssl_context()
