"""Lessons: what went well becomes a training set: distinct, balanced, and without leakage.

Leakage: Kapoor and Narayanan, "Leakage and the reproducibility crisis in machine-learning-based
science", Patterns 4, 2023.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from statistics import median
from typing import Any

import numpy as np

from agora.domain import questions
from agora.domain.contracts import Contract, Json
from agora.domain.personal import depersonalised
from agora.domain.redaction import redact
from agora.domain.signing import canonical

BLOCK = 512
NEAR = 0.80
"""Cosine from which a question in training tells too much of one in validation."""
TEXTS = ("question", "answer", "reasoning", "system")
ROLES = ["system", "user", "assistant"]


class Lesson(Contract):
    """One task that was done well, and where that is known from."""

    task_id: str
    question: str
    answer: str
    reasoning: str = ""
    system: str = ""
    expert: str
    model: str
    prompt: int | None = None
    domain: str
    judged_by: tuple[str, ...] = ()
    weight: float = 0.0  # of the judgements that call it right
    at: str = ""

    def clean(self, secrets: Sequence[str]) -> "Lesson":
        """Return the lesson without secrets and personal data."""
        texts = {
            name: getattr(self, name) for name in ("question", "answer", "reasoning", "system")
        }
        known = tuple(secrets)
        return self.model_copy(update={name: _clean(text, known) for name, text in texts.items()})

    def as_chat(self) -> Json:
        """Return the lesson as a line of a file: a conversation, and its provenance."""
        said: Json = {"role": "assistant", "content": self.answer}
        if self.reasoning:
            said["reasoning_content"] = self.reasoning
        messages = [
            {"role": "system", "content": self.system},
            {"role": "user", "content": self.question},
            said,
        ]
        kept = {"task_id", "expert", "model", "prompt", "domain", "judged_by", "weight", "at"}
        provenance = self.model_dump(mode="json", include=kept)
        provenance["digest"] = digest(messages)
        return {"messages": messages, "provenance": provenance}


@lru_cache(maxsize=1000)  # prompts come again and again
def _clean(text: str, secrets: tuple[str, ...]) -> str:
    return depersonalised(redact(text, secrets))


def digest(messages: Sequence[Json]) -> str:
    """Return the hash by which a conversation is known."""
    return sha256(canonical(list(messages)).encode("utf-8", "surrogatepass")).hexdigest()


def distinct(lessons: Sequence[Lesson], vectors: Any, alike: float) -> list[int]:
    """Return which lessons stay so that no two ask the same; the best judged one stands for all.

    `vectors` are of unit length, one row a lesson. Questions that differ in a number or a name
    are two, however near.
    """
    order = sorted(
        range(len(lessons)), key=lambda one: (-lessons[one].weight, lessons[one].at, one)
    )
    kept: list[int] = []
    for block in _blocks(order):
        near_kept = vectors[block] @ vectors[np.array(kept, dtype=int)].T >= alike
        near_block = vectors[block] @ vectors[block].T >= alike
        stays: list[int] = []
        for row, one in enumerate(block):
            rivals = (
                [kept[at] for at in np.flatnonzero(near_kept[row])] if near_kept is not None else []
            )
            rivals += [block[at] for at in stays if near_block[row, at]]
            if not any(_is_same(lessons[one], lessons[rival]) for rival in rivals):
                stays.append(row)
        kept += [block[row] for row in stays]
    return sorted(kept)


def _is_same(one: Lesson, other: Lesson) -> bool:
    if one.question == other.question:
        return True
    return not questions.are_apart(one.question, other.question)


def _blocks(order: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(order), BLOCK):
        yield list(order[start : start + BLOCK])


def balanced(lessons: Sequence[Lesson], per_domain: float) -> list[int]:
    """Return which lessons stay so that no domain has many times as many as the median one."""
    counted = Counter(one.domain for one in lessons)
    most = max(1, round(per_domain * median(counted.values()))) if counted else 0
    seen: Counter[str] = Counter()
    kept = []
    for one in sorted(range(len(lessons)), key=lambda n: (-lessons[n].weight, _lot(lessons[n]))):
        seen[lessons[one].domain] += 1
        if seen[lessons[one].domain] <= most:
            kept.append(one)
    return sorted(kept)


def parted(
    lessons: Sequence[Lesson], vectors: Any, validation: float
) -> tuple[list[int], list[int]]:
    """Return which lessons train, and which validate; what is too near to one of those is left out.

    A lot drawn by the task's id decides, so that the next export parts them alike.
    """
    is_held = [_lot(one) < validation for one in lessons]
    held = [n for n, is_one in enumerate(is_held) if is_one]
    rest = [n for n, is_one in enumerate(is_held) if not is_one]
    too_near = set(near(rest, held, vectors))
    return [n for n in rest if n not in too_near], held


def near(rows: Sequence[int], held: Sequence[int], vectors: Any) -> list[int]:
    """Return those of the rows that are too near to one that is held out."""
    if not rows or not held:
        return []
    found: list[int] = []
    for block in _blocks(rows):
        is_near = (vectors[block] @ vectors[list(held)].T >= NEAR).any(axis=1)
        found += [one for one, is_one in zip(block, is_near, strict=True) if is_one]
    return found


def _lot(lesson: Lesson) -> float:
    return int(sha256(lesson.task_id.encode()).hexdigest()[:12], 16) / 16**12


def faults(line: Json, secrets: Sequence[str]) -> list[str]:
    """Return what is wrong with a line of a training set, in words."""
    messages, provenance = line.get("messages"), line.get("provenance")
    if not isinstance(messages, list) or [one.get("role") for one in messages] != ROLES:
        return ["is no conversation of system, user and assistant"]
    if not isinstance(provenance, dict) or not provenance.get("task_id"):
        return ["does not say where it comes from"]
    found = []
    if provenance.get("digest") != digest(messages):
        found.append("was altered after it was exported")
    if not str(messages[2].get("content", "")).strip():
        found.append("has no answer")
    for one in messages:
        for text in (one.get("content", ""), one.get("reasoning_content", "")):
            if depersonalised(redact(text, secrets)) != text:
                found.append("holds a secret or personal data")
                break
    return found


def card(figures: Json) -> str:
    """Return the data card of a training set."""
    rows = "\n".join(
        f"| {name} | {of['train']} | {of['validation']} |"
        for name, of in figures["domains"].items()
    )
    models = "\n".join(f"- {name}: {count}" for name, count in figures["models"].items())
    left = "\n".join(f"- {why}: {count}" for why, count in figures["left_out"].items())
    return f"""# Training set of a local expert

{figures["train"]} conversations to train with and {figures["validation"]} to validate, exported on
{figures["at"]} from the tasks of tenant `{figures["tenant"]}`.

## What it is
Tasks that were answered, and whose answers were judged right: by tests, by people, by a model of
another family, or by a validator that looks at the form alone (`judged_by`, `weight`). Each line
has `messages` (system, user, assistant; the teacher's reasoning apart, as `reasoning_content`) and
`provenance`: task, expert, model, version of the prompt, domain, and a hash of the conversation.

| domain | train | validation |
|---|---|---|
{rows}

## Who taught
{models}

Only models that `distil.teachers` names. Whether their terms allow to train on what they wrote is
for you to know.

## What was left out
{left}

## What to know
Secrets and personal data that have a form (keys, tokens, addresses, phone numbers, accounts) are
replaced by marks. Names of people have none, and stay: read before you pass it on. No question of
the validation part has one in training at a cosine of {NEAR} or above. Wrong answers that nobody
noticed may be in it; what a judge or a person has called right is surer than what only a validator
has seen.
"""
