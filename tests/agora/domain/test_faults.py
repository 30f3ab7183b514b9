import json
import socket
from typing import Any

import httpx
import openai
import pytest
from langchain_core.exceptions import OutputParserException
from langchain_openai.chat_models.base import OpenAIRefusalError

from agora.domain import diagnosis, faults
from agora.domain.faults import ModelFault
from tests.asking import NAMES, fault_of, model_of
from tests.model_server import ModelServer
from tests.model_wires import REFUSALS

VENDORS: tuple[str, ...] = ("ollama", "openai")
# What strikes, and what it is called; where the vendors differ, (Ollama's, OpenAI's).
ROWS: dict[str, type[ModelFault] | tuple[type[ModelFault], type[ModelFault]]] = {
    "400": faults.RequestRefusedError,
    "401": faults.WrongKeyError,
    "403": faults.WrongKeyError,
    "404": faults.UnknownModelError,
    "429": faults.RateLimitedError,
    "429_date": faults.RateLimitedError,
    "429_bare": faults.RateLimitedError,
    "quota": faults.CreditSpentError,
    "500": faults.ServerFailedError,
    "502": faults.ServerFailedError,
    "504": faults.ServerFailedError,
    "529": faults.ServerFailedError,
    "503": faults.ServerFailedError,
    "context": faults.ContextOverflowError,
    "no_tools": faults.NoToolsError,
    "hang": faults.TimedOutError,
    "keep_alive": faults.TimedOutError,
    "stall": faults.TimedOutError,
    "reset_before": faults.CutShortError,
    "reset": faults.CutShortError,
    "cut": faults.CutShortError,
    "no_finish": faults.UnfinishedAnswerError,
    "malformed": faults.MalformedAnswerError,
    "truncated": (faults.MalformedAnswerError, faults.UnfinishedAnswerError),
    "error_inside": faults.ServerFailedError,
    "html": faults.MalformedAnswerError,
    "html_502": faults.ServerFailedError,
    "redirect": faults.MalformedAnswerError,
    "empty": faults.EmptyAnswerError,
    "filtered": faults.ContentRefusedError,
    "length": faults.OutputLimitError,
    "overrun": faults.OutputLimitError,
    "bad_call": (faults.MalformedAnswerError, faults.MisfitAnswerError),
}


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("struck", ROWS)
async def test_every_fault_of_a_server_has_its_name(struck: str, vendor: str) -> None:
    row = ROWS[struck]
    kind = row[VENDORS.index(vendor)] if isinstance(row, tuple) else row
    deadline_s = 1.5 if kind is faults.TimedOutError else 20.0
    with ModelServer(models=NAMES.values(), faults=[struck]) as server:
        fault = await fault_of(server, vendor, deadline_s=deadline_s, answer_tokens=8)
        assert type(fault) is kind
        assert str(fault).startswith(f"{NAMES[vendor]} at {server.url} ")
        assert "\n" not in str(fault)
        assert fault.hint and "{" not in fault.hint
        assert len(server.exchanges) == 1


def test_every_refusal_of_the_server_has_its_row() -> None:
    assert set(REFUSALS) <= set(ROWS)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_closed_port_is_unreachable_and_costs_nothing(vendor: str) -> None:
    with ModelServer(models=NAMES.values()) as server:
        with socket.socket() as closed:  # bound, but it does not listen
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
            model = model_of(server, vendor, base_url=url)
            fault = await fault_of(server, vendor, model=model)
    assert type(fault) is faults.UnreachableError
    assert (fault.spent.tokens_in, fault.spent.cost_usd) == (0, 0.0)
    assert ("ollama.host" if vendor == "ollama" else "openai.base_url") in fault.hint


async def test_a_refused_key_names_the_setting_and_not_the_key() -> None:
    with ModelServer(models=NAMES.values(), faults=["401"]) as server:
        fault = await fault_of(server, "openai")
    assert "openai.api_key" in fault.hint and "OPENAI_API_KEY" in fault.hint
    assert "canary" not in str(fault)


async def test_no_key_at_all_is_told_before_anything_is_sent() -> None:
    with ModelServer(models=NAMES.values()) as server:
        model = model_of(server, "openai", base_url="https://models.example.com/v1")
        fault = await fault_of(server, "openai", model=model)
    assert type(fault) is faults.WrongKeyError
    assert fault.spent.tokens_in == 0


