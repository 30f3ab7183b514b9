"""The only door to anything outside: policy, decision, reservation, act, settlement."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from agora.domain.contracts import Act, ActOutcome, Case, Json
from agora.domain.doors import opened
from agora.domain.errors import AgoraError, BudgetSpentError, ClaimLostError, RefusedError
from agora.domain.signing import canonical
from agora.team.telemetry import telemetry
from memory import acts, claims, events
from memory.database import Database, Row, Rows
from memory.decisions import Decisions

case: ContextVar[Case] = ContextVar("case")
audited: ContextVar[dict[str, int]] = ContextVar("audited")
"""The last decision of the running stage, as `seq`: its number in the log."""

Do = Callable[[], Awaitable[ActOutcome]]
Judge = Callable[[], Awaitable[ActOutcome | None]]


class Policy(Protocol):
    """Says what may be done."""

    @property
    def hash(self) -> str:
        """Name the set of policies that is asked."""

    def decide(self, act: Act) -> Any:
        """Return `is_allowed`, `reasons`, `hash`."""


@contextmanager
def standing_alone(case_id: str, stage: str, thread_id: str = "") -> Iterator[Case]:
    """Act outside of any graph: nobody takes such a case over, and its id is used once."""
    here = Case(case_id, thread_id, stage, None)
    token = case.set(here)
    try:
        yield here
    finally:
        case.reset(token)


async def assume_lost() -> ActOutcome | None:
    """Judge an act that leaves no trace to look for: it is paid for, and done again."""
    return None


@dataclass(frozen=True)
class Acting:
    """The ledger at work."""

    database: Database
    policy: Policy
    decisions: Decisions

    async def perform(
        self, act: Act, do: Do, judge: Judge = assume_lost, *, only_reads: bool = False
    ) -> Json:
        """Return the act's result, doing it unless it was done before.

        `judge` looks at the world for an act whose holder died: the outcome if it took effect,
        None if it did not (it then costs what was reserved, and is done again); it raises
        UndecidableActError when nobody can tell. What `only_reads`, for the sake of reading, is
        read again when it was before. Raises RefusedError and BudgetSpentError before
        anything is done, ClaimLostError when somebody else has taken the thread over.
        """
        here = case.get()
        known = await self._find(here, act)
        if known and known["status"] == "done":
            if not only_reads:
                return dict(known["result"])
            with opened(act):
                return (await do()).result
        if known and known["status"] == "open":
            with opened(act):
                outcome = await judge()
            await self._settle(here, act, outcome, "judged")
            if outcome is not None:
                return outcome.result
        await self._decide(here, act)
        await self._begin(here, act)
        try:
            outcome = await self._do(here, act, do)
        except Exception as error:
            await self._settle(here, act, None, "failed", error)
            raise
        await self._settle(here, act, outcome, "done")
        return outcome.result

    async def _do(self, here: Case, act: Act, do: Do) -> ActOutcome:
        with opened(act):
            if (telling := telemetry()) is None:
                return await do()
            with telling.act(here, act) as told:
                outcome = await do()
                told.done(outcome)
                return outcome

    async def record(self, action: str, resource: str, verdict: str, **details: Any) -> Row:
        """Append a decision that a person or a rule has taken, and return its entry."""
        entry = {"action": action, "resource": resource, "verdict": verdict} | details
        entry = {"actor": "agora", "reasons": []} | entry
        if "public" not in vars(self.decisions.signer):  # the first use reads or makes a file
            await asyncio.to_thread(getattr, self.decisions.signer, "public")
        async with self.database.transaction() as connection:
            row = await self.decisions.append(connection, entry)
        self.decisions.keep_head(row)
        audited.get({})["seq"] = row["seq"]  # one for all that a stage does at once
        return row

    async def _find(self, here: Case, act: Act) -> Row | None:
        async with self.database.autocommit() as connection:
            return await acts.find(connection, act.key(here))

    async def _decide(self, here: Case, act: Act) -> None:
        said = self.policy.decide(act)
        await self.record(
            act.kind,
            act.subject,
            "allow" if said.is_allowed else "deny",
            actor=act.actor,
            reasons=list(said.reasons),
            policy=said.hash,
            correlation_id=here.correlation_id,
            act=act.key(here),
            facts=sha256(canonical(act.facts).encode()).hexdigest(),
            cost_usd=act.cost_usd,
        )
        if not said.is_allowed:
            why = "; ".join(said.reasons)
            raise RefusedError(f"{act.kind} {act.subject} is not allowed: {why}", "agora log show")

    async def _begin(self, here: Case, act: Act) -> None:
        async with self.database.transaction() as connection:
            await self._fence(connection, here)
            if short := await acts.reserve(connection, act):
                names = " and ".join(short)
                raise BudgetSpentError(
                    f"{act.subject} could take {act.cost_usd:.4f} USD and {act.tokens} tokens, "
                    f"more than the budget {names} has left",
                    "raise the budget, or let a cheaper expert do it",
                )
            if not await acts.begin(connection, here, act):
                raise AgoraError(f"{act.key(here)} is being done by this very run")

    async def _settle(
        self,
        here: Case,
        act: Act,
        outcome: ActOutcome | None,
        how: str,
        error: Exception | None = None,
    ) -> None:
        # A fault that knows what was served says so; of any other the whole reservation is lost.
        spent = getattr(error, "spent", None)
        told: Json = {"act": act.key(here), "kind": act.kind, "subject": act.subject, "how": how}
        told |= {"actor": act.actor, "is_done": outcome is not None}
        told |= {"error": str(error)} if error else {}
        async with self.database.transaction() as connection:
            await self._fence(connection, here)
            async with connection.pipeline():
                await acts.settle(connection, act.key(here), outcome, spent)
                await events.publish(connection, here.correlation_id, f"act.{act.kind}", told)

    async def _fence(self, connection: Rows, here: Case) -> None:
        if here.token is None:
            return
        if not await claims.is_ours(connection, here.thread_id, here.token):
            raise ClaimLostError(f"{here.thread_id}: token {here.token} no longer counts")
