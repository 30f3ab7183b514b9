"""Promoting: a candidate goes on trial, into production when it has won, and back when it fails."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from agora.domain import prompt_diffs, proposals
from agora.domain.contracts import Change, Json, Verdict
from agora.domain.errors import RefusedError, UsageError
from agora.domain.settings import LearningSettings
from agora.team.acting import standing_alone
from agora.team.changing import Changing
from agora.team.clocks import Clock
from agora.team.prompting import KIND, Prompting, declared
from agora.team.proving import Proving
from memory.database import Row

STAGE = "promoting"


@dataclass(frozen=True)
class Promoting:
    """Trials of prompts, and what follows from them, through the door of all changes."""

    settings: LearningSettings
    changing: Changing
    proving: Proving
    prompting: Prompting
    clock: Clock

    def refused(self, expert: str, old: str, new: str, material: list[str]) -> str | None:
        """Return why a guard refuses a proposal, or None."""
        keeps = next((one.keeps for one in declared() if one.name == expert), ())
        return proposals.fault(old, new, keeps, material)

    async def open_trial(self, expert: str, version: int) -> str:
        """Let a version challenge the one in production; return the trial's id.

        Raises UsageError where it is in production, or where a guard refuses it.
        """
        incumbent = await self.prompting.production(expert)
        known = await self.prompting.version(expert, version)
        if version == incumbent:
            raise UsageError(f"version {version} of {expert} is in production already")
        old = await self.prompting.text(expert, incumbent)
        if why := self.refused(expert, old, known["text"], []):
            raise UsageError(f"version {version} of {expert} {why}")
        candidate = {"version": version, "incumbent": incumbent}
        if running := await self.proving.living(KIND, expert):
            if running["candidate"] != candidate:
                hint = f"agora prompts trial {expert} --stop"
                raise UsageError(
                    f"{expert} has a trial already: version {running['candidate']}", hint
                )
            return str(running["id"])
        return await self.proving.open(KIND, expert, candidate)

    async def conclude(self) -> list[Json]:
        """Do what the trials that have ended demand; return what was done. It bears repeating."""
        for trial in await self.proving.listed("model"):
            if trial["status"] == "running" and self._is_late(trial):
                await self.proving.end(trial["id"], "expired")
        done = []
        staged = {name: of.get("staging") for name, of in (await self.prompting.channels()).items()}
        for trial in await self.proving.listed(KIND):
            version = trial["candidate"]["version"]
            if trial["status"] == "running":
                trial |= {"status": await self._expired(trial)}
            if staged.get(trial["subject"]) != version or trial["status"] == "running":
                continue
            newest = await self.proving.newest(KIND, trial["subject"])
            if newest and newest["id"] == trial["id"]:
                done.append(await self._conclude(trial, version))
        return [one for one in done if one]

    async def _expired(self, trial: Row) -> str:
        """Return the status of a running trial, after ending it where it has no more chance."""
        now = await self.prompting.production(trial["subject"])
        if now != trial["candidate"]["incumbent"] or self._is_late(trial):
            await self.proving.end(trial["id"], "expired")
            return "expired"
        return str(trial["status"])

    def _is_late(self, trial: Row) -> bool:
        return bool(self.clock() - trial["began_at"] > timedelta(days=self.settings.trial_days))

    async def _conclude(self, trial: Row, version: int) -> Json | None:
        expert, figures = trial["subject"], figures_of(trial)
        told: Json = {"expert": expert, "version": version, "trial": trial["id"]} | figures
        if trial["status"] != "promoted":
            await self.prompting.give_up(expert, version, trial["status"], figures)
            return told | {"status": trial["status"]}
        reason = f"won {figures['wins']} of {figures['wins'] + figures['losses']} decided pairs"
        status = await self.promote(f"prompt-{trial['id']}", expert, version, reason, figures)
        if status in ("rejected", "failed"):
            await self.prompting.give_up(expert, version, status, figures)
        return None if status == "waiting" else told | {"status": status}

    async def promote(
        self, change_id: str, expert: str, version: int, reason: str, figures: Json, by: str = ""
    ) -> str:
        """Bring a version into production, asked by a rule or a person (`by`); return the status.

        It is `waiting` where the policies want a person's yes first, and `rejected` where they
        want none at all. Raises RefusedError where a person may not do it either.
        """
        known = await self._proposed(change_id, expert, version, reason, figures)
        if known["status"] in ("applied", "rejected", "failed", "reverted"):
            return str(known["status"])
        if by:
            await self.changing.hear(change_id, {"type": "approve", "by": by})
        elif not await self.changing.is_settled(change_id):
            await self.changing.request(change_id)
            return "waiting"
        try:
            with standing_alone(change_id, STAGE):
                await self.changing.deploy(change_id)
        except RefusedError as error:
            await self._refuse(known, version, str(error))
            if by:
                raise
            return "rejected"
        return "applied"

    async def _refuse(self, known: Row, version: int, why: str) -> None:
        """Close a change that policies permit to nobody, or that a person has rejected."""
        await self.changing.give_up(known["id"], why)
        await self.prompting.give_up(known["workspace"], version, "it was refused", {})

    async def _proposed(
        self, change_id: str, expert: str, version: int, reason: str, figures: Json
    ) -> Row:
        base = await self.prompting.production(expert)
        old, new = [await self.prompting.text(expert, number) for number in (base, version)]
        change = Change(
            id=change_id,
            kind=KIND,
            subject=expert,
            workspace=expert,
            base=str(base),
            diff=prompt_diffs.diff(old, new, expert),
            at=self.clock().isoformat(),
            title=f"Prompt {version} of {expert}: {reason}",
        )
        evidence = {"report": _report(expert, version, reason, figures), "figures": figures}
        with standing_alone(change_id, STAGE, thread_of(change_id)):
            await self.changing.propose(change, None, evidence)
        return await self.changing.find(change_id)

    async def rollback(self, expert: str, why: str) -> tuple[int, int]:
        """Take back the promotion that production stands on; return the versions before and after.

        Raises UsageError where production stands on none.
        """
        now, change_id = await self.prompting.standing_on(expert)
        if change_id is None:
            raise UsageError(
                f"version {now} of {expert} was not promoted: there is nothing to take back",
                f"agora prompts promote {expert} VERSION",
            )
        with standing_alone(f"{change_id}r", STAGE):
            after = await self.changing.take_back(change_id, self.clock().isoformat(), why)
        trial = await self.proving.newest(KIND, expert)
        if trial and trial["status"] == "promoted" and trial["candidate"]["version"] == now:
            await self.proving.end(trial["id"], "reverted")
        await self.prompting.refresh()
        return now, int(after)

    async def watch(self, expert: str, version: int, task_id: str, is_right: bool) -> bool:
        """Count an outcome of a promoted version; take it back at an alarm, and return whether."""
        trial = await self.proving.newest(KIND, expert)
        if not trial or trial["status"] != "promoted" or trial["candidate"]["version"] != version:
            return False
        if not await self.proving.watch(trial["id"], task_id, is_right):
            return False
        if await self.prompting.production(expert) == version:
            await self.rollback(expert, "its success has dropped since its trial")
        return True

    async def check(self, change_id: str) -> Verdict:
        """Return what the guards say of a change as it stands, a person's own diff included."""
        row = await self.changing.find(change_id)
        expert = row["workspace"]
        if await self.prompting.head(expert) != row["base"]:
            return Verdict(
                verdict="refuse", rule="base", reason="another prompt was promoted since"
            )
        old = await self.prompting.text(expert, int(row["base"]))
        try:
            why = self.refused(expert, old, prompt_diffs.patched(old, row["diff"]), [])
        except ValueError as error:
            why = str(error)
        return Verdict(verdict="refuse" if why else "accept", rule="prompt", reason=why or "")

    def fresh_id(self) -> str:
        """Return the id of a change that a person wants."""
        return f"prompt-{uuid.uuid4().hex[:12]}"


def thread_of(change_id: str) -> str:
    """Return the thread on which a person is asked."""
    return f"improvement-{change_id}"


def figures_of(trial: Row) -> Json:
    """Return what a trial has shown."""
    rate = trial["right_ones"] / trial["pairs"] if trial["pairs"] else None
    return {name: trial[name] for name in ("wins", "losses", "pairs")} | {"rate": rate}


def _report(expert: str, version: int, reason: str, figures: Json) -> str:
    counted = ", ".join(f"{name} {value}" for name, value in figures.items())
    return f"Version {version} of the prompt of {expert}: {reason}" + (
        f" ({counted})" if counted else ""
    )
