"""Vectors of the model server: words, hashed to places; the same words are near each other."""

import re
from hashlib import sha256

from tests.model_answers import Exchange
from tests.model_wires import REFUSALS, Json, as_bytes

EMBEDDINGS = ("/api/embed", "/v1/embeddings")
PLACES = 64


def vector(text: str) -> list[float]:
    """Return how often a text has a word of each place."""
    counts = [0.0] * PLACES
    for word in re.findall(r"\w+", text.lower()):
        counts[sha256(word.encode()).digest()[0] % PLACES] += 1.0
    return counts


def embedded(exchange: Exchange, fault: str | None) -> tuple[int, bytes]:
    """Return status and body for a request of vectors."""
    if fault in REFUSALS:
        refusal = REFUSALS[fault]
        return refusal.status, as_bytes({"error": {"message": refusal.message}})
    given = exchange.body["input"]
    texts = [given] if isinstance(given, str) else given
    vectors = [vector(text) for text in texts]
    if fault == "cut":
        vectors = vectors[:-1]
    if exchange.path == "/api/embed":
        body: Json = {"model": exchange.model, "embeddings": vectors}
    else:
        each = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        body = {"object": "list", "model": exchange.model, "data": each, "usage": usage}
    return 200, as_bytes(body)
