"""The only door to anything outside: policy, decision, reservation, act, settlement."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import structlog

from agora.domain.contracts import Act, ActOutcome, Case, Json
from agora.domain.doors import opened
from agora.domain.errors import (
    AgoraError,
    BudgetSpentError,
    ChildKilledError,
    ClaimLostError,
    RateReachedError,
    RefusedError,
    UsageError,
)
from agora.domain.rates import rates_of
from agora.domain.redaction import redact
from agora.domain.settings import RateSettings
from agora.domain.signing import canonical
from agora.team import escalating
from agora.team.governing import Governing
from agora.team.telemetry import telemetry
from memory import acts, claims, decisions, escalations, events, policy_sets, rate_uses
from memory.database import BROKEN, UNFLUSHED, Database, DatabaseBusyError, Row, Rows
from memory.decisions import Decisions

case: ContextVar[Case] = ContextVar("case")
log = structlog.get_logger(__name__)
audited: ContextVar[dict[str, int]] = ContextVar("audited")
"""The last decision of the running stage, as `seq`: its number in the log."""

KEY_DIGITS = 64
BOOKINGS = 20
"""So often it is tried to book what was done; for a connection `database.wait_s` each time."""
LIVES = 3
"""So often what does an act may be killed before somebody is told."""
Do = Callable[[], Awaitable[ActOutcome]]
Judge = Callable[[], Awaitable[ActOutcome | None]]


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
    policy: Governing
    decisions: Decisions
    rates: Sequence[RateSettings] = ()

    async def perform(
        self,
        act: Act,
        do: Do,
        judge: Judge = assume_lost,
        *,
        only_reads: bool = False,
        is_inside: bool = False,
    ) -> Json:
        """Return the act's result, doing it unless it was done before.

        `judge` looks at the world for an act whose holder died, or the git or the sandbox that did
        it: the outcome if it took effect, None if it did not (it then costs what was reserved, and
        is done again); it raises UndecidableActError when nobody can tell. What `only_reads`, for
        the sake of reading, is read again when it was before. What `is_inside` does one
        transaction of this very database, which takes to the disk what is written here before it:
        nothing else waits.
        Raises RefusedError and BudgetSpentError before anything is done, ClaimLostError when
        somebody else has taken the thread over, ChildKilledError when too much is killed.
        """
        for _ in range(LIVES - 1):
            try:
                return await self._perform(act, do, judge, only_reads, is_inside)
            except ChildKilledError as error:
                log.warning("begun again", act=act.kind, subject=act.subject, error=str(error))
        return await self._perform(act, do, judge, only_reads, is_inside)

    async def _perform(
        self, act: Act, do: Do, judge: Judge, only_reads: bool, is_inside: bool
    ) -> Json:
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
        decided = await self._decide(here, act)
        await self._begin(here, act, is_inside)
        if not is_inside:  # not before it is on the disk, with what begins the act
            self.decisions.keep_head(decided)
        try:
            outcome = await self._do(here, act, do)
        except ChildKilledError:
            raise  # the act stays open, as if its holder had died: what became of it is judged
        except Exception as error:
            await self._settle(here, act, None, "failed", error)
            raise
        finally:
            if is_inside:
                self.decisions.keep_head(decided)
        await self._settle(here, act, outcome, "done", is_inside=is_inside)
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
        row = await self._append(action, resource, verdict, details)
        self.decisions.keep_head(row)
        return row

    async def _append(
        self, action: str, resource: str, verdict: str, details: Json, *, is_followed: bool = False
    ) -> Row:
        entry: Json = {"action": action, "resource": resource, "verdict": verdict} | details
        entry = {"actor": "agora", "reasons": []} | entry
        if not self.decisions.signer.is_ready:  # the first use reads or makes a file
            await asyncio.to_thread(getattr, self.decisions.signer, "key")
        # In one round trip, or in two: every act waits for them, and all others for the lock.
        async with self.database.autocommit() as connection:
            row = await self.decisions.extend(connection, entry) if is_followed else None
            if row is None:
                async with connection.pipeline(), connection.transaction():
                    row = await self.decisions.append(connection, entry, is_followed=is_followed)
        self.decisions.remember(row)
        audited.get({})["seq"] = row["seq"]  # one for all that a stage does at once
        return row

    async def rotate_key(self, by: str, reason: str) -> Row:
        """Put another signing key into force, vouched for by the old one; return its entry."""
        async with self.database.transaction() as connection:
            row = await self.decisions.rotate(connection, by, reason)
        self.decisions.signer.take_over()
        self.decisions.keep_head(row)
        return row

    async def accept_key(self, public: str, by: str, reason: str) -> Row:
        """Count a public key as ours: of another machine, or one that was lost."""
        if len(public) != KEY_DIGITS or set(public) - set("0123456789abcdef"):
            raise UsageError(f"{public} is no public key", "agora log verify names it")
        row = await self.record("accept_key", public, "accept", actor=by, reasons=[reason])
        await asyncio.to_thread(self.decisions.signer.accept, public)
        return row

    async def escalation(self, one: str) -> Row | None:
        """Return an act that a person was asked about, or None; `type` is the answer, if any."""
        async with self.database.transaction() as connection:
            return await escalations.find(connection, one)

    async def asked(self) -> list[Row]:
        """Return every act that waits for a person's yes, oldest first."""
        async with self.database.transaction() as connection:
            return await escalations.waiting(connection)

    async def _find(self, here: Case, act: Act) -> Row | None:
        async with self.database.autocommit() as connection:
            return await acts.find(connection, act.key(here))

    async def _decide(self, here: Case, act: Act) -> Row:
        """Return the entry that permits the act; raise RefusedError, or ask a person."""
        await self.policy.refresh()
        if self.policy.noted != self.policy.state:
            await self._note_policies()
        said = self.policy.decide(act)
        word, reasons = said.word, list(said.reasons)
        asked = await escalating.appeal(self.database, here, act, reasons) if said.asks else None
        if asked and asked["type"]:
            word = "allow" if asked["type"] == "approve" else "deny"
            reasons.append(f"{asked['by']}: {asked['type']} {asked['reason']}".rstrip())
        details = self._details(here, act, said.hash, reasons)
        if word == "allow":
            return await self._append(act.kind, act.subject, word, details, is_followed=True)
        if asked is None or asked["type"] or asked["is_new"]:
            await self.record(act.kind, act.subject, word, **details)
        if word == "ask" and asked:
            raise await escalating.unanswered(self.database, here, act, asked)
        why = "; ".join(reasons)
        raise RefusedError(f"{act.kind} {act.subject} is not allowed: {why}", "agora log show")

    def _details(self, here: Case, act: Act, policies: str, reasons: list[str]) -> Json:
        return {
            "actor": act.actor,
            "reasons": reasons,
            "policy": policies,
            "correlation_id": here.correlation_id,
            "act": act.key(here),
            "facts": sha256(canonical(act.facts).encode()).hexdigest(),
            "cost_usd": act.cost_usd,
        }

    async def _note_policies(self) -> None:
        """Append that other policies are in force, or that an edit of them cannot be read."""
        state, policy, fault = self.policy.state, self.policy.policy, self.policy.fault
        row: Row | None = None
        async with self.database.transaction() as connection:
            await decisions.hold(connection)  # of two processes one takes the change up
            known = await policy_sets.newest(connection)
            if known is None or known["hash"] != policy.hash:
                await policy_sets.keep(connection, policy.hash, policy.texts)
            changed = policy.changes_from(known["texts"]) if known else []
            if changed or fault:
                entry: Json = {"actor": "operator", "action": "set_policies", "policy": policy.hash}
                entry |= {"resource": policy.hash, "verdict": "refuse" if fault else "accept"}
                row = await self.decisions.append(
                    connection, entry | {"reasons": [fault] if fault else changed}
                )
        if row:
            self.decisions.keep_head(row)
        self.policy.noted = state

    async def hear(self, one: str, said: str, by: str, reason: str = "") -> str:
        """Keep what a person says of an act, unless somebody was quicker; return what counts."""
        async with self.database.transaction() as connection:
            is_first = await escalations.answer(connection, one, said, by, reason)
            known = await escalations.find(connection, one)
        if known is None:
            raise UsageError(f"nothing waits under {one}", "agora approvals list")
        if is_first:
            act = Act.model_validate(known["act"])
            reasons = [reason] if reason else []
            what = {"actor": by, "reasons": reasons, "correlation_id": known["case_id"]}
            await self.record("answer_escalation", f"{one} {act.kind} {act.subject}", said, **what)
        return str(known["type"])

    async def _begin(self, here: Case, act: Act, is_inside: bool) -> None:
        async with self.database.transaction() as connection:
            if is_inside:
                await connection.execute(UNFLUSHED)
            await self._fence(connection, here)
            for rate in rates_of(self.rates, act) if self.rates else ():
                if (free_in := await rate_uses.use(connection, rate)) is not None:
                    raise RateReachedError(
                        f"{act.kind} {act.subject}: {rate.most} in {rate.every_s:g} s are reached",
                        f"again in {free_in:.0f} s, or change policy.rates",
                    )
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
        *,
        is_inside: bool = False,
    ) -> None:
        """Book what has been done; where the database cannot, again, lest it is done again."""
        for _ in range(BOOKINGS):
            with suppress(DatabaseBusyError, *BROKEN):
                return await self._book(here, act, outcome, how, error, is_inside)
        await self._book(here, act, outcome, how, error, is_inside)

    async def _book(
        self,
        here: Case,
        act: Act,
        outcome: ActOutcome | None,
        how: str,
        error: Exception | None,
        is_inside: bool,
    ) -> None:
        # A fault that knows what was served says so; of any other the whole reservation is lost.
        spent = getattr(error, "spent", None)
        told: Json = {"act": act.key(here), "kind": act.kind, "subject": act.subject, "how": how}
        told |= {"actor": act.actor, "is_done": outcome is not None}
        told |= {"error": redact(str(error))} if error else {}
        async with self.database.transaction() as connection:
            await self._fence(connection, here)
            async with connection.pipeline():
                if is_inside:  # lost, it is found again by whoever judges the act
                    await connection.execute(UNFLUSHED)
                await acts.settle(connection, act.key(here), outcome, spent)
                await events.publish(connection, here.correlation_id, f"act.{act.kind}", told)

    async def _fence(self, connection: Rows, here: Case) -> None:
        if here.token is None:
            return
        if not await claims.is_ours(connection, here.thread_id, here.token):
            raise ClaimLostError(f"{here.thread_id}: token {here.token} no longer counts")
