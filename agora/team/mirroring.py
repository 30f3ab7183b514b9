"""Mirroring: LangSmith is told what answers were worth, and which prompts are in production.

It may be away: what was not told is told later, and no task waits for it.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from agora.domain import hub
from agora.domain.contracts import Act, ActKind, ActOutcome, Json
from agora.domain.errors import ClaimLostError
from agora.domain.settings import LearningSettings
from agora.team.acting import Acting, standing_alone
from agora.team.discretion import discreet
from memory import traces
from memory.database import Database, Row

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Mirroring:
    """What LangSmith is told beside the traces."""

    settings: LearningSettings
    database: Database
    acting: Acting

    async def traced(self, task_id: str, run_id: str, project: str) -> None:
        """Keep which trace a task is, so that later judgements find it."""
        async with self.database.autocommit() as connection:
            await traces.keep(connection, task_id, run_id, project)

    async def run(self) -> int:
        """Tell what is not told yet; return how much was. What fails is tried the next time."""
        return await self.judge() + await self.push()

    async def judge(self) -> int:
        """Send what people, tests and judges have said of traced tasks, where tracing is on."""
        if (client := await asyncio.to_thread(_tracer)) is None:
            return 0
        async with self.database.autocommit() as connection:
            rows = await traces.untold(connection)
        done = 0
        for row in rows:
            case_id = f"judged-{row['task_id']}-{row['source']}-{row['at']:%Y%m%dT%H%M%S.%f}"
            if not await self._tell("judge_trace", row["task_id"], case_id, _judging(client, row)):
                break
            async with self.database.autocommit() as connection:
                await traces.told(connection, row)
            done += 1
        return done

    async def push(self) -> int:
        """Push what is in production to the hub, where `learning.hub` names it."""
        if not self.settings.hub:
            return 0
        client = await asyncio.to_thread(_client)
        async with self.database.autocommit() as connection:
            rows = await traces.unmirrored(connection)
        done = 0
        for row in rows:
            name = f"{self.settings.hub}{row['expert']}"
            case_id = f"mirrored-{row['expert']}-{row['move']}"
            if not await self._tell("mirror_prompt", name, case_id, _pushing(client, name, row)):
                break
            async with self.database.autocommit() as connection:
                await traces.mirrored(connection, row)
            done += 1
        return done

    async def _tell(
        self, kind: ActKind, subject: str, case_id: str, send: Callable[[], None]
    ) -> bool:
        async def do() -> ActOutcome:
            await asyncio.to_thread(send)
            return ActOutcome(result={})

        try:
            with standing_alone(case_id, "mirroring"):
                await self.acting.perform(Act(kind=kind, subject=subject), do)
        except ClaimLostError:
            raise
        except Exception as error:  # requests', langsmith's, a policy's: later, and nothing else
            log.info("LangSmith was not told", act=kind, error=type(error).__name__)
            return False
        return True


def _judging(client: Any, row: Row) -> Callable[[], None]:
    said: Json = {"key": hub.KEYS[row["source"]], "score": float(row["is_right"])}
    said |= {"comment": discreet(row["reason"]) or None}
    said |= {"correction": {"answer": discreet(row["answer"])} if row["answer"] else None}
    named = f"{row['task_id']} {row['bidder']} {row['source']}"
    feedback_id = str(uuid.uuid5(row["run_id"], named))
    where = (feedback_id, str(row["run_id"]), row["project"], row["told"] is not None)
    return lambda: hub.judge(client, said, *where)


def _pushing(client: Any, name: str, row: Row) -> Callable[[], None]:
    about = f"version {row['version']} by {row['author']}: {row['reason']}"
    return lambda: hub.push(client, name, row["text"], discreet(about))


def _tracer() -> Any:
    """Return the client that traces go through; None: nobody traces."""
    from langsmith import utils

    return _client() if utils.tracing_is_enabled() else None


def _client() -> Any:
    from langsmith import run_trees
    from langsmith.run_helpers import get_tracing_context

    return get_tracing_context().get("client") or run_trees.get_cached_client(anonymizer=discreet)
