"""Background jobs: what is done beside tasks, by any worker that has this database.

A job may be done again after a crash, and by two workers at once: what it does must bear both.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation
from procrastinate.jobs import Status
from psycopg_pool import AsyncConnectionPool

from agora import team
from agora.app import audits, deciding, learning
from agora.app.draining import PATIENCE_S
from agora.app.loops import cycle
from agora.app.lost import announce_lost
from agora.app.runs import Runs
from agora.app.takeover import take_over, unfinished
from agora.app.upkeep import tidy_if_due
from agora.app.vigil import Vigil
from agora.domain.errors import ClaimHeldError
from agora.team.indexing import SILENT
from agora.team.relaying import Relaying
from agora.team.telemetry import told_of_job
from memory import job_tables
from memory.database import RECONNECT_S, check, end, heed_cancellation
from memory.redis_streams import RedisStreams

log = structlog.get_logger(__name__)
CONNECTIONS = 3
"""How many a worker's own pool has; one more listens for jobs."""
STALLED_BEATS = 3
"""A worker that has missed so many heartbeats is dead."""
MOST_TRIES = 5
"""How many workers one job may take along before it is given up."""
AGAIN_S = 5.0
"""How long a worker waits before it begins again what has failed, such as a database."""

Work = Callable[..., Coroutine[Any, Any, None]]
app = App(connector=PsycopgConnector())


def job(name: str, work: Work) -> None:
    """Register work that `later` asks for: `work(runs, **arguments)`."""

    async def done(context: JobContext, /, **arguments: Any) -> None:
        await work(context.additional_context["runs"], **arguments)

    app.task(name=name, pass_context=True)(done)


def periodic(name: str, cron: str, work: Work) -> None:
    """Register work that one worker does at each tick; the sixth field of `cron` is seconds.

    A tick waits for no other, but never stands in line twice.
    """

    async def done(context: JobContext, timestamp: int) -> None:
        await work(context.additional_context["runs"])

    app.periodic(cron=cron)(app.task(name=name, pass_context=True, queueing_lock=name)(done))


async def later(name: str, lock: str, **arguments: Any) -> bool:
    """Put a job in line, unless one with this lock stands there; needs `connected`."""
    try:
        await app.configure_task(name, queueing_lock=lock).defer_async(**arguments)
    except AlreadyEnqueued:
        return False
    return True


async def take_over_abandoned(runs: Runs) -> None:
    """Put each thread in line whose holder has died: a long run must not hold up the others."""
    await announce_lost(runs)
    wanted = {f"go on with {one}": one async for one in unfinished(runs.graphs)}
    async with team.current().database.autocommit() as connection:
        standing = await job_tables.standing(connection, list(wanted))
    for lock, thread_id in wanted.items():
        if lock not in standing:
            await later("go_on", lock, thread_id=thread_id)


async def go_on(runs: Runs, thread_id: str) -> None:
    """Continue one thread; it is left alone if somebody has been quicker."""
    await take_over(runs.graphs, thread_id)


async def heed_answers(runs: Runs) -> None:
    """Put in line what a person has answered while nobody could go on: changes, and meetings."""
    for change_id in await deciding.left_behind():
        await later("answer", f"answer {change_id}", change_id=change_id)
    for room_id in await deciding.unruled():
        await later("rule", f"rule {room_id}", room_id=room_id)


async def answer(runs: Runs, change_id: str) -> None:
    """Go on with the run that has got its answer; it is left alone if somebody was quicker."""
    with suppress(ClaimHeldError):
        await deciding.go_on(runs, change_id)


async def rule(runs: Runs, room_id: str) -> None:
    """Go on with the run of a meeting that has got its ruling."""
    with suppress(ClaimHeldError):
        await deciding.go_on_ruled(runs, room_id)


async def retry_stalled(runs: Runs) -> None:
    """Put back in line what killed workers have left, unless it has killed too many."""
    silent_s = STALLED_BEATS * team.current().settings.worker.heartbeat_s
    for left in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent_s):
        try:
            if left.attempts < MOST_TRIES:
                await app.job_manager.retry_job(left)
                continue
            log.error("a job has killed its workers, and is given up", job=left.task_name)
        except UniqueViolation:
            pass  # the same stands in line already
        await app.job_manager.finish_job(left, Status.FAILED, delete_job=False)


async def _may(name: str) -> bool:
    """Return whether a capability is on, as it stands in the database now."""
    await team.current().capabilities.read()
    return team.current().capabilities.has(name)


async def index(runs: Runs) -> None:
    """Compute the vectors of what is new; then other processes may have the files again."""
    indexing = team.current().indexing
    try:
        read = await indexing.catch_up()
        log.info("the index has caught up", rows=read)
    except SILENT as reason:
        log.info("the index waits", reason=str(reason))
    finally:
        await indexing.close()


async def compare(runs: Runs) -> None:
    """Do some ended tasks another way, too, as far as trials ask for it."""
    if not await _may("trials"):
        return
    if pairs := await team.current().comparing.run():
        log.info("ways are compared", pairs=pairs)


