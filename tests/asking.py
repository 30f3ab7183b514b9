"""Asking a model of the fault server, as an act asks it."""

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

import pytest

from agora.domain import attempts  # loads the clients now, not while a test is timed
from agora.domain import settings as configuration
from agora.domain.chat import ask
from agora.domain.contracts import Act
from agora.domain.doors import opened
from agora.domain.faults import ModelFault
from agora.domain.models import SHIPPED, Catalogue, Model
from agora.domain.replies import Reply
from agora.domain.settings import Settings
from tests.model_server import ModelServer

NAMES: dict[str, str] = {"ollama": "qwen3:8b", "openai": "gpt-4o-mini"}
PRICES = {"gpt-4o-mini": (0.15, 0.6)}
HOME = Path(__file__).parent  # a data folder without a models.yaml


def settings_for(server: ModelServer, **arguments: Any) -> Settings:
    """Return settings that name the server for both vendors."""
    named = {"OLLAMA_HOST": server.url, "OPENAI_BASE_URL": server.openai_url}
    return configuration.load(named | {"AGORA_HOME": str(HOME)}, **arguments)


def model_of(server: ModelServer, vendor: str, **changes: Any) -> Model:
    """Return the vendor's usual model, as the server offers it."""
    catalogue = Catalogue.load(SHIPPED, settings_for(server))
    return catalogue.model(vendor, NAMES[vendor]).but(**changes)


async def asked(
    server: ModelServer,
    vendor: str,
    said: str | Sequence[Any] = "Reply with exactly: the quick brown fox jumps over the lazy dog",
    *,
    model: Model | None = None,
    settings: Settings | None = None,
    **options: Any,
) -> Reply:
    """Ask inside of an act; `said` is one question or a whole conversation."""
    messages: Sequence[Any] = [{"role": "user", "content": said}] if isinstance(said, str) else said
    model = model or model_of(server, vendor)
    options = {"deadline_s": 20.0, "answer_tokens": 200} | options
    with opened(Act(kind="ask_model", subject=model.name)):
        return await ask(model, messages, settings or settings_for(server), **options)


async def fault_of(server: ModelServer, vendor: str, *args: Any, **options: Any) -> ModelFault:
    """Ask in vain: return the fault; no deadline leaves room for a second attempt."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(attempts, "ROOM_S", inf)
        try:
            reply = await asked(server, vendor, *args, **options)
        except ModelFault as fault:
            return fault
    raise AssertionError(f"answered: {reply!r}")
