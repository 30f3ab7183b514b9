"""An act that the policies leave to a person is permitted or refused on a page."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import repository
from tests.model_server import Call
from tests.running import Hire
from tests.visiting import Served, serving

pytestmark = pytest.mark.needs("bubblewrap")
FILES = {
    "notes.py": 'def post(text: str) -> str:\n    """Post."""\n    return f"posted {text}"\n',
    "pyproject.toml": '[tool.agora]\ntags = { "notes:post" = ["sends"] }\n',
}
TASK = "Use the python function for the board: post a note."


def posting(messages: Sequence[Any]) -> str | Call:
    """Post a note, then say what the tool has said."""
    told = [message["content"] for message in messages if message["role"] == "tool"]
    return f"I was told {told[-1]}" if told else Call("notes_post", {"text": "a"})


@pytest.mark.parametrize(("word", "status"), [("approve", "answered"), ("reject", "refused")])
async def test_a_persons_word_on_a_page_decides_what_becomes_of_an_act(
    word: str, status: str, hire: Hire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = hire(posting)
    workspace = str(repository(tmp_path / "board", FILES))
    given = {"task": {"text": TASK, "workspace": workspace, "domain": "software", "id": "post"}}
    config: Any = {"configurable": {"thread_id": "one"}}
    await staff.task.ainvoke(given, config, durability="sync")
    (waiting,) = await staff.team.acting.asked()
    async with serving(monkeypatch) as served:
        assert "call tool notes.post?" in await served.read("/approvals")
        page = await served.read(f"/permissions/{waiting['id']}")
        assert "Waits for you" in page and "sending_asks" in page
        await served.post(f"/permissions/{waiting['id']}", page, decision=word, reason="no need")
        await ended(served, status)
        assert "Answered" in await served.read(f"/permissions/{waiting['id']}")
        assert "Nothing waits for you" in await served.read("/")


async def ended(served: Served, status: str) -> None:
    async with asyncio.timeout(60):
        while f"</svg>{status}" not in await served.read("/tasks/post"):
            await asyncio.sleep(0.1)
