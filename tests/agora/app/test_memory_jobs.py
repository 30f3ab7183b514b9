from datetime import timedelta

from agora.app import jobs, runs, upkeep
from agora.domain.contracts import AgentOutcome, AgentTask
from agora.team import Team, assemble
from memory import memories
from memory.memories import Memory
from tests.conftest import ask

NOBODY = runs.Runs({})
ANSWER = AgentOutcome(status="answered", answer="42", confidence=1)


async def test_a_worker_computes_vectors_and_lets_go_of_the_files(team: Team) -> None:
    await team.recalling.keep(AgentTask(id="a", text="What is a monad?"), ANSWER)
    await jobs.index(NOBODY)
    rival = assemble(team.settings)
    assert len(await rival.indexing.near("answers", "default", "monad", 5)) == 1
    await jobs.index(NOBODY)  # somebody else has the files: it waits, and is no failure
    await rival.indexing.close()
    await rival.database.close()


async def test_a_night_removes_what_has_had_its_time(team: Team) -> None:
    for text in ("What is a monad?", "What is a functor?"):
        await team.recalling.keep(AgentTask(id=text, text=text), ANSWER)
    past = "UPDATE answers SET expires_at = now() WHERE task_id = %s RETURNING 1"
    await ask(team, past, "What is a monad?")
    async with team.database.transaction() as connection:
        for text, days in (("old", -1), ("young", 1)):
            one = Memory("default", "reflection", text, "task-0")
            await memories.remember(connection, one, timedelta(days=days))
    told = await upkeep.plan(NOBODY, lambda said: None)
    assert told["steps"]["expired answers"]["rows"] == told["steps"]["memories"]["rows"] == 1
    await upkeep.tidy(NOBODY, lambda said: None)
    assert [row["question"] for row in await ask(team, "SELECT question FROM answers")] == [
        "What is a functor?"
    ]
    assert [row["text"] for row in await ask(team, "SELECT text FROM memories")] == ["young"]
