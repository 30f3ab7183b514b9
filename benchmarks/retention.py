"""Whether upkeep forgets what was worth remembering.

`python benchmarks/retention.py [--json] [--seed N] [--memories N] [--rounds N]`: memories of all
qualities, a fifth of them told twice in other spelling and a tenth out of date, go through upkeep
again and again, while tasks that turn out well or badly move their quality. Then each memory that
was of high quality at the end is looked for by a question about it: recalled is it, or what stands
for it. Shares are in [0, 1].
"""

import argparse
import asyncio
import json
import random
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain import questions  # noqa: E402
from agora.domain.contracts import AgentTask  # noqa: E402
from agora.domain.recollection import HIGH  # noqa: E402
from agora.team import Team  # noqa: E402
from benchmarks.cache import installed  # noqa: E402
from memory import memories  # noqa: E402
from memory.memories import Memory  # noqa: E402

PARTS = "billing search login export import mail report backup cache queue chart invoice".split()
ACTS = "deploy restart migrate test monitor scale secure document rename index trace seed".split()
WHERE = "staging production Berlin Oslo Lyon Quito Perth Osaka Cairo Lima Turin Porto".split()
ADVICE = (
    "wants a tag first", "needs two approvals", "fails without a token", "takes an hour",
    "is done by hand on Mondays", "must follow a backup", "breaks the nightly job",
    "works only after a restart",
)  # fmt: skip
DAY, GONE = timedelta(days=1), timedelta(seconds=-1)
LOW_SHARE, TWICE, PAST, MOVED = 0.2, 0.2, 0.1, 200


def made(count: int, chance: random.Random) -> list[tuple[Memory, timedelta]]:
    """Return memories of all qualities, each with how long it is worth keeping."""
    told: list[tuple[Memory, timedelta]] = []
    while len(told) < count:
        number = len(told)
        about = (
            f"To {chance.choice(ACTS)} {chance.choice(PARTS)}-{number} in {chance.choice(WHERE)}"
        )
        text, quality = f"{about} {chance.choice(ADVICE)}", chance.random()
        life = GONE if chance.random() < PAST else DAY
        told.append((Memory("team", "reflection", text, f"task-{number}", (), quality), life))
        if chance.random() < TWICE:
            again = Memory(
                "team", "reflection", f"{text.lower()}.", f"task-{number}", (), quality / 2
            )
            told.append((again, life))
    return told[:count]


async def measure(count: int, rounds: int, seed: int) -> dict[str, Any]:
    """Return what upkeep has removed, and how much of the best is still recalled."""
    chance = random.Random(seed)
    async with installed() as team:
        await fill(team, made(count, chance))
        done, took = {"expired": 0, "merged": 0, "archived": 0}, []
        for number in range(rounds):
            await use(team, chance, number)
            began = time.perf_counter()
            for name, many in (await team.remembering.upkeep()).items():
                done[name] += many
            took.append(time.perf_counter() - began)
        best = await high(team)
        lost = [text for text in best if not await is_recalled(team, text)]
        async with team.database.autocommit() as connection:
            left = await memories.count(connection)
    kept = len(best) - len(lost)
    told: dict[str, Any] = {
        "memories": count,
        "rounds": rounds,
        "high": len(best),
        "recalled": kept,
    }
    told |= {"retention": round(kept / len(best), 4), "left": left["memories"] - left["archived"]}
    return (
        told
        | done
        | {"first_s": round(took[0], 1), "later_s": round(sorted(took[1:])[len(took) // 2], 2)}
    )


async def fill(team: Team, told: list[tuple[Memory, timedelta]]) -> None:
    """Store the memories."""
    for start in range(0, len(told), 1_000):
        async with team.database.transaction() as connection, connection.pipeline():
            for memory, life in told[start : start + 1_000]:
                await memories.remember(connection, memory, life)


async def use(team: Team, chance: random.Random, number: int) -> None:
    """Let tasks be told some memories, and turn out well or badly."""
    async with team.database.transaction() as connection:
        rows = await connection.execute("SELECT id FROM memories WHERE NOT is_archived")
        ids = [row["id"] for row in await rows.fetchall()]
        for each in range(MOVED):
            task_id = f"use-{number}-{each}"
            await memories.use(connection, chance.sample(ids, 5), task_id)
            await memories.move(connection, task_id, chance.random() < 0.7, 0.05)


async def high(team: Team) -> list[str]:
    """Return every memory that has been of high quality, archived ones too, unless out of date."""
    query = "SELECT text FROM memories WHERE quality >= %s AND expires_at > now() ORDER BY id"
    async with team.database.autocommit() as connection:
        return [row["text"] for row in await (await connection.execute(query, [HIGH])).fetchall()]


async def is_recalled(team: Team, text: str) -> bool:
    """Return whether a question about a memory recalls it, or its like in another spelling."""
    task = AgentTask(
        id="asks",
        text=f"what do I have to know {text[:1].lower()}{text[1:].rsplit(' ', 2)[0]}?",
        tenant="team",
    )
    found = await team.remembering.best(task)
    return any(questions.key(row["text"]) == questions.key(text) for row in found)


def main() -> None:
    """Measure, and print a table or one object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memories", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    told = asyncio.run(measure(chosen.memories, chosen.rounds, chosen.seed))
    if chosen.json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        print(f"{name:<12}{value}")


if __name__ == "__main__":
    main()
