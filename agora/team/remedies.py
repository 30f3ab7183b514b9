"""Remedies: what can be done about a fault without a person, and how it is taken back."""

import asyncio
import ctypes
import gc
import uuid
from dataclasses import dataclass
from typing import Any

from agora.domain import breakers
from agora.domain.contracts import AgentTask, Json
from agora.domain.errors import AgoraError
from agora.domain.faults import ModelFault
from agora.domain.standings import WEIGHED
from agora.team import Team
from agora.team.acting import standing_alone
from agora.team.capabilities import FAILED
from agora.team.healing import Remedy
from memory import beats, events

SICK = 0.1
"""What is left of the weight of a model that is slow or wrong: the others win its tasks."""
PROBE = "Reply with exactly: ok"


@dataclass(frozen=True)
class Remedies:
    """The remedies that need nothing but the team."""

    team: Team

    def all(self) -> dict[str, Remedy]:
        """Return each by its name."""
        return {
            "shift_weight": Remedy("its bids lose weight", self.weigh_down, self.weigh_up),
            "open_breaker": Remedy("nobody asks it", self.hold_open, self.let_go),
            "rebuild_index": Remedy("vectors are computed again from rows", self.rebuild_index),
            "rest_redis": Remedy("events go by PostgreSQL", self.rest_redis, self.wake_redis),
            "trust_no_age": Remedy("signs of life count from now on", self.trust_no_age),
            "shed_load": Remedy("what can wait rests", self.shed_load, self.take_load),
            "free_memory": Remedy("what can be read again is let go", self.free_memory),
            "pause_capability": Remedy("it rests, alone", self.pause_capability),
        }

    async def weigh_down(self, model: str) -> str:
        """Take most of a model's weight in auctions."""
        await self._weigh(model, weight=SICK)
        return f"its bids weigh {SICK:g}: other models win its tasks"

    async def weigh_up(self, model: str) -> None:
        """Give a model its weight back."""
        await self._weigh(model, weight=1.0)

    async def hold_open(self, model: str) -> str:
        """Keep tasks from a model whose server is dead."""
        await self._weigh(model, held="its server was found dead, and is being watched")
        return "its breaker is held open: no task waits for it"

    async def let_go(self, model: str) -> None:
        """Let tasks ask a model again."""
        await self._weigh(model, held="")

    async def _weigh(self, model: str, **change: Any) -> None:
        state = await self.team.market.standings()
        known = state["servers"].get(model) or breakers.NEW
        told: Json = {"server": model, "weight": known.get("weight", 1.0)}
        told |= {"held": known.get("held", "")} | change
        async with self.team.database.autocommit() as connection:
            await events.publish(connection, f"healing-{model}", WEIGHED, told)

    async def probe(self, model: str) -> bool:
        """Ask a free local model something tiny, and let the answer count for its server."""
        for bidder in await self.team.market.bidders():
            known: Any = bidder.model
            if known and known.name == model and known.residency == "local":
                return await self._probe(bidder)
        return False

    async def _probe(self, bidder: Any) -> bool:
        task = AgentTask(id=f"probe-{uuid.uuid4().hex[:12]}", text=PROBE)
        asked = [{"role": "user", "content": PROBE}]
        told: Json = {"bidder": bidder.name, "domain": "general", "right": None}
        told |= {"is_graded": True, "at_s": self.team.clock().timestamp(), "cost_usd": 0.0}
        try:
            with standing_alone(task.id, "probe"):
                reply = await self.team.answering.asking.ask(task, bidder, asked)
            told |= {"tokens_out": reply.tokens_out, "latency_s": reply.latency_s}
        except ModelFault as fault:
            told |= {"fault": fault.code, "opens_breaker": fault.opens_breaker}
        except AgoraError:
            return False  # policy or budget do not let us ask
        async with self.team.database.autocommit() as connection:
            await events.publish(connection, task.id, "outcome.judged", told)
        return "fault" not in told

    async def restart_pool(self, _: str) -> str:
        """Make the connections to the database anew; a server of our own is started."""
        await self.team.database.restart()
        return "connections were made anew"

    async def rebuild_index(self, _: str) -> str:
        """Compute all vectors again."""
        try:
            return f"{await self.team.indexing.rebuild()} rows were read again"
        finally:
            await self.team.indexing.close()

    async def rest_redis(self, _: str) -> str:
        """Let nobody wait for Redis."""
        getattr(self.team.stream.delivery, "rest", lambda is_resting: None)(True)
        return "events go by PostgreSQL, and are relayed when it is back"

    async def wake_redis(self, _: str) -> None:
        """Ask Redis again."""
        getattr(self.team.stream.delivery, "rest", lambda is_resting: None)(False)

    async def trust_no_age(self, _: str) -> str:
        """Count all signs of life from now on: by the old clock they would be missed."""
        async with self.team.database.autocommit() as connection:
            await beats.touch(connection, self.team.clock())
        return "ages count from now on; leases go by the database's clock, and were never off"

    async def shed_load(self, subject: str) -> str:
        """Let the heaviest capabilities rest."""
        resting = await self.team.capabilities.shed(subject)
        return f"resting: {', '.join(resting)}" if resting else "nothing was left to rest"

    async def take_load(self, _: str) -> None:
        """Wake what rests for overload."""
        await self.team.capabilities.unshed()

    async def free_memory(self, _: str) -> str:
        """Let go what can be read again, and give the memory back to the system."""
        await self.team.indexing.close()
        return f"{await asyncio.to_thread(_trimmed)} objects were freed"

    async def pause_capability(self, name: str) -> str:
        """Let a capability rest that has failed."""
        await self.team.capabilities.pause(name, FAILED)
        return "it rests; the core goes on without it"


def _trimmed() -> int:
    freed = gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library keeps what it has
        pass
    return freed
