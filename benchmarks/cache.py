"""Whether the semantic cache serves the answer to another question, and how fast it looks up.

`python benchmarks/cache.py --data PATH [--json] [--seed N] [--entries N]`: PATH is a CSV file (may
be gzipped), or a folder of them, with `source`, `question_a`, `question_b`, `same_answer`, `kind`.
Each pair is kept and asked for in a real database, by the gate alone; then the questions of `fow`
(or of the smallest source) share one cache behind a judge that is right but for one answer in a
hundred, over real HTTP. Plain cosine thresholds stand beside. Shares are in [0, 1]. Questions that
are never served from memory (personal, live, deeds) count in `should_hit` and `traps`, which tell
of matching; `served` is what is left of should_hit with them as misses.
"""

import argparse
import asyncio
import csv
import gzip
import json
import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain import questions  # noqa: E402
from agora.domain.contracts import AgentOutcome, AgentTask  # noqa: E402
from agora.domain.settings import load  # noqa: E402
from agora.team import Team, assemble  # noqa: E402
from agora.team.acting import standing_alone  # noqa: E402
from agora.team.recalling import asked_of  # noqa: E402
from memory import answers  # noqa: E402
from memory.answers import Asked  # noqa: E402
from tests.model_server import ModelServer  # noqa: E402

THRESHOLDS = {
    "cosine >= .80 (GPTCache)": 0.80,
    "cosine >= .90 (RedisVL)": 0.90,
    "cosine >= .95": 0.95,
}
WRONG = 0.01
"""Share of a judge's answers that are wrong."""
TENANTS, LOOK_UPS = 10, 1_000
JUDGED = "fow"
LIFE = timedelta(days=1)


class Pair(NamedTuple):
    """Two questions, and whether one answer is right for both."""

    source: str
    a: str
    b: str
    is_same: bool
    kind: str


def read(path: Path) -> list[Pair]:
    """Return the pairs of a file, or of all files of a folder, each once."""
    files = (
        [path] if path.is_file() else sorted(path.glob("*.csv.gz")) or sorted(path.glob("*.csv"))
    )
    rows: dict[tuple[str, str, str], Pair] = {}
    for file in files:
        opened = (
            gzip.open(file, "rt", encoding="utf-8", newline="")
            if file.suffix == ".gz"
            else file.open(encoding="utf-8", newline="")
        )
        with opened as lines:
            for row in csv.DictReader(lines):
                pair = Pair(
                    row["source"],
                    row["question_a"],
                    row["question_b"],
                    row["same_answer"] == "1",
                    row["kind"],
                )
                rows[pair.source, pair.a, pair.b] = pair
    if not rows:
        raise SystemExit(f"{path}: no pairs; see benchmarks/cache.py")
    return list(rows.values())


def shares(pairs: Sequence[Pair], hits: Sequence[bool]) -> dict[str, float]:
    """Return how many of those that should hit do, and how many of the others."""
    found: dict[bool, list[bool]] = {True: [], False: []}
    for pair, hit in zip(pairs, hits, strict=True):
        found[pair.is_same].append(hit)
    return {
        name: round(sum(found[key]) / len(found[key]), 4) if found[key] else 0.0
        for name, key in (("should_hit", True), ("traps", False))
    }


