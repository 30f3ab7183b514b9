"""Recalling: an answer is served again only to the same question in the same scope."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from agora.domain import questions
from agora.domain.contracts import AgentOutcome, AgentTask
from agora.domain.settings import MemorySettings
from agora.domain.signing import canonical
from agora.team.library import state_of
from agora.team.market import declared
from memory import answers
from memory.database import Database

NEVER = {"private", "side_effects", "untrusted"}
"""Labels of tasks whose answers are neither kept nor served."""


@dataclass(frozen=True)
class Recalling:
    """Exact repeats."""

    database: Database
    settings: MemorySettings

    async def find(self, task: AgentTask) -> AgentOutcome | None:
        """Return the living answer to the same question, marked as cached and free; or None."""
        if (scope := await self._scope(task)) is None:
            return None
        async with self.database.autocommit() as connection:
            row = await answers.find(connection, scope, questions.normal_form(task.text))
        if row is None:
            return None
        known = AgentOutcome.model_validate(row["outcome"])
        return known.but(cached=True, cost_usd=0.0, tokens=0, latency_s=0.0, tool_calls=())

    async def keep(self, task: AgentTask, outcome: AgentOutcome) -> None:
        """Store an answer that may be served again."""
        if outcome.status != "answered" or outcome.cached or outcome.error:
            return
        if (scope := await self._scope(task)) is None:
            return
        life = timedelta(days=self.settings.answers_days)
        form = questions.normal_form(task.text)
        async with self.database.autocommit() as connection:
            await answers.keep(connection, scope, form, outcome, task.id, life)

    async def _scope(self, task: AgentTask) -> str | None:
        """Return what must be the same beside the question; None where nothing may be served."""
        asks = (questions.is_personal, questions.is_live, questions.has_side_effects)
        if NEVER & set(task.labels) or any(ask(task.text) for ask in asks):
            return None
        read = await asyncio.to_thread(state_of, task.workspace) if task.workspace else ""
        if read is None:
            return None  # uncommitted work: what the documents say may change at any moment
        versions = {expert.name: expert.version for expert in declared()}
        same = [task.tenant, task.workspace, read, task.domain, list(task.requires), versions]
        return sha256(canonical(same).encode()).hexdigest()
