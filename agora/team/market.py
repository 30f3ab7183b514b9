"""The market: who may bid for a task, on which terms, and what outcomes have said of them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from agora.domain import auction, difficulty, experts, standings
from agora.domain.auction import Ask, Auction, Offer, Stakes, Terms
from agora.domain.contracts import AgentOutcome, AgentTask, Json
from agora.domain.errors import SettingsError
from agora.domain.experts import BUILT_IN, LIBRARIAN, Bidder, Expert
from agora.domain.faults import ContextOverflowError
from agora.domain.models import tokens_of
from agora.domain.roster import Discovered, discover
from agora.domain.settings import Settings
from agora.team.admission import Admission, Refusal, View, sent_to
from agora.team.clocks import Clock
from agora.team.library import Library
from agora.team.prompting import Prompting, declared
from memory import acts, folds, trials
from memory.database import Database, Rows
from memory.folds import Fold

FOLD, KINDS = "standings", ["outcome.judged", standings.CORRECTED, standings.WEIGHED]
DISCOVERED_S = 60.0
"""How long the servers' lists of models are taken as they were, in seconds."""
EXPECTED_TOKENS = 200.0
"""Length of an answer that is being worked on, of which nothing more is known."""
SERVICE: Mapping[str, tuple[float, float]] = {"local": (0.5, 30.0), "cloud": (1.0, 80.0)}
"""Seconds to the first token, and tokens a second, of a server never seen before."""
SHORT = 8
"""A task is short where so many of it fit into a context: what overflows it is something else."""
SLOW_HINT = "allow more time (--deadline), or add a model, or slots to one in models.yaml"


@dataclass(frozen=True)
class Sold:
    """An auction that has been held, and why bidders were kept out of it."""

    auction: Auction
    is_forbidden: bool = False  # somebody could have, but policy or budget said no
    hint: str = ""

    def nobody(self) -> AgentOutcome:
        """Return the outcome of a task that nobody may or can do."""
        return AgentOutcome(
            status="refused" if self.is_forbidden else "declined",
            error=self.auction.reason,
            hint=self.hint,
        )


