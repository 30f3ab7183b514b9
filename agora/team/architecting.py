"""Architecting: a prompt whose success has dropped is rewritten, by an expert with one of its own.

The architect sees recorded tasks as material; what it writes passes the guards, is tried on
recorded tasks, and goes on trial only if it is better on tasks that no search has seen.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import prompts as files
from agora.domain import prompt_search
from agora.domain.contracts import Act, ActOutcome, AgentTask, Json
from agora.domain.errors import BudgetSpentError, RefusedError
from agora.domain.experts import Bidder, Expert
from agora.domain.faults import ModelFault
from agora.domain.prompt_search import Attempt, Example
from agora.domain.settings import LearningSettings
from agora.team.acting import Acting, standing_alone
from agora.team.asking import Asking
from agora.team.assessing import Assessing
from agora.team.market import Market
from agora.team.promoting import Promoting
from agora.team.prompting import KIND, Prompting
from agora.team.proving import Proving
from agora.team.studying import STAGE, Study, digest
from agora.team.watching import Watching
from memory import events, rewrites, works
from memory.database import Database, Row

ARCHITECT = "architect"
WITHOUT = ("private", "untrusted", "side_effects")
"""Tasks with such a label are never searched in."""
ANSWERS = 5
"""One proposal may be made for so many answers that the student may give."""
PATIENCE = 40
"""After so many proposals in a row that were no gain, a search is over."""
FENCED = re.compile(r"<new_prompt>(.*)</new_prompt>", re.DOTALL)

Tell = Callable[[str], None]


@dataclass
class Search:
    """One search: whose prompt, who is the student, who writes, and what they may use up."""

    expert: Expert
    student: Bidder
    architect: Bidder
    study: Study
    written: int = 0
    gained_at: int = 0  # the last proposal that was better on what its writer was shown


@dataclass(frozen=True)
class Architecting:
    """The way from an opportunity to a candidate on trial."""

    settings: LearningSettings
    database: Database
    acting: Acting
    asking: Asking
    assessing: Assessing
    market: Market
    prompting: Prompting
    promoting: Promoting
    proving: Proving
    watching: Watching

    async def due(self) -> list[str]:
        """Return the experts whose prompts are to be rewritten: an open opportunity, no trial."""
        found = [row["subject"] for row in await self.watching.living() if row["kind"] == KIND]
        return [name for name in found if not await self.proving.living(KIND, name)]

    async def rewrite(self, expert: str, tell: Tell) -> Json:
        """Search for a better prompt and put it on trial; return how it went.

        `status` is on_trial, not_found, too_few_tasks, nobody (no model may), refused (by policy),
        or nothing (no opportunity is open).
        """
        found = await self.watching.claim(f"rewrite-{expert}", [KIND], expert)
        if found and found.subject != expert:  # its name only begins alike
            await self.watching.reopen(found.id)
        if found is None or found.subject != expert:
            return {"expert": expert, "status": "nothing"}
        told = await self._rewrite(expert, f"search-{found.id}", tell)
        version = await self.prompting.production(expert)
        async with self.database.transaction() as connection:
            searched = {"expert": expert, "version": version} | told
            await events.publish_once(connection, f"search-{found.id}", "prompt.searched", searched)
        await self.watching.add_evidence(found.id, {"search": told})
        await self.watching.close(found.id, told["status"])
        return {"expert": expert} | told

    async def _rewrite(self, expert: str, search_id: str, tell: Tell) -> Json:
        try:
            await self._permitted(expert, search_id)
        except RefusedError as error:
            return {"status": "refused", "why": str(error)}
        await self.prompting.refresh()
        examples, student = await self._recorded(expert)
        if len(examples) < self.settings.least_tasks or student is None:
            return {"status": "too_few_tasks", "tasks": len(examples)}
        architect = await self._architect(search_id)
        if architect is None:
            return {"status": "nobody"}
        own = next(one for one in self.prompting.experts() if one.name == expert)
        study = Study(
            self.asking,
            self.assessing,
            search_id,
            self.settings.search_calls,
            self.settings.search_usd,
        )
        return await self._search(Search(own, student, architect, study), examples, tell)

    async def _permitted(self, expert: str, search_id: str) -> None:
        async def do() -> ActOutcome:
            return ActOutcome(result={})

        with standing_alone(search_id, STAGE):
            await self.acting.perform(Act(kind="rewrite_prompt", subject=expert), do)

    async def _architect(self, search_id: str) -> Bidder | None:
        """Return the architect on the strongest model that may be asked; price tells strength."""
        task = AgentTask(id=search_id, text="Rewrite a prompt.", domain="prompts")
        clerks = await self.market.clerks(task)
        own = next(one for one in self.prompting.experts() if one.name == ARCHITECT)
        return Bidder(own, clerks[-1].model) if clerks else None

    async def _recorded(self, expert: str) -> tuple[list[Example], Bidder | None]:
        """Return recorded tasks that can be graded, and whose prompt is tried on them."""
        if expert == ARCHITECT:
            return await self._recorded_rewrites()
        async with self.database.autocommit() as connection:
            rows = await works.recorded(connection, expert, WITHOUT, self.settings.search_tasks)
        student = await self._student(rows)
        if student is None:
            return [], None
        task = AgentTask(id="judge", text="Judge an answer.")
        has_judge = await self.assessing.judge_of(task, student.family) is not None
        usable = [row for row in rows if row["reference"] is not None or has_judge]
        by_task = {row["task_id"]: _example(row) for row in usable}
        return list(by_task.values()), student

    async def _student(self, rows: Sequence[Row]) -> Bidder | None:
        """Return the bidder that has done most of the tasks and can still be asked."""
        able = {one.name: one for one in await self.market.bidders() if one.model}
        counted = Counter(row["bidder"] for row in rows if row["bidder"] in able)
        return able[counted.most_common(1)[0][0]] if counted else None

    async def _recorded_rewrites(self) -> tuple[list[Example], Bidder | None]:
        async with self.database.autocommit() as connection:
            rows = await rewrites.newest(connection, ARCHITECT, self.settings.search_tasks)
        architect = await self._architect("search-architect")
        examples = [Example(id=row["id"], text=row["old"]) for row in rows]
        return examples, architect

    async def _search(self, search: Search, examples: list[Example], tell: Tell) -> Json:
        searched, chosen_by, untouched = prompt_search.split(examples)
        old, study, loop = search.expert.system, search.study, asyncio.get_running_loop()
        room = len(chosen_by) + 2 * prompt_search.BATCH + 2 * len(untouched)

        def wait(doing: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(doing, loop).result()

        def attempt(text: str, batch: Sequence[Example]) -> list[Attempt]:
            tell(f"trying: {study.calls} answers so far")
            return list(wait(self.try_out(search, text, batch)))

        def rewrite(text: str, batch: Sequence[Example], how: Sequence[Attempt]) -> str | None:
            tell(f"rewriting: {search.written} proposals so far")
            written: str | None = wait(self._written(search, text, batch, how))
            return written

        def is_over() -> bool:
            # Proposals that a guard refuses cost the student nothing, and must end too.
            is_spent = study.calls + room > study.most_calls
            is_vain = search.written - search.gained_at >= PATIENCE
            is_spent = is_spent or search.written >= study.most_calls // ANSWERS
            return study.is_over or is_spent or is_vain

        try:
            best = await asyncio.to_thread(
                prompt_search.search, old, searched, chosen_by, attempt, rewrite, is_over
            )
        except BaseException:
            study.is_over = True  # its thread goes on until it asks
            raise
        study.is_over = False
        before = await self.try_out(search, old, untouched)
        after = await self.try_out(search, best.text, untouched) if best.text != old else before
        figures: Json = {"calls": study.calls, "proposals": search.written, "tasks": len(examples)}
        figures |= {"before": _mean(before), "after": _mean(after), "candidates": best.candidates}
        return await self._put_on_trial(search, best.text, figures)

    async def _put_on_trial(self, search: Search, text: str, figures: Json) -> Json:
        is_better = figures["after"] > figures["before"]
        await self._judge_architect(search, is_better)
        if not is_better:
            return figures | {"status": "not_found"}
        expert, author = search.expert, search.architect.name
        shares = f"{figures['after']:.0%} instead of {figures['before']:.0%}"
        reason = f"right on {shares} of the untouched tasks"
        version = await self.prompting.propose(
            expert.name, text, expert.version, author, reason, figures
        )
        trial_id = await self.promoting.open_trial(expert.name, version)
        return figures | {"status": "on_trial", "version": version, "trial": trial_id}

    async def _judge_architect(self, search: Search, is_right: bool) -> None:
        """Tell what the architect's own prompt is worth: one outcome a search."""
        told: Json = {"bidder": search.architect.name, "prompt": search.architect.expert.version}
        told |= {"domain": "prompts", "right": is_right, "task_id": search.study.id}
        told |= {"error": "" if is_right else "no better prompt was found", "about": ""}
        if search.expert.name == ARCHITECT:
            return
        async with self.database.transaction() as connection:
            await events.publish_once(connection, search.study.id, "rewrite.judged", told)

    async def try_out(
        self, search: Search, text: str, examples: Sequence[Example]
    ) -> list[Attempt]:
        """Return what comes of examples with a wording: a student's answers, or its gain."""
        if search.expert.name != ARCHITECT:
            return await search.study.attempts(search.student, text, examples)
        return [await self._gain(search, text, one) for one in examples]

    async def _gain(self, search: Search, text: str, example: Example) -> Attempt:
        """Let a wording of the architect's own prompt rewrite again what was rewritten before."""
        async with self.database.autocommit() as connection:
            row = await rewrites.find(connection, example.id)
        students = {one.name: one for one in await self.market.bidders()}
        if row is None or row["student"] not in students:
            return Attempt(score=0.0, feedback="its student can no longer be asked")
        shown = [Example.model_validate(one["example"]) for one in row["evidence"]]
        how = [Attempt.model_validate(one["attempt"]) for one in row["evidence"]]
        new, fault = await self._proposed(search, text, row["expert"], row["old"], shown, how, "")
        if fault or new is None:
            return Attempt(score=0.0, said=new or "", feedback=f"the proposal {fault}")
        after = _mean(await search.study.attempts(students[row["student"]], new, shown))
        said = f"right answers: {row['before']:.0%} before, {after:.0%} after"
        return Attempt(score=float(after > row["before"]), said=new, feedback=said)

    async def _written(
        self, search: Search, old: str, examples: Sequence[Example], how: Sequence[Attempt]
    ) -> str | None:
        """Return what the architect makes of a prompt; let a rival architect do the same."""
        search.written += 1
        own, name = search.architect.expert, search.expert.name
        rewrite_id = f"{search.study.id}-{search.written}"
        new, fault = await self._proposed(
            search, own.system, name, old, examples, how, str(search.written)
        )
        before = _mean(how)
        after = None
        if fault is None and new is not None:
            after = _mean(await self.try_out(search, new, examples))
        if _is_gain(before, after):
            search.gained_at = search.written
        await self._keep(search, rewrite_id, old, examples, how, new or "", after, fault)
        if name != ARCHITECT:
            await self._challenge(search, rewrite_id, old, examples, how, _is_gain(before, after))
        return new if fault is None else None

    async def _challenge(
        self,
        search: Search,
        rewrite_id: str,
        old: str,
        examples: Sequence[Example],
        how: Sequence[Attempt],
        incumbent: bool,
    ) -> None:
        """Let a wording of the architect's prompt that is on trial do the same; count the pair."""
        trial = await self.proving.living(KIND, ARCHITECT)
        if trial is None or not search.study.has_room(len(examples)):
            return
        text = await self.prompting.text(ARCHITECT, trial["candidate"]["version"])
        new, fault = await self._proposed(
            search, text, search.expert.name, old, examples, how, str(search.written)
        )
        after = None
        if fault is None and new is not None:
            after = _mean(await self.try_out(search, new, examples))
        await self.proving.pair(trial["id"], rewrite_id, incumbent, _is_gain(_mean(how), after))

    async def _proposed(
        self,
        search: Search,
        text: str,
        expert: str,
        old: str,
        examples: Sequence[Example],
        how: Sequence[Attempt],
        number: str,
    ) -> tuple[str | None, str | None]:
        """Return a proposal, and what is wrong with it, as a clause after its name."""
        material = [_shown(*pair) for pair in zip(examples, how, strict=True)]
        worded = files.Prompt(ARCHITECT, 0, {}, text)
        asked = worded.render(prompt=old, evidence="\n\n".join(material))
        messages = [{"role": "user", "content": asked}]
        try:
            reply = await search.study.ask(search.architect, messages, digest(asked, number))
        except BudgetSpentError:
            search.study.is_over = True
            return None, "was not paid for"
        except ModelFault as fault:
            return None, f"did not come: {fault}"
        fenced = FENCED.search(reply.text)
        if fenced is None:
            return None, "does not stand between <new_prompt> and </new_prompt>"
        new = fenced[1].strip().replace("&lt;", "<")  # as tags of the prompt were shown
        shown = [one.text for one in examples] + [one.wanted or "" for one in examples]
        return new, self.promoting.refused(expert, old, new, shown)

    async def _keep(
        self,
        search: Search,
        rewrite_id: str,
        old: str,
        examples: Sequence[Example],
        how: Sequence[Attempt],
        new: str,
        after: float | None,
        fault: str | None,
    ) -> None:
        evidence = [
            {"example": one.as_json(), "attempt": said.as_json()}
            for one, said in zip(examples, how, strict=True)
        ]
        row: Json = {"id": rewrite_id, "expert": search.expert.name, "student": search.student.name}
        row |= {"architect": search.architect.expert.version, "old": old, "new": new}
        row |= {"model": search.architect.name.partition("@")[2], "evidence": evidence}
        row |= {"before": _mean(how), "after": after, "fault": fault}
        async with self.database.autocommit() as connection:
            await rewrites.add(connection, row)


def _example(row: Row) -> Example:
    task = AgentTask.model_validate(row["task"])
    return Example(
        id=task.id,
        text=task.text,
        domain=task.domain,
        tenant=task.tenant,
        wanted=row["reference"],
        note=row["why"] or "",
    )


def _shown(example: Example, attempt: Attempt) -> str:
    wanted = f"\nWanted: {example.wanted}" if example.wanted else ""
    said = attempt.said or "(nothing)"
    return f"Task: {example.text}\nAnswer: {said}\nFeedback: {attempt.feedback}{wanted}"


def _mean(attempts: Sequence[Attempt]) -> float:
    return sum(one.score for one in attempts) / len(attempts) if attempts else 0.0


def _is_gain(before: float, after: float | None) -> bool:
    return after is not None and after > before
