import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from agora.domain.contracts import Act
from agora.domain.doors import opened
from agora.domain.embedders import ServedEmbedder, WordLlama, choose_embedder
from agora.domain.errors import OutsideOfActError, SettingsError
from agora.domain.faults import ModelFault
from agora.domain.settings import Settings, load
from tests.model_server import ModelServer

ACT = Act(kind="ask_model", subject="nomic-embed-text")
BOTH = pytest.mark.parametrize("vendor", ["ollama", "openai"])


def cosine(one: list[float], other: list[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(models=("nomic-embed-text",)) as server:
        yield server


def served(server: ModelServer, vendor: str, **more: Any) -> ServedEmbedder:
    named: dict[str, Any] = {"memory.embedder": f"{vendor}:nomic-embed-text"} | more
    named |= {"ollama.host": server.url, "openai.base_url": server.openai_url}
    made = choose_embedder(load({}, **named))
    assert isinstance(made, ServedEmbedder)
    return made


def plain() -> Settings:
    return load({})


async def test_words_of_one_meaning_are_nearer_than_others() -> None:
    embedder = choose_embedder(plain())
    assert isinstance(embedder, WordLlama) and embedder.model is None
    one, like, unlike = await embedder.embed(
        ["How do I renew my passport?", "Passport renewal", "What is a monad in Haskell?"]
    )
    assert cosine(one, like) > 0.5 > cosine(one, unlike)
    assert cosine(one, one) == pytest.approx(1, abs=1e-5) and len(one) == 256


@pytest.mark.parametrize("text", ["", " ", "\0", "🙂" * 5000, "\ud800x", "a" * 100_000])
async def test_any_text_has_a_vector_of_unit_length(text: str) -> None:
    [found] = await WordLlama().embed([text])
    assert cosine(found, found) == pytest.approx(1, abs=1e-4)


async def test_texts_that_were_embedded_are_not_kept() -> None:
    async def held_mb(name: str, texts: int) -> float:
        for number in range(texts):
            await WordLlama().embed([f"Which number follows {name} {number}? The next one, please"])
        return float(psutil.Process().memory_info().rss) / 2**20

    before = await held_mb("one", 500)
    assert await held_mb("other", 4_000) - before < 4, "11 MB where each is kept"


def test_the_shipped_embedder_dials_nowhere_and_leaves_the_log_alone() -> None:
    probe = (
        "import socket, logging, asyncio\n"
        "def no(*_): raise AssertionError('dialled out')\n"
        "socket.socket.connect = no; socket.getaddrinfo = no\n"
        "from agora.domain.embedders import WordLlama\n"
        "assert len(asyncio.run(WordLlama().embed(['a']))[0]) == 256\n"
        "assert not logging.getLogger().handlers\n"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, timeout=300)
    assert logging.getLogger().level != logging.INFO


@BOTH
async def test_a_served_model_gives_vectors_of_unit_length(
    server: ModelServer, vendor: str
) -> None:
    embedder = served(server, vendor)
    with opened(ACT):
        one, other = await embedder.embed(["red green", "red blue"])
    assert cosine(one, one) == pytest.approx(1, abs=1e-5)
    assert 0.2 < cosine(one, other) < 0.9
    assert embedder.name == f"{vendor}-nomic-embed-text"


@BOTH
@pytest.mark.parametrize("fault", ["500", "401", "404", "cut"])
async def test_a_fault_of_the_server_has_a_name(
    server: ModelServer, vendor: str, fault: str
) -> None:
    server.fail(fault)
    with opened(ACT), pytest.raises(ModelFault):
        await served(server, vendor).embed(["one", "two"])


async def test_a_served_model_is_asked_in_an_act_only(server: ModelServer) -> None:
    with pytest.raises(OutsideOfActError):
        await served(server, "ollama").embed(["one"])
    assert not server.embedded


@pytest.mark.parametrize("name", ["", "minilm", "ollama:", "cohere:embed"])
def test_an_unknown_embedder_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match="memory.embedder"):
        choose_embedder(load({}, **{"memory.embedder": name}))
