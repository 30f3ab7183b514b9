"""Embedders: what turns texts into vectors of unit length; one for the whole installation.

Chosen by the setting `memory.embedder` alone: were it whatever happens to answer, an outage would
move every question to another space.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from agora.domain import chat
from agora.domain.doors import require_act
from agora.domain.errors import SettingsError
from agora.domain.faults import MalformedAnswerError, TimedOutError
from agora.domain.models import SHIPPED, Catalogue, Model, family_of
from agora.domain.servers import is_private
from agora.domain.settings import Settings

Vectors = list[list[float]]
WORDLLAMA = "wordllama"
LONGEST = 2_000
"""Characters of a text that are embedded: served models take little more."""


class Embedder(Protocol):
    """A space of meanings; its name and the length of its vectors tell it from any other."""

    @property
    def name(self) -> str:
        """Return what the space is called."""

    @property
    def model(self) -> Model | None:
        """Return the model that is asked over the network, inside of acts; None: no network."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector for each text; raise a ModelFault."""


@dataclass(frozen=True)
class WordLlama:
    """Mean vectors of words, from the package itself: 0.05 ms a text, no server, no download."""

    name: str = WORDLLAMA
    model: None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of 256 numbers."""
        return await asyncio.to_thread(self._embed, texts)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        return _unit(_wordllama().embed(_sendable(texts)))


@cache
def _wordllama() -> Any:
    log = logging.getLogger()
    level, handlers = log.level, list(log.handlers)
    import wordllama

    log.level, log.handlers[:] = level, handlers  # it begins to log for everybody
    # Its default looks where nothing is, and would then fetch what the wheel has brought.
    folder = Path(wordllama.__file__).parent
    loaded = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    # It takes a whole text for one word, and would keep 10,000 of them: 80 MB, no gain.
    loaded.tokenizer.model._resize_cache(0)
    return loaded


@dataclass(frozen=True)
class ServedEmbedder:
    """A model for embeddings on an Ollama or OpenAI-compatible server."""

    model: Model
    settings: Settings

    @property
    def name(self) -> str:
        """Return vendor and model, as they may stand in a collection's name."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.model.vendor} {self.model.name}".lower())

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return what the server gives, scaled to unit length."""
        require_act("ask_model")
        await chat.load()
        from agora.domain import diagnosis, vendors
        from agora.domain.wires import Wire

        model, wire = self.model, Wire()
        client = vendors.embeddings(model, self.settings, wire)
        sent = _sendable(texts)
        try:
            async with asyncio.timeout(self.settings.memory.embedder_s):
                found = await client.aembed_documents(sent)
        except TimeoutError:
            raise TimedOutError(model.name, model.server, vendor=model.vendor) from None
        except vendors.RAISED as error:
            raise diagnosis.name(error, model, wire.headers) from error
        if len(found) != len(sent) or len({len(one) for one in found}) != 1:
            said = f"{len(found)} vectors for {len(sent)} texts"
            raise MalformedAnswerError(model.name, model.server, said, vendor=model.vendor)
        return _unit(found)


def choose_embedder(settings: Settings) -> Embedder:
    """Use the package's own vectors unless the settings name a served model.

    Raises SettingsError for what is neither `wordllama`, `ollama:MODEL` nor `openai:MODEL`.
    """
    wanted = settings.memory.embedder
    vendor, _, name = wanted.partition(":")
    if wanted == WORDLLAMA:
        return WordLlama()
    if vendor not in ("ollama", "openai") or not name:
        raise SettingsError(
            f"memory.embedder: {wanted!r} is no embedder",
            "wordllama, ollama:MODEL or openai:MODEL",
        )
    return ServedEmbedder(_model(vendor, name, settings), settings)


def _model(vendor: str, name: str, settings: Settings) -> Model:
    known = Catalogue.load(SHIPPED, settings)
    url = known.ollama_url if vendor == "ollama" else known.openai_url
    is_local = is_private(url) and not name.endswith(("-cloud", ":cloud"))
    return Model(
        name=name,
        vendor=vendor,
        family=family_of(name),
        residency="local" if is_local else "cloud",
        context=LONGEST,
        base_url=url,
        usd_in=0.0 if is_local else settings.memory.embedder_usd_in,
    )


def _sendable(texts: Sequence[str]) -> list[str]:
    """Return what every embedder takes: not empty, not endless, nothing but whole characters."""
    return [text[:LONGEST].encode("utf-8", "replace").decode() or " " for text in texts]


def _unit(rows: Any) -> Vectors:
    """Return the rows at unit length; what is no number at all becomes the first axis."""
    found = np.nan_to_num(np.asarray(rows, dtype=np.float32))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    found[lengths[:, 0] == 0, 0] = lengths[lengths[:, 0] == 0, 0] = 1.0
    return cast(Vectors, (found / lengths).tolist())
