import asyncio
import shutil
from typing import Any

import pytest

from agora.domain.contracts import AgentOutcome, AgentTask
from agora.team import Team, assemble
from agora.team.indexing import Indexing
from memory.chroma import IndexHeldError
from tests.conftest import ask
from tests.running import Hire

ANSWER = AgentOutcome(status="answered", answer="42", confidence=1)
TEXTS = ["How do I boil an egg?", "How do I renew a passport?", "What is a monad?"]


async def keep(team: Team, *texts: str, tenant: str = "default") -> None:
    for text in texts:
        task = AgentTask(id=f"{tenant} {text}", text=text, tenant=tenant)
        await team.recalling.keep(task, ANSWER)


async def nearest(indexing: Indexing, text: str, tenant: str = "default") -> list[str]:
    near = await indexing.near("answers", tenant, text, 10)
    async with indexing.database.autocommit() as connection:
        rows = await (await connection.execute("SELECT id, question FROM answers")).fetchall()
    known = {row["id"]: row["question"] for row in rows}
    return [known[one.id] for one in near]


@pytest.fixture
async def indexing(team: Team) -> Any:
    yield team.indexing
    await team.indexing.close()


async def test_new_rows_are_found_without_anybody_asking_for_it(
    team: Team, indexing: Indexing
) -> None:
    await keep(team, *TEXTS)
    assert (await nearest(indexing, "egg boiling"))[0] == TEXTS[0]
    await keep(team, "How long does an egg boil?")
    assert TEXTS[0] in (await nearest(indexing, "boil egg"))[:2]
    assert len(await nearest(indexing, "boil egg")) == 4


async def test_a_row_that_commits_late_is_not_skipped(team: Team, indexing: Indexing) -> None:
    async with team.database.transaction() as connection:
        await connection.execute("SELECT pg_current_xact_id()")
        await keep(team, TEXTS[0])  # later, and committed earlier
        await nearest(indexing, "egg")
        await connection.execute(
            "INSERT INTO answers (tenant, scope, question, form, key, outcome, source, task_id,"
            " cost_usd, latency_s, expires_at) SELECT tenant, scope, %s, 'f', 'k', outcome, source,"
            " task_id, cost_usd, latency_s, expires_at FROM answers LIMIT 1",
            [TEXTS[1]],
        )
    assert set(await nearest(indexing, "egg")) == {TEXTS[0], TEXTS[1]}


async def test_lost_files_are_filled_again_from_the_database(
    team: Team, indexing: Indexing
) -> None:
    await keep(team, *TEXTS)
    assert len(await nearest(indexing, "egg")) == 3
    await indexing.close()
    shutil.rmtree(team.settings.folder / "index")
    assert len(await nearest(indexing, "egg")) == 3
    await indexing.close()
    (team.settings.folder / "index" / "chroma.sqlite3").write_bytes(b"broken" * 999)
    assert len(await nearest(indexing, "egg")) == 3


async def test_a_rebuild_gives_the_same_neighbours(team: Team, indexing: Indexing) -> None:
    await keep(team, *TEXTS)
    before = await nearest(indexing, "egg")
    assert await indexing.rebuild() == 3
    assert await nearest(indexing, "egg") == before


async def test_each_tenant_has_neighbours_of_its_own(team: Team, indexing: Indexing) -> None:
    await keep(team, TEXTS[0], tenant="a")
    await keep(team, TEXTS[1], tenant="b")
    assert await nearest(indexing, TEXTS[1], "a") == [TEXTS[0]]
    assert await nearest(indexing, TEXTS[0], "b") == [TEXTS[1]]


async def test_what_is_forgotten_is_no_neighbour(team: Team, indexing: Indexing) -> None:
    await keep(team, *TEXTS)
    await nearest(indexing, "egg")
    (row,) = await ask(team, "SELECT id FROM answers WHERE question = %s", TEXTS[0])
    await team.recalling.forget(row["id"])
    near = await indexing.near("answers", "default", "egg", 10)
    assert row["id"] not in {one.id for one in near} and len(near) == 2


async def test_while_another_has_the_files_there_are_no_neighbours_and_no_error(
    team: Team, indexing: Indexing
) -> None:
    await keep(team, *TEXTS)
    await nearest(indexing, "egg")
    rival = assemble(team.settings)
    try:
        assert await rival.indexing.near("answers", "default", "egg", 10) == []
        with pytest.raises(IndexHeldError):
            await rival.indexing.catch_up()
        await keep(rival, "How long does an egg boil?")
        assert len(await nearest(indexing, "egg")) == 4, "the holder catches up"
    finally:
        await rival.database.close()


async def test_another_embedder_reads_all_rows_anew(hire: Hire) -> None:
    staff = hire(local=("qwen3:8b", "nomic-embed-text"))
    await keep(staff.team, *TEXTS)
    assert await staff.team.indexing.catch_up() == 3
    await staff.team.indexing.close()
    named = {
        "memory": staff.team.settings.memory.model_copy(
            update={"embedder": "ollama:nomic-embed-text"}
        )
    }
    team = assemble(staff.team.settings.model_copy(update=named))
    try:
        assert (await nearest(team.indexing, TEXTS[2]))[0] == TEXTS[2]
        assert staff.server.embedded
        acts = await ask(team, "SELECT subject FROM acts WHERE kind = 'ask_model'")
        assert {row["subject"] for row in acts} == {"nomic-embed-text"}
        assert await team.indexing.catch_up() == 0
        client = team.indexing.index.chroma.client()
        assert len(client.list_collections()) == 1, "of the old one nothing is left"
    finally:
        await team.indexing.close()
        await team.database.close()


@pytest.mark.parametrize("fault", ["500", "cut", "404"])
async def test_a_silent_embedder_leaves_a_miss(hire: Hire, fault: str) -> None:
    staff = hire(
        local=("qwen3:8b", "nomic-embed-text"), **{"memory.embedder": "ollama:nomic-embed-text"}
    )
    await keep(staff.team, *TEXTS)
    staff.server.fault = lambda exchange: fault if exchange.path == "/api/embed" else None
    assert await staff.team.indexing.near("answers", "default", "egg", 10) == []
    assert (await staff.ask("What is an egg?"))["status"] == "answered"


async def test_private_text_is_not_sent_to_a_cloud_for_its_vector(hire: Hire) -> None:
    staff = hire(
        local=("nomic-embed-text:cloud",), **{"memory.embedder": "ollama:nomic-embed-text:cloud"}
    )
    near = staff.team.indexing.near
    assert await near("memories", "default", "a secret of ours", 5, ["private"]) == []
    assert not staff.server.embedded
    await near("memories", "default", "nothing special", 5)
    assert staff.server.embedded


async def test_many_at_once_share_one_index(team: Team, indexing: Indexing) -> None:
    await keep(team, *TEXTS)
    found = await asyncio.gather(*(nearest(indexing, text) for text in TEXTS * 5))
    assert [one[0] for one in found] == TEXTS * 5
