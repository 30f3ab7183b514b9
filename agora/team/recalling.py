"""Recalling: an answer is served again only to the same question in the same scope.

First in the same words, then by the gate's key, which is one look-up; then by a judge, who is asked
about the nearest known questions and whose yes is an alias from then on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import islice
from typing import Any

import prompts
from agora.domain import questions
from agora.domain.contracts import Act, AgentOutcome, AgentTask, Json
from agora.domain.experts import LIBRARIAN
from agora.domain.settings import MemorySettings
from agora.domain.signing import canonical
from agora.team.acting import Acting
from agora.team.indexing import Indexing
from agora.team.judging import Judging
from agora.team.library import state_of
from memory import answers
from memory.answers import Asked
from memory.database import Database, Row

NEVER = {"private", "side_effects", "untrusted"}
"""Labels of tasks whose answers are neither kept nor served, unless settings allow the first."""
NEAR = 0.30
"""Cosine from which a known question is worth a judge's time."""
WITHIN = 3
"""So many times as many neighbours are looked up as a judge may see: others are of other scopes."""


@dataclass(frozen=True)
class Recalling:
    """The semantic cache."""

    database: Database
    settings: MemorySettings
    acting: Acting
    indexing: Indexing
    judging: Judging

    async def find(self, task: AgentTask) -> AgentOutcome | None:
        """Return the living answer to the same question, marked as cached and free; or None."""
        if (asked := await self._asked(task)) is None:
            return None
        if (found := await self.look_up(asked, task)) is None:
            return None
        known = AgentOutcome.model_validate(found["outcome"])
        return known.but(cached=True, cost_usd=0.0, tokens=0, latency_s=0.0, tool_calls=())

    async def look_up(self, asked: Asked, task: AgentTask) -> Row | None:
        """Return the entry that answers a question: by its words, its key, or a judge's yes."""
        async with self.database.autocommit() as connection:
            found = await answers.find(connection, asked)
            if found is not None:
                await answers.serve(connection, asked, found, found["how"], task.id)
        return found or await self._judged(asked, task)

    async def alone(self, task: AgentTask, turns: Sequence[str]) -> AgentTask | None:
        """Return the task with a text that stands alone, whatever was said before.

        None where its text rests on other turns and no model can say how: nothing is served then.
        """
        may_rest = questions.rests_on_others(task.text) if turns else questions.goes_on(task.text)
        if not may_rest:
            return task
        if not turns or "untrusted" in task.labels:
            return None
        judge = await self.judging.judge(task)
        text = await self.judging.standalone(task, judge, turns) if judge else None
        return task.but(text=text) if text else None

    async def keep(self, task: AgentTask, outcome: AgentOutcome, source: str = "task") -> None:
        """Store an answer that may be served again."""
        if not self._is_worth_keeping(outcome):
            return
        if (asked := await self._asked(task)) is None or not await self.may_keep(task, outcome):
            return
        life = timedelta(days=self.settings.answers_days)
        async with self.database.autocommit() as connection:
            await answers.keep(connection, asked, outcome, task.id, life, source)

    async def may_keep(self, task: AgentTask, outcome: AgentOutcome) -> bool:
        """Return whether a policy lets an answer be served again; a no is written down."""
        facts: Json = {"labels": list(outcome.labels), "tenant": task.tenant}
        actor = outcome.expert or "agora"
        act = Act(kind="keep_answer", subject=task.workspace or "", actor=actor, facts=facts)
        said = self.acting.policy.decide(act)
        if not said.is_allowed:
            what = {"actor": actor, "reasons": list(said.reasons), "policy": said.hash}
            await self.acting.record(act.kind, task.id, "deny", correlation_id=task.id, **what)
        return said.is_allowed

    async def reject(self, task_id: str) -> int:
        """Forget what a task was told, and never take the two questions for one again."""
        async with self.database.transaction() as connection:
            gone = await answers.reject(connection, task_id)
        await self._unindex(gone)
        return len(gone)

    async def forget(self, answer_id: int | None) -> int:
        """Forget an answer, or all of them; return how many."""
        async with self.database.transaction() as connection:
            gone = await answers.forget(connection, answer_id)
        await self._unindex(gone)
        return len(gone)

    async def expire(self) -> int:
        """Remove what has outlived its time; return how much. An upkeep step."""
        async with self.database.transaction() as connection:
            gone = await answers.expire(connection)
        await self._unindex(gone)
        return len(gone)

    @property
    def _never(self) -> set[str]:
        return NEVER - set(self.settings.also_keep)

    def _is_worth_keeping(self, outcome: AgentOutcome) -> bool:
        # What a tool has said holds for that moment, and nobody vouches for where it came from.
        is_plain = not outcome.tool_calls or "tool_results" in self.settings.also_keep
        is_plain = is_plain and outcome.status == "answered" and not outcome.cached
        is_plain = is_plain and not outcome.error  # some part of it has failed
        is_sure = outcome.confidence >= self.settings.least_confidence
        return is_plain and (is_sure or outcome.expert == LIBRARIAN.name)

    async def _judged(self, asked: Asked, task: AgentTask) -> Row | None:
        """Return the nearest answer whose question a judge takes for the same; it gets an alias."""
        if not self.settings.judge_pairs or not await self.judging.has_models():
            return None
        near = await self.neighbours(asked)
        judge = await self.judging.judge(task) if near else None
        if judge is None:
            return None
        known = [row["question"] for row in near]
        number = await self.judging.same(task, judge, asked.text, known)
        if number is None:
            return None
        found = near[number]
        async with self.database.transaction() as connection:
            await answers.alias(connection, asked, found["id"], judge.name)
            await answers.serve(connection, asked, found, "judge", task.id)
            # By its alias, as the next one finds it: None if somebody has just forgotten it.
            return await answers.find(connection, asked)

    async def neighbours(self, asked: Asked) -> list[Row]:
        """Return what a judge should see: near, in scope, and not ruled out by the gate."""
        most = self.settings.judge_pairs
        near = await self.indexing.near("answers", asked.tenant, asked.text, most * WITHIN)
        ids = [one.id for one in near if one.cosine >= NEAR]
        if not ids:
            return []
        async with self.database.autocommit() as connection:
            rows = await answers.among(connection, asked, ids)
            gone = await answers.gone(connection, ids) if len(rows) < len(ids) else []
        await self.indexing.forget("answers", asked.tenant, gone)
        order = {one: place for place, one in enumerate(ids)}
        rows.sort(key=lambda row: order[row["id"]])
        likely = (row for row in rows if not questions.are_apart(asked.text, row["question"]))
        return list(islice(likely, most))

    async def _unindex(self, gone: Sequence[Row]) -> None:
        tenants: dict[str, list[int]] = {}
        for row in gone:
            tenants.setdefault(row["tenant"], []).append(row["id"])
        for tenant, ids in tenants.items():
            await self.indexing.forget("answers", tenant, ids)

    async def _asked(self, task: AgentTask) -> Asked | None:
        """Return the question as the cache knows it; None where nothing may be served."""
        if self._never & set(task.labels) or not questions.may_be_kept(task.text):
            return None
        read = await asyncio.to_thread(state_of, task.workspace) if task.workspace else ""
        if read is None:
            return None  # uncommitted work: what the documents say may change at any moment
        same: list[Any] = [task.tenant, task.workspace, read, task.domain, list(task.requires)]
        same += [sorted(task.labels), self.acting.policy.hash, self._versions()]
        return asked_of(task.tenant, _hash(canonical(same)), task.text)

    def _versions(self) -> Mapping[str, int]:
        """Return the version of every prompt that an answer rests on."""
        known = {one.name: one.version for one in self.judging.market.experts()}
        return known | {"answer": prompts.load("answer").version}


def asked_of(tenant: str, scope: str, text: str) -> Asked:
    """Return a question within a scope, by the hashes of its normal form and its gate key."""
    form, key = questions.normal_form(text), questions.key(text)
    # PostgreSQL keeps whole characters only, and none that is zero.
    kept = text.replace("\0", "").encode("utf-8", "replace").decode()
    return Asked(tenant, scope, _hash(form), _hash(key), kept, news_scope(tenant))


def news_scope(tenant: str) -> str:
    """Return the scope of answers from the news: they rest on no workspace and on no prompt."""
    return _hash(f"news\0{tenant}")


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