async def scout(runs: Runs) -> None:
    """Read the feeds that are due, and answer ahead."""
    if not await _may("scout"):
        return
    told = await team.current().scouting.scout()
    log.info("feeds are read", news=told["news"], predicted=len(told["predicted"]))


async def learn(runs: Runs) -> None:
    """Go on with trials of prompts, and put in line whose prompt is to be rewritten."""
    if not await _may("prompts"):
        return
    for expert in await learning.go_on(runs):
        await later("rewrite", f"rewrite {expert}", expert=expert)


job("rewrite", learning.rewrite)
periodic("learn", "* * * * * 45", learn)


async def begin_cycles(runs: Runs) -> None:
    """Put each loop in line whose next cycle is due."""
    if not await _may("loop"):
        return
    for loop_id in await team.current().looping.due():
        await later("loop_cycle", f"cycle of loop {loop_id}", loop_id=loop_id)


async def loop_cycle(runs: Runs, loop_id: str) -> None:
    """Do one cycle, unless another worker was quicker."""
    told = await cycle(runs, loop_id)
    log.info("a cycle is done", loop=loop_id, told=told)


async def alert_again(runs: Runs) -> None:
    """Send the alerts that a channel has not taken yet."""
    await team.current().alerting.deliver()


job("go_on", go_on)
job("answer", answer)
job("rule", rule)
job("loop_cycle", loop_cycle)
periodic("take_over", "* * * * * */5", take_over_abandoned)
periodic("heed_answers", "* * * * * */5", heed_answers)
periodic("retry_stalled", "* * * * * */5", retry_stalled)
periodic("upkeep", "*/10 * * * *", tidy_if_due)
periodic("audit", "23 5 * * *", audits.recur)
periodic("index", "* * * * * 30", index)
periodic("compare", "*/2 * * * *", compare)
periodic("loops", "* * * * * */5", begin_cycles)
periodic("alerts", "* * * * * 45", alert_again)
periodic("scout", "7 * * * *", scout)


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """Let jobs be put in line, on the database of the running team."""
    pool = AsyncConnectionPool(
        await team.current().database.url(),
        min_size=1,
        max_size=CONNECTIONS,
        open=False,
        check=check,
        reconnect_timeout=RECONNECT_S,
    )
    try:
        await pool.open()
        with app.replace_connector(PsycopgConnector()):
            await app.open_async(pool)
            yield
    finally:
        await pool.close()


@dataclass
class Tally:
    """How many jobs a worker has done, and how many of them have failed."""

    done: int = 0
    failed: int = 0

    async def __call__(self, work: Any, context: JobContext, worker: Any) -> Any:
        """Do one job, and count and log how it went."""
        begun, name = time.monotonic(), context.job.task_name
        try:
            with told_of_job(name, context.job.id):
                result = await work()
        except Exception as error:
            self.failed += 1
            log.error("a job has failed", job=context.job.task_name, error=str(error))
            raise
        self.done += 1
        took_s = round(time.monotonic() - begun, 3)
        log.info("a job is done", job=context.job.task_name, took_s=took_s)
        return result


async def work(runs: Runs, concurrency: int, tally: Tally) -> None:
    """Do jobs, and what goes on all the time, until cancelled; jobs that run may still end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_ever(lambda: _work(runs, concurrency, tally), "jobs"))
        group.create_task(_ever(Vigil.of(team.current(), runs).run, "health"))
        for name, going_on in always():
            group.create_task(_ever(going_on, name))


def always() -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
    """Return what goes on all the time; of all workers one does it, and the others stand by."""
    stream = team.current().stream
    found: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]
    found = [("pulse", lambda: _while_on("pulse", team.current().pulsing.run))]
    if isinstance(stream.delivery, RedisStreams):
        found.append(("relay", Relaying(stream, stream.delivery).run))
    return found


async def _while_on(name: str, going_on: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Go on for as long as a capability is on; wait where it is not."""
    capabilities, doing = team.current().capabilities, None
    try:
        while True:
            await capabilities.read()
            if doing is None and capabilities.has(name):
                doing = asyncio.create_task(going_on())
            elif doing and not capabilities.has(name):
                await end(doing)
                doing = None
            heed_cancellation()
            if doing and (await asyncio.wait({doing}, timeout=AGAIN_S))[0]:
                return doing.result()
            if doing is None:
                await asyncio.sleep(AGAIN_S)
    finally:
        if doing:
            await end(doing)


async def _ever(going_on: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    while True:
        try:
            await going_on()
        except Exception as error:
            # Whatever it dies of, a database that is gone or a rival, it is begun again.
            log.error(f"{name}: begun again", again_in_s=AGAIN_S, error=str(error))
        heed_cancellation()
        await asyncio.sleep(AGAIN_S)


async def _work(runs: Runs, concurrency: int, tally: Tally) -> None:
    beat_s = team.current().settings.worker.heartbeat_s
    async with connected():
        await app.run_worker_async(
            concurrency=concurrency,
            additional_context={"runs": runs},
            delete_jobs="successful",
            install_signal_handlers=False,
            shutdown_graceful_timeout=PATIENCE_S,
            update_heartbeat_interval=beat_s,
            stalled_worker_timeout=STALLED_BEATS * beat_s,
            worker_middleware=[tally],
        )
