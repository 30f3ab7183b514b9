"""The index: vectors by the id of the row that they stand for, a collection a tenant and embedder.

Nothing is known here alone: what is lost is computed again from rows, what is stale proposes a row
that is no longer there.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import Any, TypeVar

import structlog

from agora.domain.errors import AgoraError
from memory.chroma import Chroma, IndexHeldError, IndexLostError

log = structlog.get_logger()
Found = TypeVar("Found")
SPACE = {"hnsw": {"space": "cosine"}}


@dataclass(frozen=True)
class Neighbour:
    """A row whose text is near, and the cosine of the two vectors."""

    id: int
    cosine: float


def collection_name(kind: str, tenant: str, embedder: str, dimension: int) -> str:
    """Return a name that no other space of meanings and no other tenant has."""
    space = f"{embedder}-{dimension}"
    digest = sha256(f"{kind}\0{tenant}\0{space}".encode()).hexdigest()[:32]
    return f"{kind}-{re.sub(r'[^a-z0-9-]+', '-', space)[:60].strip('-')}-{digest}"


@dataclass
class Index:
    """Collections of vectors in one Chroma."""

    chroma: Chroma
    _collections: dict[str, Any] = field(default_factory=dict, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    async def opened(self, name: str) -> str:
        """Return the id of a collection, made if it is not there: another id is another start."""
        return await self._do(name, lambda collection: str(collection.id))

    async def put(self, name: str, ids: Sequence[int], vectors: Sequence[Sequence[float]]) -> None:
        """Store vectors, again or for the first time."""
        said = [str(one) for one in ids]
        await self._do(name, lambda it: it.upsert(ids=said, embeddings=list(vectors)))

    async def near(
        self, name: str, vectors: Sequence[Sequence[float]], limit: int
    ) -> list[list[Neighbour]]:
        """Return the nearest rows of each vector, nearest first."""
        wanted = {"query_embeddings": list(vectors), "n_results": limit, "include": ["distances"]}
        found = await self._do(name, lambda it: it.query(**wanted))
        return [
            [Neighbour(int(one), 1.0 - float(far)) for one, far in zip(ids, distances, strict=True)]
            for ids, distances in zip(found["ids"], found["distances"], strict=True)
        ]

    async def forget(self, name: str, ids: Sequence[int]) -> None:
        """Remove vectors whose rows are gone."""
        if ids:
            await self._do(name, lambda it: it.delete(ids=[str(one) for one in ids]))

    async def count(self, name: str) -> int:
        """Return how many vectors there are."""
        return int(await self._do(name, lambda it: it.count()))

    async def clear(self) -> None:
        """Remove all collections; they are made again when somebody needs them."""
        await asyncio.to_thread(self._clear)

    async def close(self) -> None:
        """Let other processes have the files."""
        await asyncio.to_thread(self._close)

    async def _do(self, name: str, work: Callable[[Any], Found]) -> Found:
        return await asyncio.to_thread(self._locked, name, work)

    def _locked(self, name: str, work: Callable[[Any], Found]) -> Found:
        with self._lock:
            try:
                return work(self._collection(name))
            except IndexHeldError:
                raise
            except Exception as error:  # Chroma's own, SQLite's, Rust's, the network's
                log.warning("index.repaired", reason=str(error)[:200])
            try:
                self._repair()
                return work(self._collection(name))
            except AgoraError:
                raise
            except Exception as error:
                raise IndexLostError(f"the index has failed: {error}") from error

    def _collection(self, name: str) -> Any:
        if name not in self._collections:
            made = self.chroma.client().get_or_create_collection(
                name, embedding_function=None, configuration=SPACE
            )
            self._collections[name] = made
        return self._collections[name]

    def _repair(self) -> None:
        self._collections.clear()
        self.chroma.repair()

    def _clear(self) -> None:
        with self._lock:
            self._collections.clear()
            client = self.chroma.client()
            for collection in client.list_collections():
                client.delete_collection(collection.name)

    def _close(self) -> None:
        with self._lock:
            self._collections.clear()
            self.chroma.close()
