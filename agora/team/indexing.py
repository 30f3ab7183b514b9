"""Indexing: rows become vectors, and a text finds the rows that are nearest to it."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import structlog

from agora.domain.contracts import Act, ActOutcome, AgentTask, Json
from agora.domain.embedders import Embedder, Vectors
from agora.domain.errors import RefusedError
from agora.domain.faults import ModelFault
from agora.domain.models import Model, tokens_of
from agora.domain.settings import Settings
from agora.team.acting import Acting, standing_alone
from agora.team.admission import Admission
from memory import acts, collections
from memory.chroma import IndexHeldError, IndexLostError
from memory.collections import Kind
from memory.database import Database
from memory.index import Collection, Index, Neighbour

log = structlog.get_logger()
SILENT = (IndexHeldError, IndexLostError, ModelFault, RefusedError)
"""What leaves a question without neighbours; nothing that a user has to know of."""
KINDS: tuple[Kind, ...] = get_args(Kind)
AT_ONCE = 2
"""So many batches are read before an answer is looked for; all else waits for a job."""


@dataclass
class Indexing:
    """One embedder, one index, and the tables that both follow."""

    settings: Settings
    database: Database
    acting: Acting
    admission: Admission
    index: Index
    embedder: Embedder
    _dimension: int | None = field(default=None, init=False)
    _installation: str | None = field(default=None, init=False)
    _fresh_until: dict[tuple[Kind, str], float] = field(default_factory=dict, init=False)

    async def near(
        self, kind: Kind, tenant: str, text: str, limit: int, labels: Sequence[str] = ()
    ) -> list[Neighbour]:
        """Return the nearest rows of a tenant, nearest first; none while the index is silent."""
        [near] = await self.near_each(kind, tenant, [text], limit, labels)
        return near

    async def near_each(
        self, kind: Kind, tenant: str, texts: Sequence[str], limit: int, labels: Sequence[str] = ()
    ) -> list[list[Neighbour]]:
        """Return the same for many texts at once."""
        try:
            vectors = await self._embed(tenant, texts, labels)
            if self._is_stale(kind, tenant):
                await self._read(kind, tenant, AT_ONCE)
            return await self.index.near(await self._collection(kind, tenant), vectors, limit)
        except SILENT as reason:
            log.info("index.silent", reason=str(reason))
            return [[] for _ in texts]

    def _is_stale(self, kind: Kind, tenant: str) -> bool:
        """Return whether to look for new rows: what is known may be as old as a pulse."""
        now = asyncio.get_running_loop().time()
        if now < self._fresh_until.get((kind, tenant), 0.0):
            return False
        self._fresh_until[kind, tenant] = now + self.settings.memory.pulse_s
        return True

    async def forget(self, kind: Kind, tenant: str, ids: Sequence[int]) -> None:
        """Remove the vectors of rows that are gone."""
        try:
            await self.index.forget(await self._collection(kind, tenant), ids)
        except SILENT as reason:
            log.info("index.silent", reason=str(reason))

    async def catch_up(self) -> int:
        """Read all that is new, of all tenants; return how many rows.

        Raises IndexHeldError, IndexLostError or a ModelFault.
        """
        read = 0
        for kind in KINDS:
            async with self.database.autocommit() as connection:
                tenants = await collections.tenants(connection, kind)
            for tenant in tenants:
                read += await self._read(kind, tenant)
        if self._dimension is not None:  # of another embedder nothing is needed any more
            current = await self._collection(KINDS[0], "")
            await self.index.clear(current.installation, but=current.space)
        return read

    async def rebuild(self) -> int:
        """Throw all vectors away and compute them again; return how many."""
        await self.index.clear(await self._where())
        async with self.database.autocommit() as connection:
            await collections.forget(connection)
        return await self.catch_up()

    async def touch(self) -> None:
        """Embed a word and open a collection; raise what keeps questions without neighbours."""
        await self.index.opened(await self._collection(KINDS[0], "default"))

    async def close(self) -> None:
        """Let other processes have the index."""
        await self.index.close()

    async def _read(self, kind: Kind, tenant: str, batches: int | None = None) -> int:
        into, read = await self._collection(kind, tenant), 0
        collection_id = await self.index.opened(into)
        while batches is None or batches > 0:
            async with self.database.autocommit() as connection:
                rows = await collections.unread(
                    connection, kind, tenant, collection_id, self._leaves
                )
            if not rows:
                break
            vectors = await self._embed(tenant, [row["text"] for row in rows])
            await self.index.put(into, [row["id"] for row in rows], vectors)
            async with self.database.autocommit() as connection:
                await collections.has_read(connection, collection_id, into.name, rows[-1])
            read += len(rows)
            batches = None if batches is None else batches - 1
        return read

    @property
    def _leaves(self) -> bool:
        return self.embedder.model is not None and self.embedder.model.residency != "local"

    async def embed(self, tenant: str, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts that no row holds; raise a ModelFault or RefusedError."""
        return await self._embed(tenant, texts) if texts else []

    async def _collection(self, kind: Kind, tenant: str) -> Collection:
        if self._dimension is None:
            await self._embed(tenant, ["dimension"])
        here = await self._where()
        return Collection(here, kind, tenant, self.embedder.name, self._dimension or 0)

    async def _where(self) -> str:
        if self._installation is None:
            async with self.database.autocommit() as connection:
                self._installation = await collections.installation(connection)
        return self._installation

    async def vectors(self, tenant: str, texts: Sequence[str]) -> Vectors:
        """Return one vector of unit length for each text."""
        return await self._embed(tenant, texts)

    async def _embed(
        self, tenant: str, texts: Sequence[str], labels: Sequence[str] = ()
    ) -> Vectors:
        if self.embedder.model is None:
            vectors = await self.embedder.embed(texts)
        else:
            vectors = await self._ask(self.embedder.model, tenant, texts, labels)
        self._dimension = len(vectors[0])
        return vectors

    async def _ask(
        self, model: Model, tenant: str, texts: Sequence[str], labels: Sequence[str]
    ) -> Vectors:
        """Ask a served embedder, as an act of its own: paid by the day's budget."""
        found: list[Vectors] = []
        used = model.spent(sum(tokens_of(text) for text in texts), 0, is_estimate=True)

        async def do() -> ActOutcome:
            found.append(await self.embedder.embed(texts))
            spent: Json = {"cost_usd": used.cost_usd, "is_estimate": True}
            return ActOutcome(result={"texts": len(texts)}, tokens=used.tokens, **spent)

        task = AgentTask(id=f"embed-{uuid.uuid4().hex}", text="vectors", tenant=tenant)
        drawn = self.admission.all_budgets(task)[0]
        async with self.database.autocommit() as connection:
            await acts.open_budgets(connection, drawn)
        act = Act(
            kind="ask_model",
            subject=model.name,
            cost_usd=used.cost_usd,
            tokens=used.tokens,
            budgets=tuple(one.name for one in drawn),
            facts={"residency": model.residency, "labels": list(labels), "tenant": tenant},
        )
        with standing_alone(task.id, "index"):
            await self.acting.perform(act, do)
        return found[0]
