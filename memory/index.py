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


@dataclass(frozen=True)
class Collection:
    """The vectors of one table, tenant and embedder, of one installation: a server has many."""

    installation: str
    kind: str
    tenant: str
    embedder: str
    dimension: int

    @property
    def space(self) -> str:
        """Return what tells the vectors' space of meanings from any other."""
        return f"{self.embedder}-{self.dimension}"

    @property
    def name(self) -> str:
        """Return a name that nothing else has, of the characters that Chroma takes."""
        whole = "\0".join((self.installation, self.kind, self.tenant, self.space))
        space = re.sub(r"[^a-z0-9-]+", "-", self.space)[:60].strip("-")
        return f"{self.kind}-{space}-{sha256(whole.encode()).hexdigest()[:32]}"

    @property
    def metadata(self) -> dict[str, str]:
        """Return what is written beside the vectors."""
        return {"installation": self.installation, "space": self.space}


@dataclass
class Index:
    """Collections of vectors in one Chroma."""

    chroma: Chroma
    repairs: int = field(default=0, init=False)  # how often it has failed and was opened anew
    _collections: dict[Collection, Any] = field(default_factory=dict, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    async def opened(self, it: Collection) -> str:
        """Return the id of a collection, made if it is not there: another id is another start."""
        return await self._do(it, lambda found: str(found.id))

    async def put(
        self, it: Collection, ids: Sequence[int], vectors: Sequence[Sequence[float]]
    ) -> None:
        """Store vectors, again or for the first time."""
        said = [str(one) for one in ids]
        await self._do(it, lambda found: found.upsert(ids=said, embeddings=list(vectors)))

    async def near(
        self, it: Collection, vectors: Sequence[Sequence[float]], limit: int
    ) -> list[list[Neighbour]]:
        """Return the nearest rows of each vector, nearest first."""
        wanted = {"query_embeddings": list(vectors), "n_results": limit, "include": ["distances"]}
        found = await self._do(it, lambda opened: opened.query(**wanted))
        return [
            [Neighbour(int(one), 1.0 - float(far)) for one, far in zip(ids, distances, strict=True)]
            for ids, distances in zip(found["ids"], found["distances"], strict=True)
        ]

    async def forget(self, it: Collection, ids: Sequence[int]) -> None:
        """Remove vectors whose rows are gone."""
        if ids:
            await self._do(it, lambda found: found.delete(ids=[str(one) for one in ids]))

    async def count(self, it: Collection) -> int:
        """Return how many vectors there are."""
        return int(await self._do(it, lambda found: found.count()))

    async def clear(self, installation: str, but: str | None = None) -> int:
        """Remove an installation's collections, but for those of one space; return how many."""
        return await asyncio.to_thread(self._clear, installation, but)

    async def close(self) -> None:
        """Let other processes have the files."""
        await asyncio.to_thread(self._close)

    async def _do(self, it: Collection, work: Callable[[Any], Found]) -> Found:
        return await asyncio.to_thread(self._locked, it, work)

    def _locked(self, it: Collection, work: Callable[[Any], Found]) -> Found:
        with self._lock:
            try:
                return work(self._collection(it))
            except IndexHeldError:
                raise
            except Exception as error:  # Chroma's own, SQLite's, Rust's, the network's
                log.info("index.repaired", reason=str(error)[:200])
            try:
                self._repair()
                return work(self._collection(it))
            except AgoraError:
                raise
            except Exception as error:
                raise IndexLostError(f"the index has failed: {error}") from error

    def _collection(self, it: Collection) -> Any:
        if it not in self._collections:
            self._collections[it] = self.chroma.client().get_or_create_collection(
                it.name, embedding_function=None, configuration=SPACE, metadata=it.metadata
            )
        return self._collections[it]

    def _repair(self) -> None:
        self.repairs += 1
        self._collections.clear()
        self.chroma.repair()

    def _clear(self, installation: str, but: str | None) -> int:
        with self._lock:
            client = self.chroma.client()
            said = [(one.name, one.metadata or {}) for one in client.list_collections()]
            ours = [
                name
                for name, about in said
                if about.get("installation") == installation and about.get("space") != but
            ]
            self._collections.clear()
            for name in ours:
                client.delete_collection(name)
            return len(ours)

    def _close(self) -> None:
        with self._lock:
            self._collections.clear()
            self.chroma.close()