@dataclass
class Market:
    """Bidders, their standings, and auctions among them."""

    settings: Settings
    database: Database
    admission: Admission
    library: Library
    prompting: Prompting
    clock: Clock
    _known: Fold | None = field(default=None, init=False)
    _found: Discovered | None = field(default=None, init=False)
    _found_at: float = field(default=-DISCOVERED_S, init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def models(self) -> Discovered:
        """Return the models that can be asked now, and what is wrong with the others."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if self._found is None or now - self._found_at > DISCOVERED_S:
                self._found, self._found_at = await discover(self.settings), now
            return self._found

    def experts(self) -> list[Expert]:
        """Return all who bid: those of prompts/experts as they are now, and the built-in ones."""
        return [*(one for one in self.prompting.experts() if one.bids), *BUILT_IN]

    async def bidders(self) -> list[Bidder]:
        """Return every expert on every model that it admits, and the built-in ones."""
        return experts.bidders(self.experts(), (await self.models()).models)

    async def bidder(self, name: str) -> Bidder:
        """Return the bidder of this name; raise SettingsError when its model has gone."""
        for one in await self.bidders():
            if one.name == name:
                return one
        raise SettingsError(f"{name} can no longer be asked", "agora doctor")

    async def standings(self) -> Json:
        """Return what all outcomes so far say of bidders."""
        async with self.database.autocommit() as connection:
            return await self._folded(connection)

    async def _folded(self, connection: Rows) -> Json:
        known = self._known
        if known is None or not await folds.is_current(connection, FOLD, KINDS, known):
            async with connection.transaction():
                known = self._known = await folds.read(connection, FOLD, KINDS, _step)
        return known.state or standings.empty()

    def mix(self, task: AgentTask) -> dict[str, float]:
        """Return the domains of a task, declared or predicted from its text; weights sum to 1."""
        if task.domain:
            return {task.domain: 1.0}
        return experts.predict_domain(task.text, _domains())

    async def roster(self) -> list[Json]:
        """Return every bidder with its record, for people."""
        state = await self.standings()
        return [_entry(one, state) for one in await self.bidders()]

    async def offered(self) -> list[Json]:
        """Return every model that can be asked: its price, its load, its server's health."""
        async with self.database.autocommit() as connection:
            busy, _ = await acts.outlook(connection)
            state = await self._folded(connection)
        now_s = self.clock().timestamp()
        return [
            model.as_json()
            | standings.server(state, model.name, now_s)
            | {"busy": busy.get(model.name, 0), "server": model.server}
            for model in (await self.models()).models
        ]

    async def hold(
        self, task: AgentTask, plan: Json, tried: Sequence[Json], ends_at: str | None = None
    ) -> Sold:
        """Hold the auction for a task; who has failed at it already may not bid again.

        Where a budget keeps somebody out, the cheapest of the others wins, whatever its score.
        """
        view = await self._view(task, plan, tried, ends_at)
        offers, refusals = await self._offers(view)
        held = auction.hold(offers, view.ask.stakes)
        if any(one and one.is_too_dear for one in refusals):
            held = auction.thrifty(held)
        if held.award:
            return Sold(held)
        if late := _too_late(offers, refusals, view.ask):
            return Sold(replace(held, reason=late), hint=SLOW_HINT)
        is_forbidden = all(refusals) and any(one and one.is_by_rule for one in refusals)
        return Sold(held, is_forbidden, _hint(await self.models()))

    async def clerks(self, task: AgentTask) -> list[Bidder]:
        """Return whose models do small jobs beside tasks, such as judging: one expert a model.

        Local models come first, then the cheapest; none that may not be asked now, or rests.
        """
        offers, _ = await self.offers(task, {"mix": self.mix(task)})
        free = {one.name for one in offers if not one.barred and not one.resting}
        able: dict[str, Bidder] = {}
        for bidder in await self.bidders():
            if bidder.model and bidder.name in free:
                able.setdefault(bidder.model.name, bidder)
        return sorted(able.values(), key=_clerks_price)

    async def offers(
        self,
        task: AgentTask,
        plan: Json,
        tried: Sequence[Json] = (),
        ends_at: str | None = None,
    ) -> tuple[list[Offer], list[Refusal | None]]:
        """Return every bidder's offer, and why it may not bid."""
        return await self._offers(await self._view(task, plan, tried, ends_at))

    async def _offers(self, view: View) -> tuple[list[Offer], list[Refusal | None]]:
        made = [await self._offer(bidder, view) for bidder in await self.bidders()]
        return [one for one, _ in made], [refusal for _, refusal in made]

    async def _view(
        self, task: AgentTask, plan: Json, tried: Sequence[Json], ends_at: str | None
    ) -> View:
        rules = self.admission.rules(task)
        shared, own = self.admission.all_budgets(task)
        async with self.database.autocommit() as connection:
            busy, left = await acts.outlook(connection, [b.name for b in (*shared, *own.values())])
            state, unproved = await self._folded(connection), await trials.unproved(connection)
        ask = Ask(
            plan["mix"],
            Stakes(rules.value_usd(plan["mix"]), rules.auction.second_usd),
            self.admission.left_s(ends_at),
            now_s=self.clock().timestamp(),
            may_probe=task.urgency == "normal" and "side_effects" not in task.labels,
            ease=difficulty.ease(state["difficulty"], difficulty.traits(task.text)),
            is_again=bool(tried),
        )
        too_small = await self._overflowed(task, tried)
        lost = _lost(tried)
        return View(task, rules, shared, own, ask, state, busy, left, *lost, unproved, too_small)

    async def _overflowed(self, task: AgentTask, tried: Sequence[Json]) -> int:
        """Return the largest context that was too small; a short task says nothing of contexts."""
        sizes = {model.name: model.context for model in (await self.models()).models}
        failed = (one for one in tried if one["outcome"]["fault"] == ContextOverflowError.code)
        found = [sizes.get(one["award"]["winner"]["model"], 0) for one in failed]
        most = max(found, default=0)
        return most if tokens_of(task.text) * SHORT > most else 0

    async def _offer(self, bidder: Bidder, view: View) -> tuple[Offer, Refusal | None]:
        refusal = self.admission.refusal(bidder, view)
        barred = refusal.reasons if refusal else ()
        overlap = experts.mixed_overlap(bidder.expert.domains, view.ask.mix)
        terms = _terms(bidder, view, barred)
        model = bidder.model.name if bidder.model else None
        made = auction.offer(view.standings, bidder.expert.name, model, view.ask, terms, overlap)
        if bidder.expert is LIBRARIAN and not barred:
            made = await self._librarians(made, view)
        return made, refusal

    async def _librarians(self, made: Offer, view: View) -> Offer:
        """Return the librarian's offer: as good as the documents that speak of the question."""
        p = await self.library.chance(view.task)
        own, _ = standings.p_success(view.standings, made.name, {"documents": 1.0}, 1.0)
        return Offer(made.expert, None, p_success=p * own, q=p * own, overlap=p)


def _lost(tried: Sequence[Json]) -> tuple[dict[str, str], dict[str, str]]:
    """Return who has failed at a task, and the models whose servers have, each with the error.

    A server that has failed once fails the next expert on it too: others are asked first.
    """
    said = [(one["award"]["winner"], one["outcome"]) for one in tried]
    faults = [(bid, outcome) for bid, outcome in said if outcome["fault"]]
    return (
        {_name(bid): outcome["error"] for bid, outcome in said},
        {bid["model"]: one["error"] for bid, one in faults if one["status"] != "refused"},
    )


def _too_late(offers: Sequence[Offer], refusals: Sequence[Refusal | None], ask: Ask) -> str:
    """Return that nobody can meet the deadline, if somebody could without it; else ""."""
    able = [one for one, refusal in zip(offers, refusals, strict=True) if refusal is None]
    if ask.deadline_s is None or not able or not all(one.barred for one in able):
        return ""
    first = min(able, key=lambda one: one.queue_s + one.service_s)
    wait_s = first.queue_s + first.service_s
    return (
        f"nobody can answer in the {ask.deadline_s:.1f} s that are left: "
        f"{first.name}, the quickest, would need {wait_s:.1f} s"
    )


def _terms(bidder: Bidder, view: View, barred: tuple[str, ...]) -> Terms:
    if bidder.model is None:
        return Terms(barred=barred)
    model: Any = bidder.model
    sent = sent_to(bidder, view)
    first_s, speed = SERVICE["local" if model.residency == "local" else "cloud"]
    load, queue_s = view.busy.get(model.name, 0), 0.0
    if load >= model.slots:
        usual_s = first_s + EXPECTED_TOKENS / speed
        own_s = standings.expected_latency(view.standings, bidder.name, EXPECTED_TOKENS, usual_s)
        queue_s = (load - model.slots + 1) * own_s / model.slots
    return Terms(
        cost_usd=lambda tokens: model.price_usd(sent, round(tokens)),
        service_s=lambda tokens: first_s + tokens / speed,
        queue_s=queue_s,
        load=load,
        barred=barred,
    )


@cache
def _domains() -> experts.Domains:
    return experts.declared_domains([*declared(), *BUILT_IN])


def _entry(bidder: Bidder, state: Json) -> Json:
    right, outcomes, _ = standings.tally(state, bidder.name)
    overlap = dict.fromkeys(list(bidder.expert.domains)[:1], 1.0)
    return {
        "name": bidder.name,
        "expert": bidder.expert.name,
        "model": bidder.model.name if bidder.model else None,
        "department": bidder.expert.department,
        "domains": list(bidder.expert.domains),
        "description": bidder.expert.description,
        "right": right,
        "outcomes": outcomes,
        "p_success": standings.p_success(state, bidder.name, overlap, 1.0)[0],
        "cost_usd": _usual_cost(bidder),
    }


def _usual_cost(bidder: Bidder) -> float:
    """Return what an answer of 200 tokens to 100 costs in USD, the expert's prompt included."""
    if bidder.model is None:
        return 0.0
    model: Any = bidder.model
    sent = 100 + tokens_of(bidder.expert.system)
    return float(model.price_usd(sent, round(EXPECTED_TOKENS)))


def _clerks_price(bidder: Bidder) -> tuple[bool, float, str]:
    model: Any = bidder.model
    return model.residency != "local", _usual_cost(bidder), bidder.name


def _name(bid: Json) -> str:
    return f"{bid['expert']}@{bid['model']}" if bid["model"] else str(bid["expert"])


def _step(state: Json, event: Json) -> Json:
    return standings.step(state or standings.empty(), event)


def _hint(found: Discovered) -> str:
    if found.models:
        return ""
    if found.faults:
        return "; ".join(f"{fault}: {fault.hint}" for fault in found.faults)
    return "set OLLAMA_HOST or OPENAI_API_KEY, and models join the auction; see `agora doctor`"