def by_source(pairs: Sequence[Pair], hits: Sequence[bool]) -> dict[str, dict[str, float]]:
    """Return the shares of each source."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        groups[pair.source].append(number)
    return {
        source: shares([pairs[n] for n in numbers], [hits[n] for n in numbers])
        for source, numbers in groups.items()
    }


@asynccontextmanager
async def installed(**settings: Any) -> AsyncIterator[Team]:
    """Yield a team with a database and an index of its own."""
    # The embedded server runs as another user, who must be able to pass.
    with tempfile.TemporaryDirectory(prefix="agora-cache-", ignore_cleanup_errors=True) as folder:
        team = assemble(load({}, home=Path(folder), **{"memory.pulse_s": 0}, **settings))
        try:
            yield team
        finally:
            await team.close()
            await team.database.postgres.stop()


def outcome_of(text: str) -> AgentOutcome:
    """Return an answer that names the question it was given to."""
    return AgentOutcome(
        status="answered",
        answer=text,
        confidence=1.0,
        expert="generalist",
        cost_usd=0.001,
        latency_s=1.0,
    )


async def keep(team: Team, asked: Iterable[Asked]) -> None:
    """Keep answers, many at once, by the statement that keeps one."""
    rows = list(asked)
    for start in range(0, len(rows), 5_000):
        async with team.database.transaction() as connection, connection.pipeline():
            for number, one in enumerate(rows[start : start + 5_000], start=start):
                await answers.keep(connection, one, outcome_of(one.text), f"kept-{number}", LIFE)


async def gate_alone(team: Team, pairs: Sequence[Pair]) -> list[bool]:
    """Return whether each pair hits, in a scope of its own, by words and key."""
    await keep(team, (asked_of("pairs", f"pair-{n}", pair.a) for n, pair in enumerate(pairs)))
    hits = []
    for number, pair in enumerate(pairs):
        task = AgentTask(id=f"asks-{number}", text=pair.b, tenant="pairs")
        hits.append(
            await team.recalling.look_up(asked_of("pairs", f"pair-{number}", pair.b), task)
            is not None
        )
    return hits


async def by_cosine(team: Team, pairs: Sequence[Pair]) -> dict[str, list[bool]]:
    """Return whether each pair is as near as each threshold wants."""
    embedder = team.indexing.embedder
    first = await embedder.embed([pair.a for pair in pairs])
    second = await embedder.embed([pair.b for pair in pairs])
    cosines = [
        sum(x * y for x, y in zip(one, other, strict=True))
        for one, other in zip(first, second, strict=True)
    ]
    return {name: [cosine >= least for cosine in cosines] for name, least in THRESHOLDS.items()}


class Judge:
    """A model that knows which questions are the same, and slips once in a hundred answers."""

    def __init__(self, pairs: Sequence[Pair], seed: int) -> None:
        self.same = {frozenset((_plain(pair.a), _plain(pair.b))) for pair in pairs if pair.is_same}
        self.random, self.asked = random.Random(seed), 0

    def __call__(self, messages: Sequence[Any]) -> str:
        """Answer one of the prompts of judging."""
        text, slips = str(messages[-1]["content"]), self.random.random() < WRONG
        self.asked += 1
        if found := re.search(r"<first>\n(.*)\n</first>.*<second>\n(.*)\n</second>", text, re.S):
            return json.dumps({"same": self.are_same(found[1], found[2]) != slips})
        found = re.search(r"<new>\n(.*)\n</new>.*<known>\n(.*)\n</known>", text, re.S)
        assert found
        known = [line.partition(". ")[2] for line in found[2].splitlines()]
        right = next((n for n, one in enumerate(known, 1) if self.are_same(found[1], one)), 0)
        return json.dumps({"number": self.random.randint(0, len(known)) if slips else right})

    def are_same(self, one: str, other: str) -> bool:
        """Return what the data says; questions that it does not pair are two."""
        return one == other or frozenset((_plain(one), _plain(other))) in self.same


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("&lt;", "<")


async def judged(pairs: Sequence[Pair], seed: int) -> dict[str, float]:
    """Return the shares with a judge, where all questions are in one cache."""
    judge = Judge(pairs, seed)
    with ExitStack() as stack:
        server = stack.enter_context(ModelServer(judge, models=("judge:8b",)))
        async with installed(
            **{"ollama.host": server.url, "ollama.models": ("judge:8b",), "memory.judge_s": 60}
        ) as team:
            await keep(team, (asked_of("judged", "one", pair.a) for pair in pairs))
            await team.indexing.catch_up()
            hits, wrong, times = [], 0, []
            for number, pair in enumerate(pairs):
                asked, began = asked_of("judged", "one", pair.b), time.perf_counter()
                task = AgentTask(id=f"judged-{number}", text=pair.b, tenant="judged")
                with standing_alone(task.id, "recall"):
                    found = await team.recalling.look_up(asked, task)
                times.append(time.perf_counter() - began)
                is_right = found is not None and (
                    judge.are_same(pair.b, found["question"])
                    or questions.key(pair.b) == questions.key(found["question"])
                )
                wrong += found is not None and not is_right
                hits.append(
                    is_right if pair.is_same else found is not None and found["question"] == pair.a
                )
    told = shares(pairs, hits) | {"served_wrong": round(wrong / len(pairs), 4)}
    return told | {"calls_per_question": round(judge.asked / len(pairs), 2)}


async def speed(team: Team, pairs: Sequence[Pair], entries: int, seed: int) -> dict[str, float]:
    """Return how long a look-up takes among many entries of ten tenants, in milliseconds."""
    chosen = random.Random(seed)
    asked = [
        asked_of(
            f"tenant-{n % TENANTS}",
            "speed",
            f"{chosen.choice(pairs).a} ({chosen.choice(WORDS)} {n})",
        )
        for n in range(entries)
    ]
    await keep(team, asked)
    await team.indexing.catch_up()
    looked, near, found = [], [], 0
    for number in range(LOOK_UPS):
        known = chosen.choice(asked)
        text = known.text.lower() if number % 2 else f"{known.text} then"
        task = AgentTask(id=f"speed-{number}", text=text, tenant=known.tenant)
        began = time.perf_counter()
        one = asked_of(known.tenant, "speed", text)
        found += await team.recalling.look_up(one, task) is not None
        looked.append(1000 * (time.perf_counter() - began))
        if number % 5 == 0:
            began = time.perf_counter()
            assert await team.recalling.neighbours(one)
            near.append(1000 * (time.perf_counter() - began))
    return {
        "p50_ms": _quantile(looked, 0.50),
        "p95_ms": _quantile(looked, 0.95),
        "neighbours_p50_ms": _quantile(near, 0.50),
        "neighbours_p95_ms": _quantile(near, 0.95),
        "hit_share": found / LOOK_UPS,
        "entries": entries,
    }


WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike".split()


def _quantile(times: Sequence[float], share: float) -> float:
    return round(sorted(times)[min(len(times) - 1, int(share * len(times)))], 3)


async def measure(pairs: list[Pair], entries: int, seed: int) -> dict[str, Any]:
    """Return all figures of one run."""
    async with installed() as team:
        hits = await gate_alone(team, pairs)
        cosines = await by_cosine(team, pairs)
        times = await speed(team, pairs, entries, seed)
    sources = by_source(pairs, hits)
    kept = [
        hit and questions.is_same(pair.a, pair.b) for pair, hit in zip(pairs, hits, strict=True)
    ]
    for source, told in by_source(pairs, kept).items():
        sources[source]["served"] = told["should_hit"]
    names = {pair.source for pair in pairs}
    source = (
        JUDGED
        if JUDGED in names
        else min(names, key=lambda one: sum(pair.source == one for pair in pairs))
    )
    with_judge = await judged([pair for pair in pairs if pair.source == source], seed)
    rivals = {name: by_source(pairs, found) for name, found in cosines.items()}
    kinds = {pair.kind for pair in pairs}
    by_kind = {
        kind: shares(
            *zip(*[(p, h) for p, h in zip(pairs, hits, strict=True) if p.kind == kind], strict=True)
        )
        for kind in sorted(kinds)
    }
    return {
        "sources": sources,
        "judged": {source: with_judge},
        "rivals": rivals,
        "kinds": by_kind,
    } | times


def show(told: dict[str, Any]) -> None:
    """Print a table: what should hit, and what must not, in per cent."""
    sources = list(told["sources"])
    print(f"{'rule: should hit / traps, %':<32}" + "".join(f"{name:>18}" for name in sources))
    rules = told["rivals"] | {"gate": told["sources"]}
    for rule, found in rules.items():
        cells = [
            f"{100 * found[n]['should_hit']:.1f} / {100 * found[n]['traps']:.2f}" for n in sources
        ]
        print(f"{rule:<32}" + "".join(f"{cell:>18}" for cell in cells))
    cells = [f"{100 * told['sources'][n]['served']:.1f}" for n in sources]
    print(f"{'gate, never served left out':<32}" + "".join(f"{cell:>18}" for cell in cells))
    for source, found in told["judged"].items():
        print(
            f"with a judge, {source}: {100 * found['should_hit']:.1f} / {100 * found['traps']:.2f}"
            f", {100 * found['served_wrong']:.2f} % served wrongly"
            f", {found['calls_per_question']} calls a question"
        )
    print(
        f"look-up at {told['entries']} entries of {TENANTS} tenants: "
        f"{told['p50_ms']} ms (p50), {told['p95_ms']} ms (p95); neighbours for a judge: "
        f"{told['neighbours_p50_ms']} ms, {told['neighbours_p95_ms']} ms"
    )


def main() -> None:
    """Measure, and print a table or one object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--entries", type=int, default=100_000)
    chosen = parser.parse_args()
    told = asyncio.run(measure(read(chosen.data), chosen.entries, chosen.seed))
    if chosen.json:
        print(json.dumps(told))
    else:
        show(told)


if __name__ == "__main__":
    main()
