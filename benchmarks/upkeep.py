"""What upkeep leaves of a long thread: its rows beside the one state that it can be resumed from.

`python benchmarks/upkeep.py [--json] [--seed N] [--steps N] [--kb N]`: a graph changes all of its
state so many times and then asks a person, on a real PostgreSQL with LangGraph's own saver. The
state is random text, so that no compression flatters the figure. Beside it stand old events and
acts. After the upkeep the thread is resumed. The database is the one in DATABASE_URL, which should
be empty, else an embedded one in a temporary folder.
"""

import argparse
import asyncio
import json
import random
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

sys.path.insert(0, str(Path(__file__).parent.parent))
import agora.team
from agora.app import upkeep
from agora.app.reports import figures
from agora.app.runs import Runs
from agora.domain.settings import load
from agora.team import Team
from benchmarks.overhead import database  # noqa: E402  found by the line above
from memory.checkpoints import open_saver

STEPS, KB = 200, 100
RATIO = 3.0
"""What is promised: bytes of live rows, in sizes of the newest state."""
OLD_ROWS = 20_000
THREAD: RunnableConfig = {"configurable": {"thread_id": "long"}}
LIVE = """
SELECT coalesce(sum(bytes), 0)::bigint AS bytes, count(*) AS rows FROM (
    SELECT pg_column_size(checkpoint) + pg_column_size(metadata) AS bytes FROM checkpoints
    UNION ALL SELECT pg_column_size(blob) FROM checkpoint_blobs
    UNION ALL SELECT pg_column_size(blob) FROM checkpoint_writes
) AS live
"""
SEED = (
    """INSERT INTO tasks (id, thread_id, tenant, body, status)
    VALUES ('old', '', '', '{}', 'answered')""",
    f"""INSERT INTO events (correlation_id, kind, body, at)
    SELECT 'old', 'stage.left', '{{"stage": "recall"}}', now() - interval '40 days'
    FROM generate_series(1, {OLD_ROWS})""",
    f"""INSERT INTO acts (key, case_id, kind, subject, actor, budgets, status, reserved_usd,
                          cost_usd, tokens, ended_at)
    SELECT 'old/' || n, 'old', 'ask_model', 'm', 'risk@m', '{{}}', 'done', 0, 0.001, 10,
           now() - interval '100 days'
    FROM generate_series(1, {OLD_ROWS}) AS n""",
)


class LongState(TypedDict, total=False):
    """State of the long thread."""

    step: int
    body: str
    said: str


def long_graph(saver: Any, steps: int, size: int, chance: random.Random) -> Any:
    """Return a graph that replaces its state at each step, and asks in the end."""
    letters = string.ascii_letters + string.digits

    async def going(state: LongState) -> LongState:
        return {
            "step": state.get("step", 0) + 1,
            "body": "".join(chance.choices(letters, k=size)),
        }

    async def asking(state: LongState) -> LongState:
        return {"said": interrupt("well?")}

    def onward(state: LongState) -> str:
        return "asking" if state["step"] >= steps else "going"

    return (
        StateGraph(LongState)
        .add_node("going", going)
        .add_node("asking", asking)
        .add_edge(START, "going")
        .add_conditional_edges("going", onward, ["going", "asking"])
        .compile(checkpointer=saver)
    )


async def live(team: Team) -> dict[str, int]:
    """Return bytes and rows of all checkpoints, with what belongs to them."""
    async with team.database.autocommit() as connection:
        row = await (await connection.execute(LIVE)).fetchone()
    assert row
    return row


async def main(steps: int, kb: int, seed: int) -> dict[str, Any]:
    """Run, tidy up, resume."""
    async with database() as url:
        with tempfile.TemporaryDirectory() as home:
            team = agora.team.assemble(load({}, **{"database.url": url, "home": home}))
            agora.team.current = lambda: team
            try:
                async with open_saver(await team.database.url()) as saver:
                    graph = long_graph(saver, steps, 1000 * kb, random.Random(seed))
                    return await measure(team, graph, steps)
            finally:
                await team.close()


async def measure(team: Team, graph: Any, steps: int) -> dict[str, Any]:
    """Return the figures of one thread."""
    async with team.database.transaction() as connection:
        for statement in SEED:
            await connection.execute(statement)
    config: RunnableConfig = {**THREAD, "recursion_limit": steps + 10}
    await graph.ainvoke({}, config, durability="sync")
    state = dict((await graph.aget_state(THREAD)).values)
    size = len(json.dumps(state))
    told, before = await figures(team), await live(team)
    report = await upkeep.tidy(Runs({}), lambda said: None)
    after = await live(team)
    is_same = state == dict((await graph.aget_state(THREAD)).values)
    done = await graph.ainvoke(Command(resume="yes"), THREAD, durability="sync")
    return {
        "ratio": round(after["bytes"] / size, 3),
        "ratio_before": round(before["bytes"] / size, 1),
        "resumed": bool(is_same and done["said"] == "yes" and done["step"] == steps),
        "totals_unchanged": await figures(team) == told,
        "state_bytes": size,
        "live_bytes": after["bytes"],
        "rows_removed": report["rows"],
        "bytes_removed": report["bytes"],
        "seconds": report["seconds"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--kb", type=int, default=KB, help="size of the state in 1000 bytes")
    chosen = parser.parse_args()
    found = asyncio.run(main(chosen.steps, chosen.kb, chosen.seed))
    print(f"a thread of {chosen.steps} steps and {chosen.kb} kB, in sizes of its newest state")
    print(f"{'before':>10}{'after':>10}{'promised':>10}{'resumed':>10}")
    print(
        f"{found['ratio_before']:>10.1f}{found['ratio']:>10.2f}{f'≤ {RATIO:.0f}':>10}"
        f"{'yes' if found['resumed'] else 'NO':>10}"
    )
    print(f"{found['rows_removed']} rows gone in {found['seconds']} s")
    if chosen.json:
        print(json.dumps(found))
    kept = found["ratio"] <= RATIO and found["resumed"] and found["totals_unchanged"]
    sys.exit(0 if kept else 1)
