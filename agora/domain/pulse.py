"""The pulse: what the team does now, in few words, taken from its newest events."""

from collections import Counter
from collections.abc import Sequence

from agora.domain.contracts import Json

KINDS = ["outcome.judged", "tool.judged", "change.applied", "change.reverted", "act.ask_model"]


def sum_up(events: Sequence[Json], words: int) -> str:
    """Return at most so many words about the events, which stand oldest first; "" without any.

    Extractive: every sentence counts or repeats what events say. Texts of tasks are left out
    unless their event carries them, which those of private tasks do not.
    """
    sentences = [*_tasks(events), *_tools(events), *_changes(events), *_faults(events)]
    return _cut(sentences, words)


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
