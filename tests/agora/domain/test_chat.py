import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from agora.domain import chat, faults
from agora.domain.chat import ask, prompt_tokens, window_of
from agora.domain.contracts import Act, Json
from agora.domain.doors import opened
from agora.domain.errors import OutsideOfActError
from agora.domain.faults import ModelFault
from agora.domain.replies import Reply
from tests.asking import NAMES, PRICES, asked, fault_of, model_of, settings_for
from tests.model_server import Call, ModelServer

BOTH = pytest.mark.parametrize("vendor", ["ollama", "openai"])
FOX = "the quick brown fox jumps over the lazy dog"
ADD: Json = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


class Opinion(BaseModel):
    answer: str
    confidence: float


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(models=NAMES.values(), prices=PRICES) as server:
        yield server


def saying(server: ModelServer, text: str | Call) -> None:
    server.manner.script = lambda messages: text


async def test_the_clients_are_loaded_once_and_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading = list[tuple[str, threading.Thread]]()
    note = lambda name: loading.append((name, threading.current_thread()))  # noqa: E731
    monkeypatch.setattr(chat, "import_module", note)
    chat._loaded.cache_clear()
    await chat.load()
    await chat.load()
    [(name, thread)] = loading
    assert name == "agora.domain.attempts" and thread is not threading.current_thread()


@BOTH
async def test_an_answer_costs_what_was_served(server: ModelServer, vendor: str) -> None:
    reply = await asked(server, vendor)
    served = server.served()
    assert reply.text == FOX
    assert (reply.tokens_in, reply.tokens_out) == (served.tokens_in, served.tokens_out)
    assert reply.cost_usd == pytest.approx(served.usd)
    assert (reply.cost_usd > 0) is (vendor == "openai")
    assert (reply.is_estimate, reply.finish) == (False, "stop")
    assert 0 < reply.first_token_s <= reply.latency_s
    assert Reply.model_validate(reply.as_json()) == reply


@BOTH
async def test_nobody_asks_a_model_outside_of_an_act(server: ModelServer, vendor: str) -> None:
    model, settings = model_of(server, vendor), settings_for(server)
    limits: Any = {"deadline_s": 1.0, "answer_tokens": 16}
    with pytest.raises(OutsideOfActError):
        await ask(model, [{"role": "user", "content": "say x"}], settings, **limits)
    with opened(Act(kind="commit", subject="x")), pytest.raises(OutsideOfActError):
        await ask(model, [{"role": "user", "content": "say x"}], settings, **limits)
    assert server.paths == []


@BOTH
async def test_the_answer_arrives_piece_by_piece(server: ModelServer, vendor: str) -> None:
    server.manner.token_s = 0.1
    seen: list[str] = []
    reply = await asked(server, vendor, on_token=seen.append)
    assert len(seen) > 5
    assert "".join(seen) == reply.text
    assert reply.first_token_s < reply.latency_s / 2


@BOTH
@pytest.mark.parametrize("tagged", [True, False])
async def test_thoughts_are_kept_apart(server: ModelServer, vendor: str, tagged: bool) -> None:
    saying(server, "<think>\nfoxes are quick\n</think>\n\nA fox.")
    server.manner.splits_thoughts = not tagged
    seen: list[str] = []
    reply = await asked(server, vendor, on_token=seen.append)
    assert (reply.text, reply.reasoning) == ("A fox.", "foxes are quick")
    assert "".join(seen).strip() == "A fox."


@BOTH
async def test_an_answer_of_thoughts_alone_is_empty(server: ModelServer, vendor: str) -> None:
    saying(server, "<think>foxes are")
    server.manner.splits_thoughts = False
    fault = await fault_of(server, vendor)
    assert type(fault) is faults.EmptyAnswerError
    assert fault.spent.tokens_out == server.last.tokens_out > 0


@BOTH
async def test_a_text_that_only_looks_like_a_thought_is_the_answer(
    server: ModelServer, vendor: str
) -> None:
    saying(server, "<thin ice> and </think>")
    seen: list[str] = []
    reply = await asked(server, vendor, on_token=seen.append)
    assert reply.text == "".join(seen) == "<thin ice> and </think>"


