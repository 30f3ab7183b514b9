"""Distilling: tasks that were done well become a training set for a model of one's own."""

import asyncio
import io
import json
import os
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from agora.domain import lessons
from agora.domain.contracts import Act, ActOutcome, Json
from agora.domain.errors import UsageError
from agora.domain.lessons import Lesson
from agora.domain.settings import Settings
from agora.team.acting import Acting, standing_alone
from agora.team.clocks import Clock
from agora.team.indexing import Indexing
from agora.team.market import Market
from agora.team.proving import Proving
from memory import lessons as rows
from memory.database import Database, Row

TRAIN, VALIDATION, CARD = "train.jsonl", "validation.jsonl", "README.md"
MODEL = "model"
"""What trials of models are called."""
EMBEDDED = 1000
"""Texts that are embedded at once."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Distilling:
    """The way from runs to files, and of a new model into the auction."""

    settings: Settings
    database: Database
    acting: Acting
    indexing: Indexing
    market: Market
    proving: Proving
    clock: Clock

    async def stats(self, tenant: str) -> list[Row]:
        """Return how much has been done well, by domain and model, and whether it may be taught."""
        may_teach = await self._teachers()
        async with self.database.autocommit() as connection:
            found = await rows.count(connection, tenant)
        return [row | {"may_teach": may_teach(row["model"])} for row in found]

    async def export(
        self, folder: Path, tenant: str, domains: Sequence[str] | None, tell: Tell
    ) -> Json:
        """Write a training set, and return its figures; an export is decided as any act is."""
        act = Act(
            kind="export_runs", subject=str(folder), actor="operator", facts={"tenant": tenant}
        )

        async def do() -> ActOutcome:
            return ActOutcome(result=await self._export(folder, tenant, domains, tell))

        with standing_alone(uuid.uuid4().hex[:16], "distilling"):
            return await self.acting.perform(act, do)

    async def _export(
        self, folder: Path, tenant: str, domains: Sequence[str] | None, tell: Tell
    ) -> Json:
        left_out: Counter[str] = Counter()
        found = await self._lessons(tenant, domains, left_out, tell)
        if not found:
            hint = "agora distil stats; distil.teachers says whose answers may be used"
            raise UsageError("there is nothing to learn from", hint)
        tell(f"embedding {len(found)} questions")
        vectors = await self.vectors(tenant, [one.question for one in found])
        tell("comparing them")
        train, held = await asyncio.to_thread(self._chosen, found, vectors, left_out)
        figures: Json = {"train": len(train), "validation": len(held), "tenant": tenant}
        figures |= {"at": f"{self.clock():%Y-%m-%d}", "left_out": dict(sorted(left_out.items()))}
        figures |= {"domains": _by_domain(train, held)}
        figures |= {"models": dict(Counter(one.model for one in [*train, *held]).most_common())}
        figures |= {"traces": sum(bool(one.reasoning) for one in [*train, *held])}
        written = {TRAIN: _lines(train), VALIDATION: _lines(held), CARD: lessons.card(figures)}
        await asyncio.to_thread(_write, folder, written)
        return figures | {"folder": str(folder), "files": sorted(written)}

    async def _lessons(
        self, tenant: str, domains: Sequence[str] | None, left_out: Counter[str], tell: Tell
    ) -> list[Lesson]:
        may_teach, secrets = await self._teachers(), self.settings.secrets
        found: list[Lesson] = []
        async with self.database.autocommit() as connection:
            async for row in rows.well_done(connection, tenant):
                lesson = _lesson(row)
                if domains and lesson.domain not in domains:
                    left_out["of other domains"] += 1
                elif not may_teach(lesson.model):
                    left_out["by a model that is no teacher"] += 1
                else:
                    found.append(lesson.clean(secrets))
                if len(found) % EMBEDDED == 0:
                    tell(f"reading: {len(found)} tasks")
                    await asyncio.sleep(0)
        return found

    def _chosen(
        self, found: Sequence[Lesson], vectors: Any, left_out: Counter[str]
    ) -> tuple[list[Lesson], list[Lesson]]:
        limits = self.settings.distil
        kept = lessons.distinct(found, vectors, limits.alike)
        left_out["asked already, in other words"] = len(found) - len(kept)
        some = lessons.balanced([found[one] for one in kept], limits.per_domain)
        left_out["of a domain that has many"] = len(kept) - len(some)
        kept = [kept[one] for one in some]
        chosen, space = [found[one] for one in kept], vectors[kept]
        train, held = lessons.parted(chosen, space, limits.validation)
        left_out["too near to validation"] = len(chosen) - len(train) - len(held)
        return [chosen[one] for one in train], [chosen[one] for one in held]

    async def vectors(self, tenant: str, texts: Sequence[str]) -> Any:
        """Return a vector of unit length for each text, one row each."""
        found: list[list[float]] = []
        for start in range(0, len(texts), EMBEDDED):
            found += await self.indexing.embed(tenant, texts[start : start + EMBEDDED])
        return np.asarray(found, dtype=np.float32)

    async def _teachers(self) -> Callable[[str], bool]:
        wanted = self.settings.distil.teachers
        local = {
            one.name for one in (await self.market.models()).models if one.residency == "local"
        }

        def may_teach(model: str) -> bool:
            is_local = "local" in wanted and model in local
            return is_local or any(fnmatchcase(model, one) for one in wanted if one != "local")

        return may_teach

    async def check(self, folder: Path, tenant: str) -> Json:
        """Return whether a training set can be used: its form, secrets, repetitions, leakage."""
        texts = await asyncio.to_thread(_read, folder)
        found: list[str] = []
        lines: dict[str, list[Json]] = {name: [] for name in texts}
        for name, text in texts.items():
            # Unlike splitlines, which takes some characters within texts for the end of a line.
            for number, line in enumerate(io.StringIO(text), start=1):
                read, faults = _checked(line, self.settings.secrets)
                lines[name] += [read] if not faults else []
                found += [f"{name}:{number}: {one}" for one in faults]
        asked = {name: [_question(one) for one in of] for name, of in lines.items()}
        both = [*asked[TRAIN], *asked[VALIDATION]]
        held = list(range(len(asked[TRAIN]), len(both)))
        leaks: list[int] = []
        if both:
            vectors = await self.vectors(tenant, both)
            leaks = lessons.near(range(len(asked[TRAIN])), held, vectors)
        found += [f"{TRAIN}: asks what validation asks: {both[one][:80]!r}" for one in leaks]
        repeated = len(both) - len(set(both))
        found += [f"{repeated} questions are asked twice"] if repeated else []
        told: Json = {"train": len(asked[TRAIN]), "validation": len(held), "leaks": len(leaks)}
        return told | {"is_sound": not found, "faults": found[:50], "fault_count": len(found)}

    async def join(self, model: str, beside: str) -> Json:
        """Let a model of one's own join: it does tasks beside another one until it has won.

        Raises UsageError for a model that no server offers.
        """
        known = {one.name for one in (await self.market.models()).models}
        for name in (model, beside):
            if name not in known:
                hint = f"ollama create {name} -f Modelfile; agora models lists what there is"
                raise UsageError(f"no server offers the model {name}", hint)
        trial_id = await self.proving.open(MODEL, beside, {"model": model})
        row = await self.proving.find(trial_id)
        if row["candidate"]["model"] != model:
            other = row["candidate"]["model"]
            raise UsageError(f"{beside} has a rival on trial already: {other}")
        return {"trial": trial_id, "model": model, "beside": beside, "status": row["status"]}


def _lesson(row: Row) -> Lesson:
    expert, _, model = row["bidder"].partition("@")
    return Lesson(
        task_id=row["id"],
        question=row["question"],
        answer=row["answer"],
        reasoning=row["outcome"].get("reasoning_trace") or "",
        system=row["system"] or "",
        expert=expert,
        model=model,
        prompt=row["prompt"],
        domain=row["domain"],
        judged_by=tuple(row["sources"]),
        weight=row["weight"],
        at=f"{row['at']:%Y-%m-%d}",
    )


def _by_domain(train: Sequence[Lesson], held: Sequence[Lesson]) -> Json:
    counted = [Counter(one.domain for one in part) for part in (train, held)]
    names = sorted({*counted[0], *counted[1]})
    return {name: {"train": counted[0][name], "validation": counted[1][name]} for name in names}


def _lines(part: Sequence[Lesson]) -> str:
    return "".join(json.dumps(one.as_chat(), ensure_ascii=False) + "\n" for one in part)


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write each file whole: who is killed leaves the old one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        fresh = folder / f".{name}.{os.getpid()}"
        fresh.write_text(text.encode("utf-8", "replace").decode(), "utf-8")
        fresh.replace(folder / name)


def _read(folder: Path) -> dict[str, str]:
    try:
        return {name: (folder / name).read_text("utf-8") for name in (TRAIN, VALIDATION)}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder}: is no training set ({error})", "agora distil export") from None


def _checked(line: str, secrets: Sequence[str]) -> tuple[Json, list[str]]:
    try:
        read = json.loads(line)
    except ValueError as error:
        return {}, [f"is not JSON ({error})"]
    if not isinstance(read, dict):
        return {}, ["is no object"]
    return read, lessons.faults(read, secrets)


def _question(line: Json) -> str:
    return str(line["messages"][1]["content"])
