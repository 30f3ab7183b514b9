import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agora.domain import models
from agora.domain import settings as configuration
from agora.domain.errors import SettingsError
from agora.domain.faults import (
    MalformedAnswerError,
    UnpricedError,
    UnreachableError,
    WrongKeyError,
)
from agora.domain.roster import Discovered, discover
from tests.model_server import ModelServer


async def found(home: Path, *, env: dict[str, str], **arguments: Any) -> Discovered:
    return await discover(configuration.load(env | {"AGORA_HOME": str(home)}, **arguments))


def names(discovered: Discovered) -> set[tuple[str, str]]:
    return {(model.vendor, model.name) for model in discovered.models}


async def test_both_servers_are_asked_what_they_have(tmp_path: Path) -> None:
    with ModelServer(models=["qwen3:8b", "gpt-4o"]) as server:
        env = {"OLLAMA_HOST": f"127.0.0.1:{server.port}", "OPENAI_BASE_URL": server.openai_url}
        discovered = await found(tmp_path, env=env)
        assert sorted(server.paths) == ["/api/tags", "/v1/models"]
    assert names(discovered) == {
        ("ollama", "qwen3:8b"),
        ("ollama", "gpt-4o"),
        ("openai", "qwen3:8b"),
        ("openai", "gpt-4o"),
    }
    assert discovered.faults == ()


async def test_named_models_are_taken_without_asking(tmp_path: Path) -> None:
    with ModelServer() as server:
        env = {"OLLAMA_HOST": server.url, "OPENAI_BASE_URL": server.openai_url}
        chosen = {"ollama.models": ["a:1b"], "openai.models": ["gpt-4o"]}
        discovered = await found(tmp_path, env=env, **chosen)
        assert server.paths == []
    assert names(discovered) == {("ollama", "a:1b"), ("openai", "gpt-4o")}


async def test_an_empty_choice_is_a_choice(tmp_path: Path) -> None:
    with ModelServer() as server:
        env = {"OLLAMA_HOST": server.url}
        assert await found(tmp_path, env=env, **{"ollama.models": []}) == Discovered()


async def test_nothing_is_asked_where_nothing_is_configured(tmp_path: Path) -> None:
    assert await found(tmp_path, env={}) == Discovered()


async def test_the_vendors_own_models_are_those_with_a_price(tmp_path: Path) -> None:
    discovered = await found(tmp_path, env={"OPENAI_API_KEY": "sk-x"})
    assert ("openai", "gpt-4o") in names(discovered)
    assert all(model.usd_out > 0 for model in discovered.models)


async def test_a_named_model_without_a_price_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gpt-99"):
        await found(tmp_path, env={"OPENAI_API_KEY": "x"}, **{"openai.models": ["gpt-99"]})


async def test_an_offered_model_without_a_price_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "is_private", lambda url: False)
    with ModelServer(models=["gpt-4o", *(f"new-{i}" for i in range(8))]) as server:
        discovered = await found(tmp_path, env={"OPENAI_BASE_URL": server.openai_url})
    assert names(discovered) == {("openai", "gpt-4o")}
    (fault,) = discovered.faults
    assert type(fault) is UnpricedError
    assert "new-0" in str(fault) and "3 more" in str(fault) and "models.yaml" in fault.hint


async def test_models_that_cannot_chat_do_not_bid(tmp_path: Path) -> None:
    with ModelServer(models=["nomic-embed-text:latest", "whisper-1", "a:1b"]) as server:
        discovered = await found(tmp_path, env={"OLLAMA_HOST": server.url})
    assert names(discovered) == {("ollama", "a:1b")}


async def test_a_server_that_is_down_stops_nobody_else(tmp_path: Path) -> None:
    with ModelServer(models=["a:1b"]) as server:
        env = {"OLLAMA_HOST": "127.0.0.1:9", "OPENAI_BASE_URL": server.openai_url}
        discovered = await found(tmp_path, env=env)
    assert names(discovered) == {("openai", "a:1b")}
    (fault,) = discovered.faults
    assert type(fault) is UnreachableError
    assert "http://127.0.0.1:9 cannot be reached" in str(fault)
    assert "OLLAMA_HOST" in fault.hint


async def test_a_server_that_never_ends_costs_two_seconds(tmp_path: Path) -> None:
    is_left = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while not reader.at_eof():
            writer.write(b"x")
            await asyncio.sleep(0.1)
        writer.close()
        with suppress(ConnectionError):  # the client has left
            await writer.wait_closed()
        is_left.set()

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as endless:
        port = endless.sockets[0].getsockname()[1]
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        discovered = await found(tmp_path, env={"OLLAMA_HOST": f"127.0.0.1:{port}"})
        assert clock() - asked_at < 10
        await asyncio.wait_for(is_left.wait(), 30)
    assert [type(fault) for fault in discovered.faults] == [UnreachableError]


@pytest.mark.parametrize("path", ["/no/such/place", "/v1/chat"])
async def test_an_address_without_a_list_is_told(tmp_path: Path, path: str) -> None:
    with ModelServer() as server:
        discovered = await found(tmp_path, env={"OPENAI_BASE_URL": server.url + path})
    assert [type(fault) for fault in discovered.faults] == [MalformedAnswerError]


async def test_a_listing_may_want_the_key(tmp_path: Path) -> None:
    with ModelServer(models=["a:1b"], api_key="right") as server:
        env = {"OPENAI_BASE_URL": server.openai_url}
        wrong = await found(tmp_path, env=env | {"OPENAI_API_KEY": "wrong"})
        right = await found(tmp_path, env=env | {"OPENAI_API_KEY": "right"})
    assert [type(fault) for fault in wrong.faults] == [WrongKeyError]
    assert names(right) == {("openai", "a:1b")}
