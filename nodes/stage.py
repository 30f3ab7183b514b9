"""The decorator that every stage wears: it holds the thread while the body runs."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from langgraph.config import get_config
from langgraph.constants import END
from langgraph.runtime import ExecutionInfo, RunControl, get_runtime
from langgraph.types import Command
from psycopg import OperationalError

from agora import team
from agora.domain.contracts import Case
from agora.domain.errors import ClaimHeldError, ClaimLostError
from agora.team import discretion, farewell, telemetry
from agora.team.acting import audited, case
from nodes import tracing
from nodes.patience import last_moment, patiently
from nodes.permission import once_permitted

discretion.begin()
farewell.begin()
PROCESS = uuid.uuid4().hex  # a pid comes back after a restart, a nonce does not
CASES = uuid.UUID("5b1f2f2e-6a53-4b7e-9f60-0d1c7c1f6a2b")


@dataclass
class Tenure:
    """One run's hold on one thread, shared by its parallel and nested stages."""

    thread_id: str
    control: RunControl  # one object a run; kept, so that no other run gets its id
    lease: timedelta
    token: int = 0
    bodies: set[asyncio.Task[Any]] = field(default_factory=set)
    beating: asyncio.Task[None] | None = None
    is_lost: bool = False
    is_ending: bool = False

    @property
    def holder(self) -> str:
        """Name the run: this process (a fork keeps the nonce), this run among the living."""
        return f"{PROCESS}/{os.getpid()}/{id(self.control)}"

    async def take(self, here: Case, checkpoint_id: str) -> None:
        """Claim the thread; wait for the lease of a rival only while it gives no sign of life."""
        stage = "" if is_nested() else here.stage
        seen = None
        while True:
            known = await team.current().holding.claim(
                here, stage, self.holder, checkpoint_id, self.lease
            )
            if isinstance(known, int):
                self.token = known
                return
            if (seen and known != seen) or (known and known["is_open"]):
                raise ClaimHeldError(
                    f"another run works on thread {self.thread_id}",
                    "wait until it has ended, or use another thread",
                )
            seen = known
            await asyncio.sleep(self.lease.total_seconds() / 10)

    async def beat(self) -> None:
        """Renew the lease as long as there are bodies; cancel them when it is lost."""
        while not self.is_lost:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            self.is_lost = not await self._renew()
        for body in self.bodies:
            body.cancel()

    async def _renew(self) -> bool:
        try:
            # Unanswered for so long, the lease may have ended without our knowing.
            async with asyncio.timeout(self.lease.total_seconds() / 3):
                return await team.current().holding.renew(self.thread_id, self.token, self.lease)
        except (OperationalError, TimeoutError):
            return False

    async def leave(self) -> None:
        """Stop the heartbeat with the last body, and let others in if the run goes no further."""
        if self.bodies:
            return
        if self.beating:
            self.beating.cancel()
            self.beating = None
        # The next stage of this run is the same holder and gets the same token again.
        _tenures.pop((id(self.control), self.thread_id), None)
        if self.is_ending and not self.is_lost and self.token:
            # A courtesy only: without it the others wait until the lease has run out.
            with suppress(OperationalError):
                await team.current().holding.leave(self.thread_id, self.token)


_tenures: dict[tuple[int, str], Tenure] = {}


def is_nested() -> bool:
    """Return whether the running node belongs to a subgraph."""
    return "|" in str(get_config()["configurable"].get("checkpoint_ns", ""))


@asynccontextmanager
async def tenure(here: Case, info: ExecutionInfo, until: datetime) -> AsyncIterator[Tenure]:
    """Hold the running thread, once there is a connection; raise ClaimHeldError, ClaimLostError."""
    control = get_runtime().control
    assert control, "a stage runs in a graph"
    lease = timedelta(seconds=team.current().settings.stage.lease_s)
    key = (id(control), here.thread_id)
    held = _tenures.setdefault(key, Tenure(here.thread_id, control, lease))
    body = asyncio.current_task()
    assert body
    held.bodies.add(body)
    try:
        # A subgraph has checkpoints and an end of its own; neither is the thread's.
        checkpoint_id = "" if is_nested() else info.checkpoint_id
        await patiently(lambda: held.take(here, checkpoint_id), until)
        held.beating = held.beating or asyncio.create_task(held.beat())
        yield held
    except asyncio.CancelledError:
        if not held.is_lost:
            held.is_ending = True
            raise
        body.uncancel()
        raise ClaimLostError(f"{held.thread_id} was taken over") from None
    except Exception:
        # GraphInterrupt too: the run stops here, and whoever resumes it should not wait.
        held.is_ending = True
        raise
    finally:
        held.bodies.discard(body)
        await held.leave()


P = ParamSpec("P")
Changes = TypeVar("Changes")


def stage(body: Callable[P, Awaitable[Changes]]) -> Callable[P, Awaitable[Changes]]:
    """Run `body` inside the claim of its thread, between an entry and an exit event."""

    @wraps(body)  # LangGraph reads annotations and parameters of the body through it
    async def staged(*arguments: P.args, **named: P.kwargs) -> Changes:
        state: Any = arguments[0]
        info = get_runtime().execution_info
        assert info and info.thread_id, "a stage needs a checkpointer"
        await team.prepare()
        here = Case(
            _case_id(state, info), info.thread_id, body.__name__, 0, state.get("attempts") or 0
        )
        until = last_moment(state)
        async with tenure(here, info, until) as held:
            here = Case(here.id, here.thread_id, here.stage, held.token, here.round)
            case.set(here)
            audited.set({})
            await team.current().acting.policy.refresh()
            with structlog.contextvars.bound_contextvars(
                correlation_id=here.correlation_id, stage=here.stage
            ):
                with telemetry.spanned(here, _agent(state)):
                    changes = await patiently(
                        lambda: once_permitted(lambda: body(*arguments, **named)), until
                    )
                tracing.name(here, state, changes, team.current().acting.policy.hash)
            held.is_ending |= _is_end(changes)
            if _is_end(changes):
                telemetry.ended(here, tracing.outcome(state, changes))
            await patiently(lambda: team.current().holding.exit(here), until)
            return changes

    return staged


def _case_id(state: Any, info: ExecutionInfo) -> str:
    """Return the task's id; what has none is named by the checkpoint that its run began with."""
    if not is_spoken(state) and (known := (state.get("task") or {}).get("id")):
        return str(known)
    return uuid.uuid5(CASES, f"{info.thread_id}/{info.checkpoint_id}").hex[:16]


def is_spoken(state: Any) -> bool:
    """Return whether the newest message is one that no task was made of yet."""
    messages = state.get("messages") or []
    return bool(messages) and messages[-1].type == "human" and messages[-1].id != state.get("heard")


def _agent(state: Any) -> str | None:
    """Return which expert a stage sets to work."""
    award = state.get("award") or {}
    return (award.get("winner") or {}).get("expert")


def _is_end(changes: Any) -> bool:
    return isinstance(changes, Command) and changes.goto == END and not is_nested()
