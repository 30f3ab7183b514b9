"""The pulse: what the team does now, in few words, taken from its newest events."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agora.domain.contracts import Json

KINDS = ["outcome.judged", "tool.judged", "change.applied", "change.reverted", "act.ask_model"]
TOLD = {
    "outcome.judged": ("bidder", "domain", "right", "about"),
    "tool.judged": ("tool", "is_right"),
    "change.applied": ("subject", "commit"),
    "change.reverted": ("subject",),
    "act.ask_model": ("subject", "is_done"),
}
"""What a model may be told of an event; errors and arguments are other people's texts."""
SHARE, TOKENS_A_WORD = 0.05, 1.5
"""Of a model's context that a pulse may fill; and how long words are, roughly."""
CLOUD_WORDS = 60
"""A model in the cloud is paid by the word, and needs to know less of what is done here."""


def sum_up(events: Sequence[Json], words: int, at_work: Sequence[str] = ()) -> str:
    """Return at most so many words about the events, which stand oldest first; "" without any.

    Extractive: every sentence counts or repeats what events say. Texts of tasks are left out
    unless their event carries them, which those of private tasks do not. What is `at_work` comes
    first.
    """
    sentences = [*at_work, *_tasks(events), *_tools(events), *_changes(events), *_faults(events)]
    return _cut(sentences, words)


def at_work(stages: Mapping[str, int], waiting: int) -> list[str]:
    """Return sentences about the runs in each stage, and the changes that wait for a person."""
    told = ", ".join(f"{stage} {count}" for stage, count in sorted(stages.items()))
    running = [f"Running now: {told}."] if told else []
    return running + ([f"Changes that wait for a person: {waiting}."] if waiting else [])


def record(events: Sequence[Json], at_work: Sequence[str]) -> str:
    """Return the events as lines that a model sums up, oldest first."""
    lines = [" ".join((one["kind"], json.dumps(_told(one), ensure_ascii=False))) for one in events]
    return "\n".join([*lines, *at_work])


def _told(event: Json) -> Json:
    body = event["body"]
    return {key: body[key] for key in TOLD[event["kind"]] if body.get(key) not in (None, "")}


def labels(events: Sequence[Json]) -> list[str]:
    """Return the labels of a pulse that tells these events: untrusted, or none."""
    return ["untrusted"] if any(_is_from_outside(one) for one in events) else []


def without_outside(events: Sequence[Json]) -> list[Json]:
    """Return the events without the texts of tasks that are labelled untrusted."""
    return [
        one | {"body": one["body"] | {"about": ""}} if _is_from_outside(one) else one
        for one in events
    ]


def _is_from_outside(event: Json) -> bool:
    body = event["body"]
    return bool(body.get("about")) and "untrusted" in body.get("labels", ())


def is_secret(labels: Sequence[str]) -> bool:
    """Return whether a task's text must stay out of the stream: others could be told of it."""
    return any(one == "private" or one.startswith("residency") for one in labels)


def cut(text: str, words: int) -> str:
    """Return the first sentences of a text that have at most so many words together."""
    return _cut(re.split(r"(?<=[.!?])\s+", text.strip()), words)


def for_model(text: str, model: Any) -> str:
    """Return what a model is told of a pulse; it may fill a twentieth of the model's context.

    Local models come first: one in the cloud gets but the beginning.
    """
    room = int(SHARE * model.context / TOKENS_A_WORD)
    return cut(text, room if model.residency == "local" else min(room, CLOUD_WORDS))


def _cut(sentences: Sequence[str], words: int) -> str:
    kept: list[str] = []
    for sentence in sentences:
        if len(" ".join([*kept, sentence]).split()) > words:
            break
        kept.append(sentence)
    return " ".join(kept)


def _of(events: Sequence[Json], *kinds: str) -> list[Json]:
    return [event["body"] for event in events if event["kind"] in kinds]


def _tasks(events: Sequence[Json]) -> list[str]:
    done = _of(events, "outcome.judged")
    if not done:
        return []
    by = Counter(one["bidder"] for one in done if one["right"])
    failed = sum(one["right"] is False for one in done)
    winners = ", ".join(f"{name} {count}" for name, count in by.most_common(4))
    told = f"Tasks done lately: {sum(by.values())}" + (f" ({winners})" if winners else "")
    newest = [one["about"] for one in done if one.get("about")][-3:]
    about = f" The newest were about: {'; '.join(newest)}." if newest else ""
    return [f"{told}; failed: {failed}.", *([about.strip()] if about else [])]


def _tools(events: Sequence[Json]) -> list[str]:
    calls = _of(events, "tool.judged")
    counts = Counter(one["tool"] for one in calls)
    right = Counter(one["tool"] for one in calls if one["is_right"])
    told = [f"{tool} {right[tool]} of {count}" for tool, count in counts.most_common(5)]
    return [f"Tools called, and right: {', '.join(told)}."] if told else []


def _changes(events: Sequence[Json]) -> list[str]:
    applied, reverted = _of(events, "change.applied"), _of(events, "change.reverted")
    told = [f"{one['subject']} was changed ({one['commit'][:8]})." for one in applied[-3:]]
    return told + [f"{one['subject']} was taken back to what it was." for one in reverted[-3:]]


def _faults(events: Sequence[Json]) -> list[str]:
    faults = Counter(
        one["subject"] for one in _of(events, "act.ask_model") if not one.get("is_done", True)
    )
    told = ", ".join(f"{name} {count}" for name, count in faults.most_common(3))
    return [f"Models that failed to answer: {told}."] if told else []
