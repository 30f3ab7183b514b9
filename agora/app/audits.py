"""Audits: is everything as it was said to be, and what has changed since the last look?"""

from collections.abc import Mapping
from typing import Any

import structlog

from agora import team
from agora.app import reports
from agora.app.runs import Runs
from agora.domain.contracts import Json
from agora.domain.figures import changed
from agora.team import Team
from memory import audits

log = structlog.get_logger(__name__)


async def audit(current: Team) -> Json:
    """Return figures, policies, log, keys, experts and models, and what has changed; keep it."""
    report = await _report(current)
    async with current.database.transaction() as connection:
        last = await audits.newest(connection)
        await audits.keep(connection, report)
    before = last["report"] if last else {}
    since = last["at"].isoformat() if last else None
    findings = _findings(report)
    return {"since": since, "changes": changed(before, report) if last else []} | {
        "findings": findings,
        "report": report,
    }


async def _report(current: Team) -> Json:
    decisions, policy = current.acting.decisions, current.acting.policy
    async with current.database.transaction() as connection:
        found = await decisions.verify(connection)
    models = await current.market.models()
    return {
        "figures": await reports.figures(current),
        "policies": {
            "hash": policy.hash,
            "rules": sorted(policy.policy.rules),
            "fault": policy.fault,
        },
        "log": {"entries": found.entries, "first_bad": found.first_bad, "reason": found.reason},
        "keys": decisions.signer.known(),
        "experts": {one.name: one.version for one in current.market.experts()},
        "models": sorted(model.name for model in models.models),
        "silent": sorted(str(fault) for fault in models.faults),
        "waiting": len(await current.acting.asked()) + len(await current.changing.waiting()),
    }


def _findings(report: Mapping[str, Any]) -> list[str]:
    """Return what a person should look at."""
    found = []
    if report["log"]["first_bad"] is not None:
        said = report["log"]
        found.append(f"the log does not verify: entry {said['first_bad']}: {said['reason']}")
    if report["policies"]["fault"]:
        found.append(f"an edit of the policies cannot be read: {report['policies']['fault']}")
    found += [f"a model does not answer: {one}" for one in report["silent"]]
    if report["waiting"]:
        found.append(f"{report['waiting']} wait for your answer: agora approvals")
    return found


async def recur(runs: Runs) -> None:
    """Audit once a day, and say in the log what has been found."""
    told = await audit(team.current())
    tell = log.warning if told["findings"] else log.info
    tell("audited", findings=told["findings"], changes=len(told["changes"]))
