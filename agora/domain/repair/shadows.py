"""Shadow runs: patches beside the old version, on recorded calls and on generated ones."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from agora.domain.contracts import Contract, Json, Replay
from agora.domain.repair.hunt import PROBED_S, Hunt, Rehearsal
from agora.domain.repair.imagine import imagined
from agora.domain.repair.locate import Call
from agora.domain.repair.patches import apply, parse
from agora.domain.repair.rank import shown
from agora.domain.repair.sandbox import Sandbox
from agora.domain.repair.trials import TestRun
from agora.domain.repair.workspace import TestCommand

TOLD = 3  # differences that a person is shown
VARIANTS = 3  # patches that are compared at once


class Shadow(Contract):
    """How one patch did beside the old version; each difference as call, before, after."""

    replays: int = 0  # recorded good calls that were made again
    broken: tuple[Json, ...] = ()  # of them: what gives another result now
    generated: int = 0
    differing: int = 0
    differences: tuple[Json, ...] = ()  # the first few of them

    @property
    def told(self) -> list[str]:
        """Return what a person should know of it, a sentence each."""
        said = []
        if self.replays:
            kept = self.replays - len(self.broken)
            said.append(f"{kept} of {self.replays} recorded good calls give the same result.")
        if self.generated:
            said.append(
                f"On {self.differing} of {self.generated} generated inputs it answers otherwise "
                "than before" + (":" if self.differences else ".")
            )
        return said + [
            f"  {one['call']}: {one['after']}, before: {one['before']}" for one in self.differences
        ]


def compare(
    sandbox: Sandbox,
    tree: Path,
    command: TestCommand,
    before: TestRun,
    diffs: Sequence[str],
    replays: Sequence[Replay],
    *,
    timeout_s: float,
    seed: int = 0,
    cancel: Event | None = None,
) -> list[Shadow]:
    """Return how each diff does; [] where modules cannot be replaced in place.

    A recorded call counts where the old version still gives what was recorded.
    """
    deadline = time.monotonic() + timeout_s
    hunt = Hunt(
        sandbox, tree, command, before, deadline, cancel or Event(), lambda tried, survivors: None
    )
    parts = [_parts(tree, diff) for diff in diffs[:VARIANTS]]
    if hunt.is_cold or not all(parts):
        return []
    with ExitStack() as stack:
        (rehearsal,) = hunt.rehearsals(stack, 1)
        loaded = {source.path for source in hunt.sources}
        calls = imagined([call for test in hunt.observed for call in test.calls], seed)
        again = [one for one in replays if one.path in loaded and one.function.isidentifier()]
        known = {path for part in parts for path in part} <= loaded
        return _shadows(rehearsal, hunt, parts, calls, again) if known else []


def _shadows(
    rehearsal: Rehearsal,
    hunt: Hunt,
    parts: Sequence[Json],
    calls: Sequence[Call],
    replays: Sequence[Replay],
) -> list[Shadow]:
    asked = [_recorded(one) for one in replays] + [call.as_json() for call in calls]
    order = {"calls": asked, "candidates": [*parts, {}], "deadline_s": hunt.patience_s + PROBED_S}
    *found, old = rehearsal.ask(order)["behaviours"] if asked else [[] for _ in (*parts, 0)]
    return [_shadow(asked, new, old, len(replays)) for new in found]


def _shadow(asked: Sequence[Json], new: Sequence[str], old: Sequence[str], replays: int) -> Shadow:
    both = list(zip(asked, new, old, strict=False))
    sound = [one for one in both[:replays] if one[2] == "="]
    differing = [_told(*one) for one in both[replays:] if one[1] != one[2]]
    return Shadow(
        replays=len(sound),
        broken=tuple(_told(*one) for one in sound if one[1] != "="),
        generated=len(both[replays:]),
        differing=len(differing),
        differences=tuple(differing[:TOLD]),
    )


def _recorded(one: Replay) -> Json:
    texts = [f"{name}={value!r}" for name, value in one.arguments.items()]
    place = {"path": one.path, "name": one.function, "arguments": texts}
    return place | {"named": one.arguments, "wanted": one.result}


def _told(call: Json, after: str, before: str) -> Json:
    was = repr(call["wanted"])[:80] if before == "=" else shown(before)
    text = f"{call['name']}({', '.join(call['arguments'])})"
    return {"call": text, "before": was, "after": shown(after)}


def _parts(tree: Path, diff: str) -> Json:
    """Return a diff as whole files anew; {} where it adds one."""
    patches = parse(diff)
    if any(patch.is_new or not (tree / patch.path).is_file() for patch in patches):
        return {}
    texts = {patch.path: (tree / patch.path).read_bytes().decode() for patch in patches}
    return {
        path: [[0, len(texts[path].encode()), text]] for path, text in apply(patches, texts).items()
    }
