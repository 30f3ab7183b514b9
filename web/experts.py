"""Experts: what outcomes have said of each, by domain; what is on trial; prompts by version."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from agora import team
from agora.domain import breakers, prompt_diffs, sequential, standings, table
from agora.domain.contracts import Json
from agora.team.prompting import KIND
from memory import trials, views
from memory.database import Row, Rows
from web import charts, diffs
from web.entry import Admitted

router = APIRouter(include_in_schema=False)
MOST_DOMAINS = 8
MOST_BIDDERS = 40
MOST_TRIALS = 20
e_value = cache(sequential.e_value)  # asked again for the same few pairs by every look
STEPS = ((0.88, "h4"), (0.80, "h3"), (0.70, "h2"), (0.0, "h1"))


@router.get("/experts")
async def experts(page: Admitted) -> Response:
    """Show who is good at what, as outcomes say."""
    market, clock_s = team.current().market, team.current().clock().timestamp()
    state = await market.standings()
    async with page.database.autocommit() as connection:
        listed = await trials.listed(connection)
        shown = [
            await _trial(row, await trials.outcomes(connection, row["id"]))
            for row in listed[::-1][:MOST_TRIALS]
            if row["status"] == "running"
        ]
        versions = await _versions(connection)
    domains = _domains(state)
    return await page.show(
        "experts.html",
        here="/experts",
        declared=team.current().prompting.experts(),
        domains=domains,
        rows=_rows(state, domains),
        servers=[
            standings.server(state, name, clock_s) | {"name": name}
            for name in sorted(state["servers"])
        ],
        trials=shown,
        ended=[_ended(row) for row in listed[::-1] if row["status"] != "running"][:MOST_TRIALS],
        versions=versions,
    )


def _domains(state: Json) -> list[str]:
    """Return the domains with the most outcomes."""
    counts: dict[str, int] = {}
    for record in state["bidders"].values():
        for domain, cell in record["cells"].items():
            counts[domain] = counts.get(domain, 0) + table.tasks(cell)
    return sorted(counts, key=lambda one: (-counts[one], one))[:MOST_DOMAINS]


def _rows(state: Json, domains: Sequence[str]) -> list[Json]:
    names = sorted(state["bidders"], key=lambda name: -table.tasks(state["bidders"][name]))
    return [_row(state, name, domains) for name in names[:MOST_BIDDERS]]


def _row(state: Json, name: str, domains: Sequence[str]) -> Json:
    record = state["bidders"][name]
    own = table.own_mean(record)
    cells: list[Json | None] = []
    for domain in domains:
        cell = record["cells"].get(domain)
        if cell is None or not table.tasks(cell):
            cells.append(None)
            continue
        mean = table.cell_mean(record, domain, own)
        css = next(css for least, css in STEPS if mean >= least)
        cells.append({"mean": mean, "tasks": table.tasks(cell), "css": css})
    expert, _, model = name.partition("@")
    right, outcomes, is_fallen = standings.tally(state, name)
    return {
        "expert": expert,
        "model": model,
        "cells": cells,
        "right": right,
        "outcomes": outcomes,
        "is_fallen": is_fallen,
        "health": breakers.health(state["servers"].get(breakers.server_of(name))),
    }


async def _trial(row: Row, outcomes: Sequence[Row]) -> Json:
    """Return a trial with its evidence after each pair."""
    wins = losses = 0
    won, lost, pairs = [1.0], [1.0], [0]
    for number, one in enumerate((one for one in outcomes if one["incumbent"] is not None), 1):
        wins += one["candidate"] and not one["incumbent"]
        losses += one["incumbent"] and not one["candidate"]
        won.append(e_value(wins, losses))
        lost.append(e_value(losses, wins))
        pairs.append(number)
    chart = charts.evidence(won, lost, sequential.PROMOTE_AT, sequential.DROP_AT, pairs)
    told = {"chart": chart, "table": _table(pairs, won, lost)}
    return {**row, **told, "diff": await _change(row)}


def _table(pairs: Sequence[int], won: Sequence[float], lost: Sequence[float]) -> list[Any]:
    """Return about ten rows of the curves, the last one among them."""
    step = max(1, len(pairs) // 10)
    picked = sorted({*range(step, len(pairs), step), len(pairs) - 1})
    return [(pairs[one], won[one], lost[one]) for one in picked]


def _ended(row: Row) -> Json:
    evidence = e_value(row["wins"], row["losses"])
    return {**row, "evidence": evidence}


async def _versions(connection: Rows) -> dict[str, list[Row]]:
    """Return the versions of each expert's prompt, newest first, with what was made of tasks."""
    found: dict[str, list[Row]] = {}
    for row in await views.prompt_versions(connection):
        found.setdefault(row["expert"], []).append(row)
    return found


async def _change(trial: Row) -> list[diffs.Line]:
    """Return what the candidate of a trial of prompts changes, as a diff."""
    version, incumbent = (trial["candidate"].get(name) for name in ("version", "incumbent"))
    if trial["kind"] != KIND or not version or not incumbent:
        return []
    prompting, expert = team.current().prompting, trial["subject"]
    old, new = await prompting.text(expert, incumbent), await prompting.text(expert, version)
    return diffs.lines(prompt_diffs.diff(old, new, expert))
