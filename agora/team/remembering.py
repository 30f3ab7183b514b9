"""Remembering: outcomes, tools, reflections and feedback become memories that tasks are told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from agora.domain import questions, recollection, tool_tallies
from agora.domain.contracts import AgentOutcome, AgentTask, Json
from agora.domain.errors import UsageError
from agora.domain.judgements import Judgement
from agora.domain.labels import INJECTED, PRIVATE, UNTRUSTED
from agora.domain.recollection import ALIKE, HIGH, NEAR, Word
from agora.domain.settings import Settings
from agora.team.assessing import say
from agora.team.indexing import SILENT, Indexing
from agora.team.market import Market
from agora.team.recalling import Recalling
from memory import events, feedback, memories, tasks, works
from memory.database import Database, Row, Rows
from memory.memories import Memory

ABOUT, SAID = 160, 320
"""Characters of a question and of an answer that are remembered."""
WITHIN = 20
"""So many times as many neighbours are looked up as are told: the nearest are not the best."""
BATCH = 200
BY_OUTCOME, BY_PERSON = 0.05, 0.30


@dataclass(frozen=True)
class Remembering:
    """What the team knows of its own work, in words."""

    settings: Settings
    database: Database
    market: Market
    indexing: Indexing
    recalling: Recalling

    async def recall(self, task: AgentTask) -> list[str]:
        """Return the memories that help most with a task, best first, each with its origin."""
        if not self.settings.memory.memories or not (await self.market.models()).models:
            return []  # nobody would read them
        if not (best := await self.best(task)):
            return []
        async with self.database.autocommit() as connection:
            await memories.use(connection, [row["id"] for row in best], task.id)
        return [_told(row) for row in best]

    async def best(self, task: AgentTask) -> list[Row]:
        """Return the memories of the highest relevance x quality x recency, best first."""
        most = self.settings.memory.memories
        near = await self.indexing.near(
            "memories", task.tenant, task.text, most * WITHIN, task.labels
        )
        cosines = {one.id: one.cosine for one in near if one.cosine >= NEAR}
        async with self.database.autocommit() as connection:
            rows = await memories.among(connection, list(cosines), task.tenant, task.labels)
        return sorted(rows, key=lambda row: -_score(task, row, cosines[row["id"]]))[:most]

    async def note(
        self,
        connection: Rows,
        task: AgentTask,
        outcome: AgentOutcome,
        tried: Sequence[Mapping[str, Any]],
    ) -> None:
        """Remember how a task turned out, and let that judge what it was told. Once is enough."""
        if outcome.cached or outcome.status == "refused":
            return
        is_good = outcome.status == "answered"
        life = timedelta(days=self.settings.memory.memories_days)
        tools = _tools(task, outcome)
        # What is there is held first, by id; then comes what is new, by kind and digest: of two
        # tasks with the same memories one waits, and never both.
        await memories.hold_of_a_task(connection, task.id, tools)
        for one in sorted(_memories(task, outcome, tried), key=lambda one: (one.kind, one.digest)):
            await memories.remember(connection, one, life)
        for one in tools:
            await memories.revise(connection, one, life, _step(task, outcome, one.text))
        await memories.move(connection, task.id, is_good, BY_OUTCOME)

    async def hear(self, task_id: str, word: Word, comment: str, answer: str | None = None) -> int:
        """Take what a person says of an answer, and what would have been right.

        Return how many answers it has cost: a bad one is forgotten, and its question is never
        again taken for the other one.
        """
        async with self.database.transaction() as connection:
            known = await tasks.find(connection, task_id)
            if known is None:
                raise UsageError(f"there is no task {task_id}", "`agora ask --json` names it")
            task = AgentTask.model_validate(known["body"])
            await feedback.say(connection, task_id, word, comment)
            told = {"task_id": task_id, "word": word, "comment": comment}
            await events.publish(connection, task_id, "feedback.given", told)
            await memories.move(connection, task_id, word == "good", BY_PERSON, own=True)
            said = comment if answer is None else f"{comment} right is: {answer}".strip()
            await memories.remember(connection, _of_a_person(task, word, said), None)
            if bidder := await works.answered_by(connection, task_id):
                judged = Judgement(
                    source="person", is_right=word == "good", reason=comment, answer=answer
                )
                await say(connection, task, bidder, judged)
        return await self.recalling.reject(task_id) if word == "bad" else 0

    async def reflect(self, task: AgentTask, bidder: str, why: str) -> None:
        """Remember what was wrong with an answer, and what would be better."""
        about, by = _short(task.text, ABOUT), bidder.partition("@")[0]
        labels = tuple(sorted({"private", "untrusted"} & set(task.labels)))
        text = f"{about} — {by} was wrong: {_short(why, SAID)}"
        made = Memory(task.tenant, "reflection", text, task.id, labels)
        life = timedelta(days=self.settings.memory.memories_days)
        async with self.database.transaction() as connection:
            await memories.remember(connection, made, life)

    async def upkeep(self) -> Json:
        """Remove, merge and put aside; return how many of each. An upkeep step."""
        expired = await self._remove(memories.expire)
        merged = await self.dedupe()
        return {
            "expired": expired,
            "merged": merged,
            "archived": await self._remove(memories.archive),
        }

    async def _remove(self, step: Callable[[Rows], Awaitable[list[Row]]]) -> int:
        async with self.database.transaction() as connection:
            gone = await step(connection)
        for tenant, rows in groupby(sorted(gone, key=_tenant), key=_tenant):
            await self.indexing.forget("memories", tenant, [row["id"] for row in rows])
        return len(gone)

    async def dedupe(self) -> int:
        """Let one memory stand for those that say the same; return how many it has replaced."""
        merged = 0
        with suppress(*SILENT):  # without vectors nothing is alike, and all is kept
            await self.indexing.catch_up()
        while True:
            async with self.database.autocommit() as connection:
                rows = await memories.uncompared(connection, BATCH)
            if not rows:
                return merged
            gone: set[int] = set()
            for (tenant, labels), group in groupby(sorted(rows, key=_side), key=_side):
                gone |= await self._merge_all(tenant, labels, list(group))
            async with self.database.autocommit() as connection:
                await memories.compared(connection, [row["id"] for row in rows])
            merged += len(gone)

    async def _merge_all(self, tenant: str, labels: list[str], rows: list[Row]) -> set[int]:
        """Compare some memories with all others under the same labels; return which have gone."""
        texts, gone = [row["text"] for row in rows], set[int]()
        near = await self.indexing.near_each("memories", tenant, texts, 5, labels)
        for row, found in zip(rows, near, strict=True):
            alike = [one.id for one in found if one.cosine >= ALIKE and one.id != row["id"]]
            if alike and row["id"] not in gone:
                gone |= await self._merge(row, [one for one in alike if one not in gone])
        await self.indexing.forget("memories", tenant, sorted(gone))
        return gone

    async def _merge(self, row: Row, alike: list[int]) -> set[int]:
        """Archive what says the same as this memory, or this one for a better; return which."""
        gone: set[int] = set()
        async with self.database.transaction() as connection:
            await memories.hold(connection, [row["id"], *alike])
            for other in await memories.among(connection, alike, row["tenant"], row["labels"]):
                if other["labels"] != row["labels"] or not _say_the_same(row, other):
                    continue
                kept, lost = sorted((row, other), key=lambda one: (-one["quality"], -one["id"]))
                await memories.merge(connection, kept["id"], lost["id"])
                gone.add(lost["id"])
                if lost is row:
                    break
        return gone


def _tenant(row: Row) -> str:
    return str(row["tenant"])


def _side(row: Row) -> tuple[str, list[str]]:
    return row["tenant"], row["labels"]


def _score(task: AgentTask, row: Row, cosine: float) -> float:
    # Vectors hardly see that another version, port or order is meant.
    relevance = cosine / 2 if questions.are_apart(task.text, row["text"]) else cosine
    return recollection.score(relevance, row["quality"], row["age_days"])


def _told(row: Row) -> str:
    labels = "".join(f", {label}" for label in row["labels"])
    return f"[{row['kind']}, from {row['origin']}{labels}] {row['text']}"


def _say_the_same(one: Row, other: Row) -> bool:
    if one["kind"] != other["kind"] or questions.are_apart(one["text"], other["text"]):
        return False
    # Two that have proved their worth are one only when nothing but the spelling differs.
    is_worth_both = min(one["quality"], other["quality"]) >= HIGH
    return not is_worth_both or questions.key(one["text"]) == questions.key(other["text"])


def _memories(
    task: AgentTask, outcome: AgentOutcome, tried: Sequence[Mapping[str, Any]]
) -> list[Memory]:
    about, by = _short(task.text, ABOUT), outcome.expert or "nobody"
    labels = _labels(task, outcome)

    def memory(kind: str, text: str) -> Memory:
        return Memory(task.tenant, kind, text, task.id, labels)

    if outcome.status == "answered":
        made = [memory("outcome", f"{about} — {by} answered: {_short(outcome.answer, SAID)}")]
    else:
        said = _short(outcome.error or outcome.status, SAID)
        made = [memory("outcome", f"{about} — not answered: {said}")]
    for one in tried:
        failed = one["outcome"]
        said = _short(failed["error"] or failed["status"], SAID)
        rest = f"; then {by} answered it" if outcome.status == "answered" else ""
        made.append(memory("reflection", f"{about} — {failed['expert']} failed: {said}{rest}"))
    return made


def _tools(task: AgentTask, outcome: AgentOutcome) -> list[Memory]:
    """Return the one memory of each tool that a task has called, in order."""
    labels = _labels(task, outcome)
    names = sorted({call.name for call in outcome.tool_calls})
    return [Memory(task.tenant, "tool", name, task.id, labels) for name in names]


def _step(task: AgentTask, outcome: AgentOutcome, name: str) -> Callable[[Json], tuple[Json, str]]:
    """Return what adds a task's calls of a tool to its tally."""
    calls = [call for call in outcome.tool_calls if call.name == name]
    about = _short(task.text, ABOUT)

    def step(tally: Json) -> tuple[Json, str]:
        found = tool_tallies.tallied(tally, calls, task.id, about)
        return found, tool_tallies.told(name, found, SAID)

    return step


def _labels(task: AgentTask, outcome: AgentOutcome) -> tuple[str, ...]:
    """Return under which labels an outcome is remembered; what has read orders is not trusted."""
    known = {*task.labels, *(one for one in outcome.labels if one != UNTRUSTED)}
    known |= {UNTRUSTED} if INJECTED in known else set()
    return tuple(sorted({PRIVATE, UNTRUSTED} & known))


def _of_a_person(task: AgentTask, word: str, comment: str) -> Memory:
    said = f": {_short(comment, SAID)}" if comment.strip() else ""
    text = f"{_short(task.text, ABOUT)} — a person called the answer {word}{said}"
    labels = tuple(sorted({"private", "untrusted"} & set(task.labels)))
    return Memory(task.tenant, "feedback", text, task.id, labels)


def _short(text: str, most: int) -> str:
    said = " ".join(text.split())
    return said if len(said) <= most else f"{said[: most - 1]}…"
