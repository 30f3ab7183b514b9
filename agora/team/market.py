"""The market: who may bid for a task, on which terms, and what outcomes have said of them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from math import inf
from typing import Any

import prompts
from agora.domain import auction, difficulty, experts, standings
from agora.domain.auction import Ask, Auction, Offer, Stakes, Terms
from agora.domain.chat import prompt_tokens
from agora.domain.contracts import Act, AgentOutcome, AgentTask, Json
from agora.domain.errors import SettingsError
from agora.domain.experts import BUILT_IN, LIBRARIAN, REPAIRER, Bidder, Expert
from agora.domain.models import expected_cost
from agora.domain.roster import Discovered, discover
from agora.domain.settings import Settings
from agora.team.acting import Policy
from agora.team.clocks import Clock
from agora.team.library import Library
from memory import acts, folds
from memory.database import Database, Rows

FOLD, KINDS = "standings", ["outcome.judged"]
DISCOVERED_S = 60.0
"""How long the servers' lists of models are taken as they were, in seconds."""
EXPECTED_TOKENS = 200.0
"""Length of an answer that is being worked on, of which nothing more is known."""
SERVICE: Mapping[str, tuple[float, float]] = {"local": (0.5, 30.0), "cloud": (1.0, 80.0)}
"""Seconds to the first token, and tokens a second, of a server never seen before."""


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
    policy: Policy
    library: Library
    clock: Clock
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
        """Return all experts: those of prompts/experts, and those that are built in."""
        return [*declared(), *BUILT_IN]

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
        async with self.database.transaction() as connection:
            return await self._folded(connection)

    async def _folded(self, connection: Rows) -> Json:
        return await folds.advance(connection, FOLD, KINDS, _step) or standings.empty()

    def mix(self, task: AgentTask) -> dict[str, float]:
        """Return the domains of a task, declared or predicted from its text; weights sum to 1."""
        if task.domain:
            return {task.domain: 1.0}
        return experts.predict_domain(task.text, experts.declared_domains(self.experts()))

    async def roster(self) -> list[Json]:
        """Return every bidder with its record, for people."""
        state = await self.standings()
        return [_entry(one, state) for one in await self.bidders()]

    def left_s(self, ends_at: str | None) -> float:
        """Return the seconds until a task's deadline, at least a hundredth; inf without one."""
        if ends_at is None:
            return inf
        return max(0.01, (datetime.fromisoformat(ends_at) - self.clock()).total_seconds())

    async def hold(
        self, task: AgentTask, plan: Json, tried: Sequence[Json], ends_at: str | None = None
    ) -> Sold:
        """Hold the auction for a task; who has failed at it already may not bid again."""
        offers, is_forbidden = await self.offers(task, plan, tried, ends_at)
        held = auction.hold(offers, self._stakes())
        found = await self.models()
        return Sold(held, is_forbidden and held.award is None, _hint(found))

    async def offers(
        self,
        task: AgentTask,
        plan: Json,
        tried: Sequence[Json] = (),
        ends_at: str | None = None,
    ) -> tuple[list[Offer], bool]:
        """Return every bidder's offer, and whether all that could were kept out by a rule."""
        view = await self._view(task, plan, tried, ends_at)
        made = [await self._offer(bidder, view) for bidder in await self.bidders()]
        rules = [kind for _, kind in made]
        return [one for one, _ in made], "rule" in rules and "" not in rules

    async def _view(
        self, task: AgentTask, plan: Json, tried: Sequence[Json], ends_at: str | None
    ) -> "_View":
        async with self.database.transaction() as connection:
            busy = await acts.busy(connection)
            left = await acts.left(connection, self.budgets(task))
            state = await self._folded(connection)
        ask = Ask(
            plan["mix"],
            self._stakes(),
            self.left_s(ends_at),
            now_s=self.clock().timestamp(),
            may_probe=task.urgency == "normal",
            traits=difficulty.traits(task.text),
        )
        failed = {_name(one["award"]["winner"]): one["outcome"]["error"] for one in tried}
        # A server that has failed once fails the next expert on it too: others are asked first.
        silent = {
            one["award"]["winner"]["model"]: one["outcome"]["error"]
            for one in tried
            if one["outcome"]["fault"]
        }
        return _View(task, ask, state, busy, left, failed, silent)

    async def open_budgets(self, task: AgentTask) -> None:
        """Make sure that the budgets of a paid answer exist, with the caps that hold now."""
        day, *own = self.budgets(task)
        async with self.database.autocommit() as connection:
            await acts.open_budget(connection, day, self.settings.budget.day_usd)
            for name in own:
                await acts.open_budget(connection, name, task.budget_usd or 0.0)

    def budgets(self, task: AgentTask) -> list[str]:
        """Return the names of the budgets that a paid answer to this task draws on."""
        own = [f"task:{task.id}"] if task.budget_usd is not None else []
        return [f"day:{self.clock():%Y-%m-%d}", *own]

    def _stakes(self) -> Stakes:
        return Stakes(self.settings.auction.value_usd, self.settings.auction.second_usd)

    async def _offer(self, bidder: Bidder, view: "_View") -> tuple[Offer, str]:
        barred, kind = await self._barred(bidder, view)
        overlap = experts.mixed_overlap(bidder.expert.domains, view.ask.mix)
        terms = self._terms(bidder, view, barred)
        model = bidder.model.name if bidder.model else None
        made = auction.offer(view.standings, bidder.expert.name, model, view.ask, terms, overlap)
        if bidder.expert == LIBRARIAN and not barred:
            made = await self._librarians(made, view)
        return made, kind

    async def _librarians(self, made: Offer, view: "_View") -> Offer:
        """Return the librarian's offer: as good as the documents that speak of the question."""
        p = await self.library.chance(view.task)
        own, _ = standings.p_success(view.standings, made.name, {"documents": 1.0}, 1.0)
        return Offer(made.expert, None, p_success=p * own, q=p * own, overlap=p)

    def _terms(self, bidder: Bidder, view: "_View", barred: tuple[str, ...]) -> Terms:
        if bidder.model is None:
            return Terms(barred=barred)
        model: Any = bidder.model
        sent = prompt_tokens([{"role": "user", "content": view.task.text + bidder.expert.system}])
        first_s, speed = SERVICE[model.residency]
        load = view.busy.get(bidder.name, 0)
        service_s = standings.expected_latency(
            view.standings, bidder.name, EXPECTED_TOKENS, first_s + EXPECTED_TOKENS / speed
        )
        return Terms(
            cost_usd=lambda tokens: expected_cost(model, sent, round(tokens)),
            service_s=lambda tokens: first_s + tokens / speed,
            queue_s=load * service_s / model.slots,
            load=load,
            barred=barred,
        )

    async def _barred(self, bidder: Bidder, view: "_View") -> tuple[tuple[str, ...], str]:
        """Return why a bidder may not bid, and whether it cannot or a rule says no."""
        if cannot := self._cannot(bidder, view):
            return (cannot,), "cannot"
        if bidder.model is None:
            return (), ""
        said = self.policy.decide(self.question(bidder, view.task, 0.0))
        if not said.is_allowed:
            return tuple(said.reasons), "rule"
        if why := self._unaffordable(bidder, view):
            return (why,), "rule"
        return (), ""

    def _cannot(self, bidder: Bidder, view: "_View") -> str:
        task = view.task
        if bidder.name in view.failed:
            return f"has failed at this task: {view.failed[bidder.name]}"
        if bidder.model and bidder.model.name in view.silent:
            return f"its model has failed at this task: {view.silent[bidder.model.name]}"
        if bidder.expert == LIBRARIAN and task.workspace is None:
            return "there is no git workspace to read"
        if bidder.expert == REPAIRER:
            return "repairs tools: `agora fix WORKSPACE --test CMD`"
        able = {*bidder.expert.domains, *getattr(bidder.model, "capabilities", ())}
        missing = set(task.requires) - able
        return f"cannot do {', '.join(sorted(missing))}" if missing else ""

    def _unaffordable(self, bidder: Bidder, view: "_View") -> str:
        model: Any = bidder.model
        sent = prompt_tokens([{"role": "user", "content": view.task.text + bidder.expert.system}])
        most = expected_cost(model, sent, self.settings.execution.answer_tokens)
        left = self._left(view)
        if not most or most <= left:
            return ""
        return f"could cost {most:.4f} USD, and the budget has {max(0.0, left):.4f} left"

    def _left(self, view: "_View") -> float:
        caps = [self.settings.budget.day_usd] if view.left is None else [view.left]
        return min([*caps, *([view.task.budget_usd] if view.task.budget_usd is not None else [])])

    def question(self, bidder: Bidder, task: AgentTask, cost_usd: float, ordinal: int = 0) -> Act:
        """Return the act of asking a bidder's model for this task, as policies see it."""
        model: Any = bidder.model
        return Act(
            kind="ask_model",
            subject=model.name,
            actor=bidder.name,
            cost_usd=cost_usd,
            budgets=tuple(self.budgets(task)) if cost_usd else (),
            ordinal=ordinal,
            facts={
                "residency": model.residency,
                "labels": list(task.labels),
                "tenant": task.tenant,
            },
        )


@dataclass(frozen=True)
class _View:
    """What all offers for one task are made from."""

    task: AgentTask
    ask: Ask
    standings: Json
    busy: Mapping[str, int]
    left: float | None
    failed: Mapping[str, str]  # bidders that have failed at this task, and how
    silent: Mapping[str, str]  # models whose servers have


@cache
def declared() -> tuple[Expert, ...]:
    """Return the experts that prompts/experts declares."""
    return tuple(
        experts.parse(f"prompts/experts/{one.name}.md", one.name, one.matter, one.body)
        for one in prompts.load_all("experts")
    )


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
    }


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
