"""Seating: who sits in a war room, who may judge it, and what judged meetings say of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agora.domain import council, reputations, standings
from agora.domain.contracts import AgentTask, Json
from agora.domain.council import START_ANSWERS, Reputation, Seat
from agora.domain.settings import RoomSettings
from agora.team.market import Market
from memory import folds
from memory.database import Database

FOLD, KINDS = "reputations", ["votes.judged"]


@dataclass(frozen=True)
class Seated:
    """The table, strongest first, and the strongest outsider of a family that is not at it."""

    seats: tuple[Seat, ...]
    outsider: Seat | None
    note: str
    domain: str
    found: int  # how many could have sat down before the gate


@dataclass(frozen=True)
class Seating:
    """The table of a war room."""

    settings: RoomSettings
    database: Database
    market: Market

    async def seat(self, task: AgentTask) -> Seated:
        """Choose members of other models, families and departments, then leave out who harms."""
        mix = self.market.mix(task)
        domain = max(mix, key=mix.__getitem__)
        candidates = await self._candidates(task, mix, domain)
        chosen = council.seat(candidates, self.settings.seats)
        families = {one.family for one in chosen.seats}
        outsiders = [one for one in candidates if one.family not in families]
        outsider = max(outsiders, key=lambda one: one.p, default=None)
        seats = await self._gated(chosen.seats)
        return Seated(seats, outsider, chosen.note, domain, len(chosen.seats))

    async def reputations(self) -> Json:
        """Return what all judged meetings so far say of members."""
        async with self.database.transaction() as connection:
            return await folds.advance(connection, FOLD, KINDS, _step) or reputations.empty()

    async def _candidates(self, task: AgentTask, mix: dict[str, float], domain: str) -> list[Seat]:
        offers, _ = await self.market.offers(task, {"mix": mix})
        able = {offer.name: offer for offer in offers if not offer.barred}
        state, known = await self.market.standings(), await self.reputations()
        bidders = [one for one in await self.market.bidders() if one.model and one.name in able]
        believed = {
            one.name: standings.p_success(state, one.name, mix, able[one.name].overlap)
            for one in bidders
        }
        mean = sum(q for q, _ in believed.values()) / max(1, len(believed))
        return [
            _seat(one, *believed[one.name], mean, reputations.of(known, one.name), domain)
            for one in bidders
        ]

    async def _gated(self, seats: tuple[Seat, ...]) -> tuple[Seat, ...]:
        if not seats or not reputations.needs_nobody(await self.reputations(), seats[0].name):
            return seats
        return council.gate(seats)


def _step(state: Json, event: Json) -> Json:
    return reputations.step(state or reputations.empty(), event)


def _seat(bidder: Any, q: float, n: float, mean: float, record: Json, domain: str) -> Seat:
    """Return a seat; of whom little is known is thought what is thought of the others."""
    pooled = (n * q + START_ANSWERS * mean) / (n + START_ANSWERS)
    return Seat(
        expert=bidder.expert.name,
        model=bidder.model.name,
        department=bidder.expert.department,
        family=bidder.model.family,
        p=q,
        reputation=Reputation.start(pooled).counted(record, domain),
    )


def as_json(seat: Seat) -> Json:
    """Return a seat as the state of a graph holds it."""
    return {
        "expert": seat.expert,
        "model": seat.model,
        "department": seat.department,
        "family": seat.family,
        "p": seat.p,
        "right": seat.reputation.right,
        "wrong": seat.reputation.wrong,
    }


def seats_of(rows: Sequence[Json]) -> list[Seat]:
    """Return the seats that a state holds."""
    return [
        Seat(
            row["expert"],
            row["model"],
            row["department"],
            row["family"],
            row["p"],
            Reputation(row["right"], row["wrong"]),
        )
        for row in rows
    ]
