"""Looping: workspaces that are looked after for ever, and what came of it.

A loop is a row, so that a command, a worker and a program all drive the same one. Several loops,
also in several processes, split the work by claims on opportunities.
"""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from agora.domain import detection, loops, tool_records
from agora.domain.alerts import Severity
from agora.domain.contracts import Improvement, Json
from agora.domain.errors import UsageError
from agora.domain.loops import REPAIRABLE
from agora.domain.settings import Settings
from agora.team.alerting import Alerting
from agora.team.clocks import Clock
from agora.team.watching import Watching
from memory import loops as table
from memory import opportunities
from memory.database import Database, Row

REPORTED = ("not_found", "refused", "failed", "reverted")
"""Verdicts that a person is told of."""
TROUBLES = 3
"""How often a run may fail before its opportunity is given up."""


@dataclass(frozen=True)
class Looping:
    """The loops of this installation."""

    settings: Settings
    database: Database
    watching: Watching
    alerting: Alerting
    clock: Clock

    async def start(
        self,
        order: Improvement,
        preset: str = "default",
        name: str = "tools",
        *,
        is_on: bool = True,
    ) -> Row:
        """Look after a workspace from now on; raise UsageError for an unknown preset.

        Without `is_on` the loop is only written down: `agora loop cycle` drives it by hand.
        """
        loops.preset(preset)
        task = order.but(preset=preset).as_json()
        loop_id, status = id_of(order.workspace, name), "running" if is_on else "stopped"
        row: Row = {"id": loop_id, "workspace": order.workspace, "name": name}
        row |= {"preset": preset, "task": task, "status": status}
        async with self.database.transaction() as connection:
            return await table.start(connection, row, self.clock())

    async def find(self, workspace: str, name: str = "tools") -> Row:
        """Return the loop of a workspace; raise UsageError."""
        found = await self.by_id(id_of(workspace, name))
        if found is None:
            raise UsageError(f"no loop looks after {workspace}", f"agora loop start {workspace}")
        return found

    def id_of(self, workspace: str, name: str = "tools") -> str:
        """Return what names a loop."""
        return id_of(workspace, name)

    async def workers(self) -> int:
        """Return how many workers have shown a sign of life within the last minute."""
        async with self.database.transaction() as connection:
            return await table.workers(connection)

    async def by_id(self, loop_id: str) -> Row | None:
        """Return a loop, or None."""
        async with self.database.transaction() as connection:
            return await table.find(connection, loop_id)

    async def pause(self, workspace: str, name: str = "tools") -> str:
        """Let no cycle begin until the loop is resumed; return its status."""
        return await self._move(workspace, name, "paused", "running")

    async def resume(self, workspace: str, name: str = "tools") -> str:
        """Let a paused loop go on; return its status."""
        return await self._move(workspace, name, "running", "paused")

    async def stop(self, workspace: str, name: str = "tools") -> str:
        """End a loop; what it has counted stays; return its status."""
        return await self._move(workspace, name, "stopped", "running", "paused")

    async def _move(self, workspace: str, name: str, status: str, *before: str) -> str:
        row = await self.find(workspace, name)
        async with self.database.transaction() as connection:
            await table.move(connection, row["id"], status, *before)
        return str((await self.find(workspace, name))["status"])

    async def due(self) -> list[str]:
        """Return the loops whose next cycle is due."""
        async with self.database.autocommit() as connection:
            return await table.due(connection, self.clock())

    async def begin(self, loop_id: str, *, asked: bool = False) -> Row | None:
        """Return the loop, one cycle of which is now ours; None: it is not due, or another's."""
        row = await self.by_id(loop_id)
        if row is None:
            return None
        interval = timedelta(seconds=loops.preset(row["preset"]).interval_s)
        async with self.database.transaction() as connection:
            return await table.begin(connection, loop_id, self.clock(), interval, asked=asked)

    async def begin_maintenance(self, row: Row, *, asked: bool = False) -> bool:
        """Return whether a maintenance is due, and now ours."""
        every = timedelta(hours=loops.preset(row["preset"]).maintenance_h)
        async with self.database.transaction() as connection:
            return await table.begin_maintenance(
                connection, row["id"], self.clock(), every, asked=asked
            )

    async def detect(self, row: Row) -> int:
        """Open what the records show; return how many opportunities are new."""
        found = await self.watching.detect(row["workspace"], row["preset"])
        tools = detection.analyzed(await self.watching.records(), row["workspace"])
        async with self.database.transaction() as connection:
            await table.count(connection, row["id"], found, tools)
        return found

    async def add(self, row: Row, found: int, analyzed: int = 0) -> None:
        """Count what a maintenance or a look at the tests has found."""
        async with self.database.transaction() as connection:
            await table.count(connection, row["id"], found, analyzed)

    async def has_work(self, row: Row) -> bool:
        """Return whether there is something that a run could be begun for."""
        async with self.database.transaction() as connection:
            left = await opportunities.under(connection, f"{row['workspace']}:", "open")
        return any(one["kind"] in REPAIRABLE for one in left)

    async def under_way(self, row: Row) -> list[Row]:
        """Return what runs of this loop work on, or have failed at."""
        async with self.database.transaction() as connection:
            taken = await opportunities.under(connection, f"{row['workspace']}:", "claimed")
        return [one for one in taken if one["claimed_by"].startswith(threads_of(row["id"]))]

    async def is_taken(self, row: Row) -> bool:
        """Return whether somebody works on the workspace: tests that fail may be what he mends."""
        async with self.database.transaction() as connection:
            return bool(await opportunities.under(connection, f"{row['workspace']}:", "claimed"))

    async def failed(self, taken: Row, error: str) -> None:
        """Note that a run has failed; after three times what it works on is given up."""
        async with self.database.transaction() as connection:
            await opportunities.fail(connection, taken, error, TROUBLES)

    async def looked(self, row: Row, commit: str) -> None:
        """Remember the commit whose tests were run."""
        async with self.database.transaction() as connection:
            await table.looked(connection, row["id"], commit)

    async def end(self, row: Row, seconds: float) -> None:
        """Count a cycle that has come to its end."""
        async with self.database.transaction() as connection:
            await table.end(connection, row["id"], seconds)

    async def report(self, row: Row) -> int:
        """Tell a person of all that could not be mended, or was taken back.

        Return how many that were. Who is killed in between tells it again, and it counts as one.
        """
        async with self.database.transaction() as connection:
            left = await opportunities.untold(connection, f"{row['workspace']}:", REPORTED)
        for one in left:
            severity: Severity = "critical" if one["verdict"] == "reverted" else "warning"
            await self.alerting.alert(one["verdict"], one["subject"], _told(one), severity)
            await self.watching.add_evidence(one["id"], {"told": self.clock().isoformat()})
        return len(left)

    async def stats(self, row: Row) -> Json:
        """Return the figures of a loop."""
        async with self.database.transaction() as connection:
            counted = await table.counted(connection, threads_of(row["id"]))
        until = row["last_check"] if row["status"] == "stopped" else self.clock()
        uptime_s = (until - row["started_at"]).total_seconds() if until else 0.0
        return loops.figures(row, counted, max(uptime_s, 0.0))


def id_of(workspace: str, name: str) -> str:
    """Return what names a loop: short, for its threads begin with it."""
    root = str(Path(workspace).expanduser().absolute())
    return sha256(f"{root}:{name}".encode()).hexdigest()[:10]


def threads_of(loop_id: str) -> str:
    """Return what the threads of a loop's runs begin with."""
    return f"loop-{loop_id}-"


def _told(row: Row) -> str:
    evidence, what = row["evidence"], row["subject"].rpartition(":")[2] or "the tests"
    verdict = str(row["verdict"])
    if verdict == "reverted":
        how = "no faster" if tool_records.is_no_faster(evidence["watch"]) else "worse"
        return f"change {evidence['change']} has made its tool {how} and was taken back"
    if verdict == "failed":
        return f"{what}: the repair itself has failed: {evidence.get('error', '')}"
    signs = (", ".join(evidence.get("signs", ())) or row["kind"]).replace("_", " ")
    seen = [evidence[name] for name in ("fault", "report") if evidence.get(name)]
    wanted = "made faster" if row["kind"] == "slow_tool" else "repaired"
    why = verdict.replace("_", " ")
    return "\n".join([f"{what} could not be {wanted} ({why}; {signs})", *seen])
