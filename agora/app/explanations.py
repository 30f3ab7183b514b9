"""Explaining itself: what Agora is, what is active and why, what it did today, what it doubts.

Every sentence comes from a record, and names it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agora.app.reports import powers
from agora.domain.contracts import Json
from agora.team import Team
from memory import changes, days, opportunities, trials

FEW = 10
"""Outcomes below which a bidder's success is more hope than knowledge."""


@dataclass(frozen=True)
class Said:
    """A sentence, and the record that it rests on."""

    about: str  # what I am, what is active, what I did today, what I am unsure of
    says: str
    source: str

    def as_json(self) -> Json:
        """Return it for programs."""
        return {"about": self.about, "says": self.says, "source": self.source}


async def explain(team: Team) -> list[Said]:
    """Return what Agora has to say of itself now."""
    since = team.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    async with team.database.transaction() as connection:
        told = await days.since(connection, since, team.settings.memory.least_confidence)
        running = await trials.listed(connection, None)
        living = await opportunities.living(connection)
        waiting = await changes.waiting(connection)
        good_for = await powers(team, connection)
    bidders, asked = await team.market.roster(), await team.acting.asked()
    models = await team.market.models()
    return [
        *_self(team, models),
        *_active(team, running, good_for),
        *_today(told, since),
        *_doubts(told, bidders, running, living, models),
        *_waiting(waiting, asked),
    ]


def _self(team: Team, models: Any) -> Iterator[Said]:
    experts = ", ".join(one.name for one in team.market.experts())
    yield Said("what I am", f"A team of experts: {experts}.", "prompts/experts, and two built in")
    for model in models.models:
        says = f"{model.name} can be asked; it runs {model.residency} at {model.server}."
        yield Said("what I am", says, f"the listing of {model.vendor}")
    if not models.models:
        says = "No model can be asked: I quote documents and repair tools, and nothing else."
        yield Said("what I am", says, "settings ollama.host, openai.api_key")


def _active(team: Team, running: list[Any], good_for: dict[str, str]) -> Iterator[Said]:
    governing = team.acting.policy
    rules = len(governing.policy.rules)
    folders = ", ".join(str(folder) for folder in governing.folders)
    yield Said("what is active, and why", f"{rules} policies, {governing.hash[:12]}.", folders)
    cap = team.settings.budget.day_usd
    limit = f"At most {cap:g} USD a day." if cap is not None else "No cap on the day's spending."
    yield Said("what is active, and why", limit, "setting budget.day_usd")
    for name, said in good_for.items():
        yield Said("what is active, and why", f"{name}: {said}.", f"capabilities {name}")
    for trial in running:
        if trial["status"] == "promoted":
            says = f"{trial['kind']} {trial['subject']}: its new version, because it won "
            says += f"{trial['wins']} and lost {trial['losses']} of {trial['pairs']} paired tasks."
            yield Said("what is active, and why", says, f"trials {trial['id']}")


def _today(told: Json, since: datetime) -> Iterator[Said]:
    source = f"since {since:%Y-%m-%d %H:%M} UTC"
    for row in told["tasks"]:
        yield Said("what I did today", f"{row['tasks']} tasks {row['status']}.", f"tasks {source}")
    if not told["tasks"]:
        yield Said("what I did today", "Nobody has asked me anything.", f"tasks {source}")
    for row in told["acts"]:
        failed = f", {row['failed']} of them failed" if row["failed"] else ""
        cost = f", for {row['cost_usd']:.4f} USD" if row["cost_usd"] else ""
        yield Said(
            "what I did today", f"{row['kind']}: {row['acts']}{failed}{cost}.", f"acts {source}"
        )
    for row in told["changes"]:
        says = f"{row['title'] or row['subject']}: {row['status']}."
        yield Said(
            "what I did today", says, f"changes {row['id']} {(row['commit'] or '')[:8]}".rstrip()
        )
    for row in told["denied"]:
        says = f"A policy has stopped {row['action']} {row['resource']}."
        yield Said("what I did today", says, f"decisions {row['seq']}")


def _doubts(
    told: Json, bidders: list[Json], running: list[Any], living: list[Any], models: Any
) -> Iterator[Said]:
    known = [one for one in bidders if one["model"]]
    few = [one for one in known if one["outcomes"] < FEW]
    if few:
        names = ", ".join(one["name"] for one in few[:6]) + (", …" if len(few) > 6 else "")
        says = f"How good {names} are: fewer than {FEW} outcomes are known of each."
        yield Said("what I am unsure of", says, "folds standings")
    for row in told["unsure"]:
        says = f"Task {row['id']}: {row['expert']} was {row['confidence']:.2f} sure."
        yield Said("what I am unsure of", says, f"tasks {row['id']}")
    for trial in running:
        if trial["status"] == "running":
            says = f"Whether a new {trial['kind']} for {trial['subject']} is better: "
            says += f"{trial['pairs']} pairs so far."
            yield Said("what I am unsure of", says, f"trials {trial['id']}")
    for row in living:
        says = f"{row['kind'].replace('_', ' ')}: {row['subject']} is {row['status']}."
        yield Said("what I am unsure of", says, f"opportunities {row['id']}")
    for row in told["open_acts"]:
        yield Said(
            "what I am unsure of",
            "An act was begun over an hour ago, and is open.",
            f"acts {row['key']}",
        )
    for fault in models.faults:
        yield Said("what I am unsure of", str(fault), "the last look at the model servers")


def _waiting(waiting: list[Any], asked: list[Any]) -> Iterator[Said]:
    for row in waiting:
        says = f"Whether you want this: {row['title'] or row['subject']}."
        yield Said("what I am unsure of", says, f"changes {row['id']}")
    for row in asked:
        act = row["act"]
        says = f"Whether you permit {act['kind']} {act['subject']} to {act['actor']}."
        yield Said("what I am unsure of", says, f"escalations {row['id']}")
