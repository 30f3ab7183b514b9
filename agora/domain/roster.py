"""Which models may bid now: asked of the servers that the settings name, and of the catalogue."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from agora.domain.diagnosis import kind_of, said_by
from agora.domain.errors import SettingsError
from agora.domain.faults import (
    MalformedAnswerError,
    ModelFault,
    TimedOutError,
    UnknownModelError,
    UnpricedError,
    UnreachableError,
)
from agora.domain.models import OPENAI_URL, SHIPPED, Catalogue, Model
from agora.domain.plugs import plugged
from agora.domain.servers import is_private, server_of
from agora.domain.settings import Settings

PROBE_S = 2.0
NOT_CHAT = re.compile(r"embed|bge-|rerank|whisper|tts|dall-e|moderation|transcribe", re.IGNORECASE)
RAISED = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, LookupError, TypeError)


@dataclass(frozen=True)
class Discovered:
    """The models that may bid, and why others may not."""

    models: tuple[Model, ...] = ()
    faults: tuple[ModelFault, ...] = ()

    def __add__(self, other: "Discovered") -> "Discovered":
        """Return both together."""
        return Discovered(self.models + other.models, self.faults + other.faults)


async def discover(settings: Settings, catalogue: Catalogue | None = None) -> Discovered:
    """Return the models of all configured servers; a silent one costs two seconds and a fault.

    Raises SettingsError for a model that the settings name and that has no known price.
    """
    known = catalogue or Catalogue.load(SHIPPED, settings)
    ollama, openai = await asyncio.gather(_ollama(known), _openai(known))
    others = (_plugged(known, vendor) for vendor in settings.vendors)
    return sum(others, ollama + openai)


def _plugged(catalogue: Catalogue, vendor: str) -> Discovered:
    plugged(vendor)  # says at once when its package is missing
    chosen = catalogue.settings.vendors[vendor].models
    names = catalogue.names(vendor) if chosen is None else chosen
    return Discovered(tuple(catalogue.model(vendor, name) for name in names))


async def _ollama(catalogue: Catalogue) -> Discovered:
    chosen = catalogue.settings.ollama
    if chosen.models is not None:
        return Discovered(tuple(catalogue.model("ollama", name) for name in chosen.models))
    if chosen.host is None:
        return Discovered()
    return await _asked(catalogue, "ollama", f"{catalogue.ollama_url}/api/tags", {})


async def _openai(catalogue: Catalogue) -> Discovered:
    chosen = catalogue.settings.openai
    if chosen.models is not None:
        return Discovered(tuple(catalogue.model("openai", name) for name in chosen.models))
    if catalogue.openai_url == OPENAI_URL:
        names = catalogue.names("openai") if chosen.api_key else ()
        return Discovered(tuple(catalogue.model("openai", name) for name in names))
    key = chosen.api_key.get_secret_value() if chosen.api_key else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return await _asked(catalogue, "openai", f"{catalogue.openai_url}/models", headers)


async def _asked(
    catalogue: Catalogue, vendor: str, url: str, headers: dict[str, str]
) -> Discovered:
    rows, key = ("models", "name") if vendor == "ollama" else ("data", "id")
    try:
        async with asyncio.timeout(PROBE_S):
            listing = await _get(url, headers)
        names = [str(row[key]) for row in listing[rows]]
    except RAISED as error:
        return Discovered(faults=(_fault(error, vendor, url),))
    return _priced(catalogue, vendor, [n for n in names if not NOT_CHAT.search(n)], url)


async def _get(url: str, headers: dict[str, str]) -> Any:
    async with httpx.AsyncClient(timeout=PROBE_S, trust_env=not is_private(url)) as http:
        response = await http.get(url, headers=headers)
    return response.raise_for_status().json()


def _priced(catalogue: Catalogue, vendor: str, names: Sequence[str], url: str) -> Discovered:
    models, unpriced = [], []
    for name in names:
        try:
            models.append(catalogue.model(vendor, name))
        except SettingsError:
            unpriced.append(name)
    said = ", ".join(unpriced[:5]) + (f" and {len(unpriced) - 5} more" if unpriced[5:] else "")
    fault = UnpricedError("", server_of(url), said, vendor=vendor)
    return Discovered(tuple(models), (fault,) if unpriced else ())


def _fault(error: Exception, vendor: str, url: str) -> ModelFault:
    kind, said = kind_of(error), said_by(error)
    if kind is TimedOutError:
        kind, said = UnreachableError, f"no answer within {PROBE_S:g} s"
    elif kind is UnknownModelError:  # not even a list of models is there
        kind = MalformedAnswerError
    return kind("", server_of(url), said, vendor=vendor)
