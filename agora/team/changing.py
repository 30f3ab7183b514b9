"""Changes: proposed, approved, applied once whoever is killed on the way, watched, taken back."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agora.domain import commits
from agora.domain.contracts import Act, ActOutcome, Approval, Change, Json
from agora.domain.errors import RefusedError, UsageError
from agora.team.acting import Acting, case, standing_alone
from agora.team.subjects import Subject
from agora.team.watching import Watching
from memory import changes, events
from memory.database import Database, Row

APPLY = "apply_change"


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
            done = await self.acting.perform(act, lambda: asyncio.to_thread(write))
        return str(done["commit"])

    async def propose(
        self, change: Change, opportunity_id: str | None, evidence: dict[str, Any]
    ) -> None:
        """Write a change down, with what speaks for it."""
        here = case.get()
        async with self.database.transaction() as connection:
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
        async with self.database.transaction() as connection:
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
        async with self.database.transaction() as connection:
            return await changes.waiting(connection)

    async def request(self, change_id: str) -> Json:
        """Return what a person is shown, in the shape that Studio and Agent Inbox understand."""
        row = await self._await_answer(change_id)
        shown = {name: row[name] for name in ("id", "title", "workspace", "subject", "diff")}
        action = {"name": APPLY, "args": shown, "description": row["evidence"].get("report", "")}
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
            await self._close_opportunity(row, "rejected")
        return counts

    async def answer(self, approval: Approval, diff: str | None = None) -> None:
        """Keep what a person said before anything is resumed; the first answer counts."""
        async with self.database.transaction() as connection:
            is_first = await changes.answer(connection, approval, diff)
        if is_first:
            await self.acting.record(
                "approve_change",
                f"{approval.change_id} {approval.digest}",
                approval.type,
                actor=approval.by,
                reasons=[approval.reason] if approval.reason else [],
            )

    async def is_approved(self, change_id: str) -> bool:
        """Return whether a person has said yes to exactly this diff."""
        row = await self.find(change_id)
        change = changes.change_of(row)
        return bool(row["digest"] == change.digest) and await self._has_yes(change)

    async def _has_yes(self, change: Change) -> bool:
        said = await self.answered(change.id)
        return bool(said and said["type"] == "approve" and said["digest"] == change.digest)

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
        async with self.database.transaction() as connection:
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
        commit = await self.apply(changes.change_of(row), baseline)
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

    async def apply(self, change: Change, baseline: float | None = None) -> str:
        """Return the commit that brought the change in, making it if it is not there.

        A patch needs a person's yes to exactly this diff; a revert is the remedy of an alarm.
        Raises BaseMovedError or DirtyWorkspaceError, and then has touched nothing.
        """
        await self._refuse_unapproved(change)
        subject = self.subjects[change.kind]
        act = Act(kind=subject.act, subject=f"{change.workspace} {change.id} {change.digest}")
        result = await self.acting.perform(
            act, lambda: subject.apply(change), lambda: subject.finish(change)
        )
        await self._note(change, result["commit"], baseline)
        return str(result["commit"])

    async def _refuse_unapproved(self, change: Change) -> None:
        if not change.takes_back and not await self._has_yes(change):
            raise RefusedError(
                f"change {change.id} has no approval for exactly this diff",
                f"agora approvals show {change.id}",
            )

    async def _note(self, change: Change, commit: str, baseline: float | None) -> None:
        """Store the commit, and tell the folds once that what they count has changed."""
        told: Json = {"change": change.id, "workspace": change.workspace, "subject": change.subject}
        told |= {"commit": commit, "baseline": baseline}
        kind = "change.reverted" if change.takes_back else "change.applied"
        async with self.database.transaction() as connection:
            if await changes.applied(connection, change.id, commit):
                await events.publish(connection, case.get().correlation_id, kind, told)

    async def take_back(self, change_id: str, at: str) -> str:
        """Apply the reverse of an applied change on top of what is there now; return the commit."""
        row = await self.find(change_id)
        if not row["commit"]:
            raise UsageError(f"change {change_id} was never applied: there is nothing to take back")
        reverse_id = f"{change_id}r"
        async with self.database.transaction() as connection:
            known = await changes.find(connection, reverse_id)
        # Proposed once: a repeated node must build the same commit, whatever came after it.
        reverse = changes.change_of(known) if known else await self._reverse(row, reverse_id, at)
        commit = await self.apply(reverse)
        async with self.database.transaction() as connection:
            await changes.move(connection, change_id, "reverted", "applied")
        return commit

    async def _reverse(self, row: Row, reverse_id: str, at: str) -> Change:
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
            title=f"Revert: {row['title'] or row['subject']}",
        )
        await self.propose(reverse, None, {})
        return reverse


def _edited_diff(decision: Json) -> str | None:
    if decision["type"] != "edit":
        return None
    arguments = (decision.get("edited_action") or {}).get("args") or decision
    return str(arguments.get("diff") or "")