@BOTH
async def test_a_tool_is_called_and_its_result_answered(server: ModelServer, vendor: str) -> None:
    said = [{"role": "system", "content": "Be brief."}]
    said += [{"role": "user", "content": 'Please call add {"a": 1, "b": 2}'}]
    reply = await asked(server, vendor, said, tools=[ADD])
    (call,) = reply.tool_calls
    assert (call["name"], call["arguments"]) == ("add", {"a": 1, "b": 2})
    result = {"role": "tool", "content": "3", "tool_call_id": call["id"]}
    assert (await asked(server, vendor, [*said, reply.message, result], tools=[ADD])).text == "3"
    roles = [message["role"] for message in server.last.body["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]
    assert server.last.body["tools"][0]["function"]["name"] == "add"


@BOTH
async def test_several_calls_come_together(server: ModelServer, vendor: str) -> None:
    server.manner.script = lambda messages: [Call("add", {"a": 1}), Call("now")]
    reply = await asked(server, vendor, tools=[ADD])
    assert [(c["name"], c["arguments"]) for c in reply.tool_calls] == [
        ("add", {"a": 1}),
        ("now", {}),
    ]
    assert len({c["id"] for c in reply.tool_calls}) == 2


async def test_arguments_that_are_cut_off_are_not_repaired(server: ModelServer) -> None:
    server.fail("bad_call")
    fault = await fault_of(server, "openai", tools=[ADD])
    assert type(fault) is faults.MisfitAnswerError
    assert "arguments of add" in str(fault)


@BOTH
@pytest.mark.parametrize(
    "said",
    [
        '{"answer": "yes", "confidence": 0.5}',
        '```json\n{"answer": "yes", "confidence": 0.5}\n```',
        '<think>yes?</think>{"answer": "yes", "confidence": 0.5}',
    ],
)
async def test_an_answer_fits_the_schema(server: ModelServer, vendor: str, said: str) -> None:
    saying(server, said)
    server.manner.splits_thoughts = False
    reply = await asked(server, vendor, schema=Opinion)
    assert Opinion.model_validate_json(reply.text) == Opinion(answer="yes", confidence=0.5)


@BOTH
@pytest.mark.parametrize(
    ("struck", "kind"),
    [
        ("prose", faults.MisfitAnswerError),
        ("wrong_schema", faults.MisfitAnswerError),
        ("empty", faults.EmptyAnswerError),
        ("length", faults.OutputLimitError),
    ],
)
async def test_an_answer_that_does_not_fit_the_schema_is_none(
    server: ModelServer, vendor: str, struck: str, kind: type[ModelFault]
) -> None:
    server.fail(struck)
    fault = await fault_of(server, vendor, schema=Opinion)
    assert type(fault) is kind
    assert fault.spent.tokens_in == server.last.tokens_in


@BOTH
async def test_the_schema_is_told_to_the_server(server: ModelServer, vendor: str) -> None:
    await asked(server, vendor, schema=Opinion)
    body = server.last.body
    wanted = (
        body["format"] if vendor == "ollama" else body["response_format"]["json_schema"]["schema"]
    )
    assert set(wanted["properties"]) == {"answer", "confidence"}


async def test_ollama_is_told_how_much_to_hold_and_to_say(server: ModelServer) -> None:
    await asked(server, "ollama", answer_tokens=77)
    assert server.last.body["options"] == {"num_ctx": 4096, "num_predict": 77}
    assert (server.last.body["stream"], server.last.body["think"]) == (True, True)


async def test_a_model_that_cannot_think_is_not_told_to(server: ModelServer) -> None:
    await asked(server, "ollama", model=model_of(server, "ollama", capabilities=()))
    assert server.last.body.get("think") is None


async def test_openai_is_told_to_count_and_when_to_stop(server: ModelServer) -> None:
    await asked(server, "openai", answer_tokens=77)
    assert server.last.body["stream_options"] == {"include_usage": True}
    assert (server.last.body["max_completion_tokens"], server.last.body["stream"]) == (77, True)


async def test_the_key_goes_to_the_server_that_it_is_for() -> None:
    with ModelServer(models=NAMES.values(), api_key="right") as server:
        settings = settings_for(server, **{"openai.api_key": "right"})
        assert (await asked(server, "openai", settings=settings)).text == FOX
        with pytest.raises(faults.WrongKeyError):
            await asked(server, "ollama", settings=settings)
        assert "right" not in str(server.last.headers)


@pytest.mark.parametrize(
    ("sent", "window"), [(10, 4096), (3000, 8192), (6000, 16384), (30000, 40960)]
)
def test_ollama_holds_few_sizes(server: ModelServer, sent: int, window: int) -> None:
    assert window_of(model_of(server, "ollama"), sent, 1000) == window


def test_a_prompt_is_everything_that_is_sent() -> None:
    alone = prompt_tokens([{"role": "user", "content": "x" * 400}])
    assert 100 <= alone <= 115
    assert prompt_tokens([{"role": "user", "content": "x" * 400}], [ADD], Opinion) > alone + 50
