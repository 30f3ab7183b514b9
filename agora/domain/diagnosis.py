"""Which fault an exception stands for: every row of what the vendors' clients raise."""

import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

from agora.domain.faults import (
    ContentRefusedError,
    ContextOverflowError,
    CreditSpentError,
    CutShortError,
    MalformedAnswerError,
    ModelFault,
    NoToolsError,
    OutputLimitError,
    RateLimitedError,
    RequestRefusedError,
    ServerFailedError,
    TimedOutError,
    UnknownModelError,
    UnreachableError,
    WrongKeyError,
)
from agora.domain.models import Model

SAID_LENGTH = 200  # characters of a server's own words that a message repeats

# By the name of an exception or of one of its bases: httpx, httpx2 and openai name alike, and
# none of them has to be imported here.
BY_NAME: dict[str, type[ModelFault]] = {
    "ConnectTimeout": UnreachableError,
    "TimeoutException": TimedOutError,
    "APITimeoutError": TimedOutError,
    "TimeoutError": TimedOutError,
    "ConnectError": UnreachableError,
    "ConnectionRefusedError": UnreachableError,
    "UnsupportedProtocol": UnreachableError,
    "InvalidURL": UnreachableError,
    "ProxyError": UnreachableError,
    "TransportError": CutShortError,
    "DecodingError": MalformedAnswerError,
    "TooManyRedirects": MalformedAnswerError,
    "ConnectionResetError": CutShortError,
    "ConnectionError": UnreachableError,
    "APIConnectionError": UnreachableError,
    "APIResponseValidationError": MalformedAnswerError,
    "APIError": ServerFailedError,
    "LengthFinishReasonError": OutputLimitError,
    "ContentFilterFinishReasonError": ContentRefusedError,
    "OpenAIRefusalError": ContentRefusedError,
    "OpenAIError": WrongKeyError,  # the bare one: the client was built without a key
}
BY_STATUS: dict[int, type[ModelFault]] = {
    401: WrongKeyError,
    403: WrongKeyError,
    404: UnknownModelError,
    408: TimedOutError,
    409: ServerFailedError,
    413: ContextOverflowError,
    429: RateLimitedError,
}
# A server's own words, where status and class say too little.
BY_WORDS: tuple[tuple[str, type[ModelFault]], ...] = (
    (r"rate_limit_exceeded", RateLimitedError),
    (r"insufficient_quota|exceeded your current quota", CreditSpentError),
    (
        r"context_length_exceeded|context (length|window|size)|prompt is too long",
        ContextOverflowError,
    ),
    (r"does not support tools|tools? (are|is) not supported", NoToolsError),
    (r"content_filter|content_policy|content management policy", ContentRefusedError),
    (r"error parsing tool call", MalformedAnswerError),
)


def name(error: Exception, model: Model, headers: Mapping[str, str] | None = None) -> ModelFault:
    """Return the fault that a client's exception stands for; `headers` are the response's."""
    if isinstance(error, ModelFault):
        return error
    kind = kind_of(error)
    fault = kind(model.name, model.server, said_by(error), vendor=model.vendor)
    response = getattr(error, "response", None)
    fault.retry_after_s = retry_after_s(headers or getattr(response, "headers", {}))
    return fault


def kind_of(error: BaseException) -> type[ModelFault]:
    """Return which fault an exception stands for; one that nobody knows is a malformed answer."""
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    is_told = status is not None or type(error).__name__ == "APIError"
    if is_told and status not in (401, 403):
        words = f"{getattr(error, 'code', '')} {error}"
        for pattern, kind in BY_WORDS:
            if re.search(pattern, words, re.IGNORECASE):
                return kind
    return _by_status(status) if status is not None else _by_name(error)


def said_by(error: Exception) -> str:
    """Return a server's words in one short line; those that refuse a key may repeat the key."""
    if kind_of(error) is WrongKeyError:
        return ""
    words = str(getattr(error, "error", "") or getattr(error, "message", "") or error)
    words = " ".join(words.split())
    if "<html" in words.lower():
        words = "an HTML page"
    words = words[:SAID_LENGTH] + "…" * (len(words) > SAID_LENGTH)
    return words or type(error).__name__


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header; a date is counted from the server's own."""
    after = headers.get("retry-after", "")
    if re.fullmatch(r"\d+(\.\d+)?", after):
        return float(after)
    try:
        until, now = (parsedate_to_datetime(text) for text in (after, headers.get("date", "")))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


def _by_status(status: int) -> type[ModelFault]:
    if status in BY_STATUS:
        return BY_STATUS[status]
    if 300 <= status < 400:
        return MalformedAnswerError
    return RequestRefusedError if 400 <= status < 500 else ServerFailedError


def _by_name(error: BaseException) -> type[ModelFault]:
    kind: type[ModelFault] = MalformedAnswerError
    for cause in _causes(error):  # the innermost knows best
        names = (base.__name__ for base in type(cause).__mro__)
        kind = next((BY_NAME[n] for n in names if n in BY_NAME), kind)
    return kind


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
