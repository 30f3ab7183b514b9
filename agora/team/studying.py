"""Studying: a student answers recorded tasks with a wording that is tried, and is graded.

Each question is an act named by what is asked, so that a search that was killed finds again what
it has paid for, and asks no student the same thing twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import prompts
from agora.domain import validity
from agora.domain.contracts import AgentTask, Json
from agora.domain.errors import BudgetSpentError
from agora.domain.experts import Bidder
from agora.domain.faults import ModelFault
from agora.domain.prompt_search import Attempt, Example
from agora.domain.signing import canonical
from agora.team.acting import standing_alone
from agora.team.asking import Asking
from agora.team.assessing import Assessing

STAGE = "searching"


@dataclass
class Study:
    """One search's budget, and what it has asked so far."""

    asking: Asking
    assessing: Assessing
    id: str
    most_calls: int
    usd: float
    calls: int = 0
    is_over: bool = False
    known: dict[str, Attempt] = field(default_factory=dict)

    def has_room(self, calls: int) -> bool:
        """Return whether the student may be asked so often still; else it is over."""
        self.is_over = self.is_over or self.calls + calls > self.most_calls
        return not self.is_over

    async def attempts(
        self, student: Bidder, text: str, examples: Sequence[Example]
    ) -> list[Attempt]:
        """Return what the student makes of each example with a wording; nothing once it is over."""
        names = [digest(student.name, text, one.id) for one in examples]
        named = dict(zip(names, examples, strict=True))
        fresh = {name: one for name, one in named.items() if name not in self.known}
        if not self.has_room(len(fresh)):
            return [Attempt(score=0.0, feedback="not tried: the search is over") for _ in examples]
        self.calls += len(fresh)
        model: Any = student.model
        slots = asyncio.Semaphore(model.slots)

        async def one(example: Example) -> Attempt:
            async with slots:
                return await self._attempt(student, text, example)

        done = await asyncio.gather(*map(one, fresh.values()))
        self.known |= dict(zip(fresh, done, strict=True))
        return [self.known[name] for name in names]

    async def _attempt(self, student: Bidder, text: str, example: Example) -> Attempt:
        worded = replace(student, expert=student.expert.but(system=text))
        asked = prompts.load("answer").render(
            task=example.text, pulse="", memories="", documents=""
        )
        messages = [{"role": "system", "content": text}, {"role": "user", "content": asked}]
        try:
            reply = await self.ask(worded, messages, digest(text, example.id))
        except BudgetSpentError:
            self.is_over = True
            return Attempt(score=0.0, feedback="not tried: the budget is spent")
        except ModelFault as fault:
            return Attempt(score=0.0, feedback=f"there was no answer: {fault}")
        if why := validity.validate(reply.text, reply.finish):
            return Attempt(score=0.0, said=reply.text, feedback=f"the answer {why}")
        return await self._graded(student, example, reply.text)

    async def _graded(self, student: Bidder, example: Example, said: str) -> Attempt:
        task = self.task(example.text, example.tenant)
        named = f"{self.id}.{digest(said, example.id)[:16]}"
        grade = await self.assessing.grade(
            task, student.family, said, named, example.wanted, self.usd
        )
        if grade is None:
            return Attempt(score=0.0, said=said, feedback="nobody could judge the answer")
        feedback = (
            "right" if grade.is_right else "; ".join(filter(None, (grade.reason, example.note)))
        )
        return Attempt(score=float(grade.is_right), said=said, feedback=feedback)

    def task(self, text: str, tenant: str = "default") -> AgentTask:
        """Return what budgets and policies are told of the search."""
        return AgentTask(id=self.id, text=text, tenant=tenant, budget_usd=self.usd)

    async def ask(self, bidder: Bidder, messages: Sequence[Json], name: str) -> Any:
        """Return a model's reply; the same name finds the same reply again."""
        with standing_alone(self.id, STAGE):
            return await self.asking.ask(
                self.task(messages[-1]["content"][:1000] or "?"),
                bidder,
                messages,
                ordinal=int(name[:13], 16) * 100,
            )


def digest(*parts: str) -> str:
    """Return the name of a question that consists of these parts."""
    return sha256(canonical(list(parts)).encode("utf-8", "surrogatepass")).hexdigest()
