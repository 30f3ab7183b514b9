"""Changes: proposed, approved, applied once whoever is killed on the way, watched, taken back."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agora.domain import branches, commits, git_locks
from agora.domain.contracts import Act, ActOutcome, Approval, Change, Json
from agora.domain.errors import BaseMovedError, RefusedError, UsageError
from agora.team.acting import Acting, case, standing_alone
from agora.team.subjects import Subject
from agora.team.watching import Watching
from memory import changes, events
from memory.database import Database, Row

APPLY = "apply_change"
RULE = "policy"
"""Who approves what the policies let through without a person."""
EXPIRY = "expiry"
"""Who rejects a change that nobody has answered in time."""


@dataclass(frozen=True)
class Changing:
    """Changes of every kind, through the ledger; `subjects` knows how each kind is applied."""

    database: Database
    acting: Acting
    watching: Watching
    subjects: Mapping[str, Subject]

    async def commit_files(self, workspace: str, files: Mapping[str, str], message: str) -> str:
        """Commit files for a person, outside of any change; return the commit."""

        def write() -> ActOutcome:
            sha = commits.commit_files(Path(workspace), files, message)
            return ActOutcome(result={"commit": sha})

        act = Act(kind="commit", subject=f"{workspace} {message}", actor="operator")
        with standing_alone(uuid.uuid4().hex[:16], "commit"):
            done = await self.acting.perform(
                act, lambda: asyncio.to_thread(write), lambda: _unlocked(workspace)
            )
        return str(done["commit"])

    async def go_back(self, workspace: str, then: branches.Place, name: str) -> str:
        """Let a branch stand where it stood; return the ref of what stood there, "" if the same."""

        def write() -> ActOutcome:
            return ActOutcome(result={"kept": branches.go_back(workspace, then, name)})

        act = Act(kind="commit", subject=f"{workspace} back to {then['head']}", actor="operator")
        with standing_alone(uuid.uuid4().hex[:16], "restore"):
            done = await self.acting.perform(
                act, lambda: asyncio.to_thread(write), lambda: _unlocked(workspace)
            )
        return str(done["kept"])

    async def propose(
        self, change: Change, opportunity_id: str | None, evidence: dict[str, Any]
    ) -> None:
        """Write a change down, with what speaks for it."""
        here = case.get()
        async with self.database.autocommit() as connection:
            await changes.propose(
                connection,
                change,
                case_id=here.id,
                thread_id=here.thread_id,
                opportunity_id=opportunity_id,
                evidence=evidence,
            )

    async def find(self, change_id: str) -> Row:
        """Return the row of a change; raise UsageError."""
        async with self.database.autocommit() as connection:
            row = await changes.find(connection, change_id)
        if row is None:
            raise UsageError(f"there is no change {change_id}", "agora approvals list")
        return row

    async def add_evidence(self, change_id: str, evidence: Json) -> None:
        """Add what was found out about a change."""
        async with self.database.transaction() as connection:
            await changes.add_evidence(connection, change_id, evidence)

    async def waiting(self) -> list[Row]:
        """Return every change that a person has not answered, oldest first."""
        async with self.database.autocommit() as connection:
            return await changes.waiting(connection)

    async def request(self, change_id: str) -> Json:
        """Return what a person is shown, in the shape that Studio and Agent Inbox understand."""
        row = await self._await_answer(change_id)
        shown = {name: row[name] for name in ("id", "title", "workspace", "subject", "diff")}
        action = {"name": APPLY, "args": shown, "description": report_of(row)}
        config = {"action_name": APPLY, "allowed_decisions": ["approve", "edit", "reject"]}
        return {"action_requests": [action], "review_configs": [config]}

    async def _await_answer(self, change_id: str) -> Row:
        async with self.database.transaction() as connection:
            await changes.move(connection, change_id, "waiting", "proposed")
        return await self.find(change_id)

    async def say(self, change_id: str, decision: Json) -> str:
        """Keep what a person says before anything is resumed; return what counts.

        The first answer counts: of two people the slower one gets the other's.
        """
        row = await self.find(change_id)
        said = Approval(
            change_id=change_id,
            type=decision["type"],
            digest=str(decision.get("digest") or row["digest"]),
            by=str(decision.get("by") or "person"),
            reason=str(decision.get("message") or decision.get("reason") or ""),
        )
        await self.answer(said, _edited_diff(decision))
        counted = await self.answered(change_id)
        assert counted is not None
        return str(counted["type"])

    async def hear(self, change_id: str, decision: Json) -> str:
        """Act on what a person said, unless somebody was quicker; return what counts."""
        counts, row = await self.say(change_id, decision), await self.find(change_id)
        status = "approved" if counts == "approve" else "rejected"
        async with self.database.transaction() as connection:
            await changes.move(connection, change_id, status, "proposed", "waiting")
        if counts == "reject":
            said = await self.answered(change_id)
            is_late = said is not None and said["by"] == EXPIRY
            await self._close_opportunity(row, "expired" if is_late else "rejected")
        return counts

    async def answer(self, approval: Approval, diff: str | None = None) -> None:
        """Keep what a person said before anything is resumed; the first answer counts."""
        async with self.database.transaction() as connection:
            is_first = await changes.answer(connection, approval, diff)
        if is_first:
            await self._log(approval)

    async def _log(self, said: Approval) -> int:
        """Append an answer to the signed log, and keep its place there; return it."""
        entry = await self.acting.record(
            "approve_change",
            f"{said.change_id} {said.digest}",
            said.type,
            actor=said.by,
            reasons=[said.reason] if said.reason else [],
        )
        async with self.database.transaction() as connection:
            await changes.logged(connection, said.change_id, entry["seq"])
        return int(entry["seq"])

    async def _is_permitted(self, change_id: str) -> bool:
        """Return whether a policy approves the change in a person's place, and let it do so.

        The shipped policies do so for prompts that have won their trial, and for no patch.
        """
        row = await self.find(change_id)
        act = Act(kind="approve_change", subject=row["subject"], facts=_facts(row))
        await self.acting.policy.refresh()
        said = self.acting.policy.decide(act)
        if not said.is_allowed:
            return False
        why = "; ".join(said.reasons)
        await self.answer(
            Approval(change_id=change_id, type="approve", digest=row["digest"], by=RULE, reason=why)
        )
        return await self.is_approved(change_id)

    async def is_settled(self, change_id: str) -> bool:
        """Return whether exactly this diff has a yes, a person's or that of the policies.

        Such a change may be deployed, also where whoever kept the yes has died.
        """
        if not (await self.is_approved(change_id) or await self._is_permitted(change_id)):
            return False
        async with self.database.autocommit() as connection:
            await changes.move(connection, change_id, "approved", "proposed", "waiting")
        return True

    async def unwanted(self, workspace: str) -> set[str]:
        """Return the digests of diffs that were rejected or taken back: none is proposed again."""
        async with self.database.autocommit() as connection:
            return await changes.unwanted(connection, workspace)

    async def late(self, now: datetime, after: timedelta) -> list[Row]:
        """Return the changes that have waited for an answer for longer than that."""
        return [row for row in await self.waiting() if now - _at(row) > after]

    async def is_approved(self, change_id: str) -> bool:
        """Return whether a person has said yes to exactly this diff."""
        row = await self.find(change_id)
        change = changes.change_of(row)
        is_intact = bool(row["digest"] == change.digest)
        return is_intact and _is_yes(change, await self.answered(change_id))

    async def is_by_a_person(self, change_id: str) -> bool:
        """Return whether a person wrote the diff instead of approving another one."""
        return "edited_by" in (await self.find(change_id))["evidence"]

    async def edited(self, change_id: str) -> str:
        """Propose the diff that a person wrote instead, and return its id."""
        row, said = await self.find(change_id), await self.answered(change_id)
        assert said is not None
        change = changes.change_of(row).but(id=f"{change_id}e", diff=said["diff"] or "")
        evidence = row["evidence"] | {"edited_by": said["by"], "rivals": []}
        await self.propose(change, row["opportunity_id"], evidence)
        return change.id

    async def answered(self, change_id: str) -> Row | None:
        """Return what a person said of a change, or None."""
        async with self.database.autocommit() as connection:
            return await changes.answered(connection, change_id)

    def refuse_settled(self, row: Row) -> None:
        """Raise UsageError for a change about which nothing is left to decide."""
        if row["status"] not in ("proposed", "waiting", "approved"):
            raise UsageError(
                f"change {row['id']} is {row['status']}: nothing is left to decide",
                f"agora approvals show {row['id']}",
            )

    async def deploy(self, change_id: str) -> str:
        """Apply an approved change and close its opportunity; return the commit."""
        row = await self.find(change_id)
        if row["status"] not in ("approved", "applied"):
            raise RefusedError(f"change {change_id} is {row['status']}, not approved")
        baseline = await self.watching.baseline(row["workspace"], row["subject"])
        watched = {"baseline": baseline, "speed": row["evidence"].get("speed")}
        commit = await self.apply(changes.change_of(row), watched)
        await self._close_opportunity(row, "fixed")
        return commit

    async def _close_opportunity(self, row: Row, verdict: str) -> None:
        if row["opportunity_id"]:
            await self.watching.close(row["opportunity_id"], verdict)

    async def rebase(self, change_id: str) -> None:
        """Put a change onto what the workspace is now; its diff stays as it was approved."""
        row = await self.find(change_id)
        head = await self.subjects[row["kind"]].head(row["workspace"])
        async with self.database.transaction() as connection:
            await changes.rebase(connection, change_id, head)

    async def give_up(self, change_id: str, why: str) -> None:
        """Close a change that will not be applied."""
        async with self.database.transaction() as connection:
            await changes.add_evidence(connection, change_id, {"failed": why})
            await changes.move(connection, change_id, "failed", "proposed", "waiting", "approved")

    async def apply(self, change: Change, watched: Json | None = None) -> str:
        """Return the commit that brought the change in, making it if it is not there.

        `watched` says by what its watch judges: baseline, speed.

        A patch needs a person's yes to exactly this diff; a revert is the remedy of an alarm.
        Raises BaseMovedError or DirtyWorkspaceError, and then has touched nothing.
        """
        said = None if change.takes_back else await self.answered(change.id)
        self._refuse_unapproved(change, said)
        change = await self._signed(change, said)
        subject = self.subjects[change.kind]
        named = f"{change.workspace} {change.id} {change.digest}"
        act = Act(kind=subject.act, subject=named)
        result = await self.acting.perform(
            act,
            lambda: subject.apply(change),
            lambda: subject.finish(change),
            is_inside=subject.is_inside,
        )
        await self._note(change, result["commit"], watched or {"baseline": None})
        return str(result["commit"])

    def _refuse_unapproved(self, change: Change, said: Row | None) -> None:
        if not change.takes_back and not _is_yes(change, said):
            raise RefusedError(
                f"change {change.id} has no approval for exactly this diff",
                f"agora approvals show {change.id}",
            )

    async def _signed(self, change: Change, said: Row | None) -> Change:
        """Return the change with who has approved it, and where the signed log says so."""
        if said is None:
            return change
        names = ("change_id", "digest", "type", "by", "reason")
        decision = said["decision"] or await self._log(
            Approval.model_validate({name: said[name] for name in names})
        )
        return change.but(approved_by=said["by"], decision=decision)

    async def _note(self, change: Change, commit: str, watched: Json) -> None:
        """Store the commit, and tell the folds once that what they count has changed."""
        told: Json = {"change": change.id, "workspace": change.workspace, "subject": change.subject}
        told |= {"paths": paths_of(change.diff)} if change.kind == "patch" else {}
        told |= {"commit": commit} | watched | self.watching.window()
        kind = "change.reverted" if change.takes_back else "change.applied"
        async with self.database.transaction() as connection:
            if change.takes_back:
                await changes.move(connection, change.takes_back, "reverted", "applied")
            if await changes.applied(connection, change.id, commit):
                await events.publish(connection, case.get().correlation_id, kind, told)

    async def take_back(self, change_id: str, at: str, why: str = "") -> str:
        """Apply the reverse of an applied change on top of what is there now; return the commit."""
        row = await self.find(change_id)
        if not row["commit"]:
            raise UsageError(f"change {change_id} was never applied: there is nothing to take back")
        reverse_id = f"{change_id}r"
        async with self.database.autocommit() as connection:
            known = await changes.find(connection, reverse_id)
        # Proposed once: a repeated node must build the same commit, whatever came after it.
        reverse = (
            changes.change_of(known) if known else await self._reverse(row, reverse_id, at, why)
        )
        try:
            commit = await self.apply(reverse)
        except BaseMovedError:
            await self.rebase(reverse_id)
            commit = await self.apply(changes.change_of(await self.find(reverse_id)))
        return commit

    async def roll_back(self, change_id: str, at: str) -> str:
        """Take a change back because a person wants it; return the commit; raise UsageError."""
        row = await self.find(change_id)
        if row["status"] != "applied":
            said = f"change {change_id} is {row['status']}: there is nothing to take back"
            raise UsageError(said, "agora approvals list")
        # One case for ever: a command that was killed is finished, and not done again.
        with standing_alone(f"rollback-{change_id}", "rollback"):
            commit = await self.take_back(change_id, at)
        await self.acting.record("roll_back", change_id, "allow", actor="operator")
        return commit

    async def _reverse(self, row: Row, reverse_id: str, at: str, why: str) -> Change:
        subject, workspace = self.subjects[row["kind"]], row["workspace"]
        reverse = Change(
            id=reverse_id,
            kind=row["kind"],
            takes_back=row["id"],
            subject=row["subject"],
            workspace=workspace,
            base=await subject.head(workspace),
            diff=await subject.reversal(workspace, row["commit"]),
            at=at,
            title=f"Revert: {why or row['title'] or row['subject']}",
        )
        await self.propose(reverse, None, {})
        return reverse


async def _unlocked(workspace: str) -> None:
    """Judge what was killed and bears repeating: no lock of its stands in the way any more."""
    await git_locks.remove_stale(workspace)


def report_of(row: Row) -> str:
    """Return why a change was proposed, and how it did beside the old version."""
    evidence = row["evidence"]
    told = (evidence.get("trial") or {}).get("told", ())
    return "\n".join(filter(None, [evidence.get("report"), *told]))


def paths_of(diff: str) -> list[str]:
    """Return the files that a diff touches."""
    return [line[6:] for line in diff.splitlines() if line.startswith("+++ b/")]


def _is_yes(change: Change, said: Row | None) -> bool:
    """Return whether an answer is a yes to exactly this diff."""
    return bool(said and said["type"] == "approve" and said["digest"] == change.digest)


def _edited_diff(decision: Json) -> str | None:
    if decision["type"] != "edit":
        return None
    arguments = (decision.get("edited_action") or {}).get("args") or decision
    return str(arguments.get("diff") or "")


def _facts(row: Row) -> Json:
    """Return what a policy may ask about a change."""
    changed = [line for line in row["diff"].splitlines() if line[:1] in ("+", "-")]
    lines = [line for line in changed if line[:4] not in ("+++ ", "--- ")]
    verdict = (row["evidence"].get("verdict") or {}).get("verdict", "")
    told = {"change": row["kind"], "workspace": row["workspace"], "verdict": verdict}
    return told | {"lines": len(lines)}


def _at(row: Row) -> datetime:
    at = datetime.fromisoformat(row["at"])
    return at if at.tzinfo else at.replace(tzinfo=UTC)
