import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agora.app.takeover import take_over
from tests.conftest import ask
from tests.killing import EXPIRE
from tests.running import Hire, thread

ROOT = Path(__file__).parents[2]
RUN = """
import asyncio, json, os, signal, sys
from datetime import timedelta
import agora.team
from agora.domain.settings import load
from agora.team.hearing import Hearing
from agora.team.minutes import Minutes
from graphs.war_room import graph
from memory.checkpoints import open_saver

order = json.loads(sys.argv[1])

async def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

owner, name = order["at"].split(".")
setattr({"Hearing": Hearing, "Minutes": Minutes}[owner], name, killed)

async def main():
    team = agora.team.assemble(load({}, **order["settings"]))
    agora.team.current = lambda: team
    given = {"task": {"text": order["text"], "id": "killed"}}
    await team.holding.announce("room", "seats", given, timedelta(seconds=30))
    async with open_saver(order["settings"]["database.url"]) as saver:
        config = {"configurable": {"thread_id": "room"}}
        await graph.compile(checkpointer=saver).ainvoke(given, config, durability="sync")

asyncio.run(main())
"""


def members(messages: object) -> str:
    said = "yes" if "You are the engineer" in str(messages) else "no"
    return json.dumps({"answer": said, "confidence": 0.8, "argument": "so it is"})


@pytest.mark.parametrize(
    "at", ["Hearing.votes", "Hearing.compared", "Minutes.spent", "Minutes.keep", "Minutes._record"]
)
async def test_a_killed_meeting_is_finished_by_another_and_nobody_is_asked_twice(
    hire: Hire, at: str
) -> None:
    differ = iter(("it is", "it is so", "so be it", "well", "fine"))
    staff = hire(
        members
        if at != "Hearing.compared"
        else lambda _: json.dumps({"answer": next(differ, "fine"), "confidence": 0.8})
    )
    url = staff.team.settings.database.url
    assert url
    settings: dict[str, Any] = {
        "database.url": url.get_secret_value(),
        "home": str(staff.team.settings.folder),
    }
    settings |= {"ollama.host": staff.server.url, "ollama.models": ["qwen3:8b"]}
    order = json.dumps({"at": at, "text": "Shall we paint it?", "settings": settings})
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, order, cwd=ROOT)
    assert await child.wait() == -9
    asked = len(staff.prompts)
    await ask(staff.team, EXPIRE, "room")
    assert await take_over({"war_room": staff.room}, "room") == ["room"]
    state = (await staff.room.aget_state(thread("room"))).values
    assert state["outcome"]["status"] in ("answered", "failed") and state["ruling"]["votes"]
    sealed = [one for one in staff.prompts if "Every member answers alone" in one]
    assert len(sealed) == len(set(sealed)), "a sealed answer that was given is not asked for again"
    assert len(staff.prompts) >= asked
    acts = await ask(staff.team, "SELECT attempt FROM acts WHERE kind = 'ask_model'")
    assert {act["attempt"] for act in acts} == {1}
    assert len(await ask(staff.team, "SELECT FROM rooms WHERE id = 'killed'")) == 1