async def test_a_missing_ollama_model_names_the_command_that_fetches_it() -> None:
    with ModelServer(models=["other:1b"]) as server:
        fault = await fault_of(server, "ollama")
    assert "ollama pull qwen3:8b" in fault.hint


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("struck", ["429", "503"])
async def test_what_the_server_says_about_waiting_is_known(struck: str, vendor: str) -> None:
    with ModelServer(models=NAMES.values(), faults=[struck], retry_after="17") as server:
        assert (await fault_of(server, vendor)).retry_after_s == 17.0


async def test_a_refusal_beside_the_content_is_repeated() -> None:
    with ModelServer(models=NAMES.values(), faults=["refused"]) as server:
        fault = await fault_of(server, "openai")
    assert type(fault) is faults.ContentRefusedError
    assert "I can't help with that." in str(fault)


@pytest.mark.parametrize(
    ("kind", "retryable", "opens", "unhealthy"),
    [
        (faults.UnreachableError, True, False, True),
        (faults.RateLimitedError, True, False, True),
        (faults.ServerFailedError, True, False, True),
        (faults.CutShortError, True, False, True),
        (faults.WrongKeyError, False, True, True),
        (faults.CreditSpentError, False, True, True),
        (faults.UnknownModelError, False, True, True),
        (faults.ContextOverflowError, False, False, False),
        (faults.OutputLimitError, False, False, False),
        (faults.ContentRefusedError, False, False, False),
        (faults.MalformedAnswerError, False, False, True),
    ],
)
def test_a_fault_says_what_follows_from_it(
    kind: type[ModelFault], retryable: bool, opens: bool, unhealthy: bool
) -> None:
    assert (kind.is_retryable, kind.opens_breaker, kind.is_unhealthy) == (
        retryable,
        opens,
        unhealthy,
    )


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


REQUEST: Any = httpx.Request("POST", "http://x")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectTimeout(""), faults.UnreachableError),
        (httpx.PoolTimeout(""), faults.TimedOutError),
        (httpx.ReadTimeout(""), faults.TimedOutError),
        (httpx.UnsupportedProtocol("ftp"), faults.UnreachableError),
        (httpx.InvalidURL("x"), faults.UnreachableError),
        (ConnectionError("refused"), faults.UnreachableError),
        (ConnectionResetError(), faults.CutShortError),
        (TimeoutError(), faults.TimedOutError),
        (openai.APITimeoutError(REQUEST), faults.TimedOutError),
        (openai.APIConnectionError(request=REQUEST), faults.UnreachableError),
        (
            _caused(openai.APIConnectionError(request=REQUEST), httpx.ReadError("")),
            faults.CutShortError,
        ),
        (
            _caused(openai.APITimeoutError(REQUEST), httpx.ConnectTimeout("")),
            faults.UnreachableError,
        ),
        (openai.OpenAIError("api_key must be set"), faults.WrongKeyError),
        (
            openai.APIError("This model's maximum context length", REQUEST, body=None),
            faults.ContextOverflowError,
        ),
        (openai.APIError("it broke", REQUEST, body=None), faults.ServerFailedError),
        (OpenAIRefusalError("no"), faults.ContentRefusedError),
        (json.JSONDecodeError("Expecting value", "", 0), faults.MalformedAnswerError),
        (OutputParserException("no JSON"), faults.MalformedAnswerError),
        (AttributeError("'str' object has no attribute 'choices'"), faults.MalformedAnswerError),
    ],
)
def test_what_the_clients_raise_is_known_by_name(error: Exception, kind: type[ModelFault]) -> None:
    assert diagnosis.kind_of(error) is kind


def test_a_long_complaint_is_cut_and_a_silent_one_has_its_class() -> None:
    assert len(diagnosis.said_by(ValueError("x" * 9000))) <= 201
    assert diagnosis.said_by(httpx.ReadTimeout("")) == "ReadTimeout"
    assert diagnosis.said_by(ValueError("<HTML><body>log in</body>")) == "an HTML page"


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ("0", 0.0),
        ("2.5", 2.5),
        ("Sat, 21 Nov 2026 04:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 03:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_a_date_to_wait_for_is_counted_from_the_servers_own(
    after: str, seconds: float | None
) -> None:
    headers = {"retry-after": after, "date": "Sat, 21 Nov 2026 04:00:00 GMT"}
    assert diagnosis.retry_after_s(headers) == seconds
