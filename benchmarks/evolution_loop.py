"""The toy task end to end: recorded, noticed, rewritten, tried beside the incumbent, promoted."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import agora.team
from agora.domain.contracts import Json
from agora.domain.settings import load
from agora.team import Team
from agora.team.assessing import is_same
from benchmarks.evolution_toy import REQUIRES, STRONG, STUDENT, Task, script, student, tasks
from benchmarks.overhead import thread
from graphs.task import graph as task_graph
from memory.checkpoints import open_saver
from memory.database import EmbeddedPostgres
from tests.model_server import ModelServer

EXPERT = "engineer"
RECORDED, ROUND, ROUNDS, HELD_OUT = 60, 20, 8, 60
"""Tasks before the search, fresh tasks a round and rounds of the trial, tasks of the last test."""
AT_ONCE = 4

Tell = Callable[[str], None]


@dataclass
class World:
    """One team, its models behind HTTP, and the graph that does its tasks."""

    team: Team
    graph: Any
    server: ModelServer
    count: int = 0

    async def ask(self, task: Task) -> Json:
        """Do a task as a user would, and return its outcome."""
        self.count += 1
        given = {"text": task.text, "requires": [REQUIRES], "policy": "local"}
        config = thread(f"task-{self.count}")
        done = await self.graph.ainvoke({"task": given}, config, durability="sync")
        state = await self.graph.aget_state(config)
        return dict(done["outcome"]) | {"task_id": state.values["task"]["id"]}

    async def ask_all(self, asked: list[Task], tells: bool = True) -> float:
        """Do tasks, a few at once, and say of each what would have been right; return the share."""
        lanes = asyncio.Semaphore(AT_ONCE)

        async def one(task: Task) -> bool:
            async with lanes:
                outcome = await self.ask(task)
            right = is_same(outcome["answer"], task.wanted)
            if tells:
                word: Any = "good" if right else "bad"
                await self.team.remembering.hear(outcome["task_id"], word, "", task.wanted)
            return right

        return sum(await asyncio.gather(*map(one, asked))) / len(asked)


def answers_of(server: ModelServer) -> int:
    """Return how many answers the student has given."""
    return sum(exchange.model == STUDENT for exchange in server.exchanges)


async def evolve(world: World, seed: str, tell: Tell) -> Json:
    """Return how good the expert was before, what the search took, and how good it is after."""
    before = await world.ask_all(tasks(f"{seed}r", RECORDED))
    tell(f"{RECORDED} tasks are recorded, {before:.2f} of them right; searching")
    await world.team.learning.watch()
    due = await world.team.architecting.due()
    asked = answers_of(world.server)
    found = await world.team.architecting.rewrite(EXPERT, lambda said: None)
    calls = answers_of(world.server) - asked
    tell(f"{found['status']} after {calls} student calls and {found.get('proposals', 0)} proposals")
    ended, pairs = "", 0
    for number in range(ROUNDS):
        if found["status"] != "on_trial" or ended:
            break
        await world.ask_all(tasks(f"{seed}t{number}", ROUND))
        while await world.team.trying.run():
            pass
        for done in await world.team.promoting.conclude():
            ended, pairs = done["status"], done["pairs"]
        tell(f"trial: {ended or 'goes on'}, {ROUND * (number + 1)} fresh tasks")
    after = await world.ask_all(tasks(f"{seed}h", HELD_OUT), tells=False)
    figures: Json = {"before": before, "after": after, "calls": calls, "pairs": pairs}
    figures |= {"status": ended or found["status"], "noticed": due == [EXPERT]}
    return figures | {"one_rewrite": await first_rewrite(world.team, seed), "search": found}


async def first_rewrite(team: Team, seed: str) -> float | None:
    """Return how good the first proposal of the architect would have been, tried on its own."""
    async with team.database.autocommit() as connection:
        query = "SELECT new, fault FROM rewrites WHERE expert = %s ORDER BY at LIMIT 1"
        row = await (await connection.execute(query, [EXPERT])).fetchone()
    if row is None:
        return None
    held_out = tasks(f"{seed}h", HELD_OUT)
    return sum(is_same(student(row["new"], one.text), one.wanted) for one in held_out) / HELD_OUT


async def run(seed: str, tell: Tell) -> Json:
    """Set up a world of its own, and let it evolve."""
    with (
        ModelServer(script, models=(STUDENT, STRONG), prices={STRONG: (0.15, 0.6)}) as server,
        tempfile.TemporaryDirectory() as home,
    ):
        postgres = EmbeddedPostgres(Path(home, "postgres"))
        url = await postgres.url()
        async with open_saver(url) as saver:
            named: Json = {"database.url": url, "home": home, "ollama.host": server.url}
            named |= {"ollama.models": (STUDENT,), "openai.models": (STRONG,)}
            named |= {"openai.base_url": server.openai_url, "openai.api_key": "sk-none"}
            named |= {"memory.memories": 0, "memory.judge_pairs": 0, "memory.pulse_s": 600}
            named |= {"routing.policies.local.residency": ("local",), "budget.day_usd": None}
            team = agora.team.assemble(load({}, **named))
            agora.team.current = lambda: team
            await team.database.url()
            try:
                world = World(team, task_graph.compile(checkpointer=saver), server)
                return await evolve(world, seed, tell)
            finally:
                await team.close()
                await postgres.stop()
