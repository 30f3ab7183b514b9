"""Improvement runs on a small workspace: the whole graph, or one of its nodes alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from agora.domain.contracts import Change, Json, Opportunity
from agora.domain.repair.trials import Failure, TestRun
from agora.team import Team
from agora.team.acting import standing_alone
from graphs.improvement import graph
from nodes.approval import approval
from nodes.deploying import deploying
from nodes.states import ImprovementState
from nodes.testing import testing
from tests.conftest import repository, sh

BROKEN = '''def total(price: float, count: int) -> float:
    """Return what `count` pieces cost."""
    return price + count
'''
MENDED = BROKEN.replace("price + count", "price * count")
TESTS = """from prices import total


def test_three_pieces():
    assert total(2.5, 3) == 7.5


def test_two_pieces_at_two():
    assert total(2, 2) == 4
"""
FILES = {"prices.py": BROKEN, "test_prices.py": TESTS, "notes.txt": "mine\n"}
FAILING, PASSING = "test_prices.py::test_three_pieces", "test_prices.py::test_two_pieces_at_two"
DIFF = """--- a/prices.py
+++ b/prices.py
@@ -1,3 +1,3 @@
 def total(price: float, count: int) -> float:
     \"\"\"Return what `count` pieces cost.\"\"\"
-    return price + count
+    return price * count
"""
OTHER_DIFF = DIFF.replace("+    return price * count", "+    return count * price")
WRONG_DIFF = DIFF.replace("+    return price * count", "+    return price - count")
BEFORE = TestRun(
    outcomes={FAILING: "failed", PASSING: "passed"},
    failures={
        FAILING: Failure(
            exception="AssertionError",
            message="assert 5.5 == 7.5",
            path="test_prices.py",
            line=5,
            call="total(2.5, 3)",
            frames=(("test_prices.py", 5),),
        )
    },
    durations={FAILING: 0.01, PASSING: 0.01},
    seconds=0.5,
)
APPROVE = {"type": "approve"}


def thread(name: str) -> RunnableConfig:
    return {"configurable": {"thread_id": name}}


def decided(decision: Any) -> Json:
    return {"decisions": [decision]}


@dataclass(frozen=True)
class Workshop:
    """A workspace with a failing test, and a graph that is to improve it."""

    team: Team
    root: Path
    app: Any
    passed: list[str] = field(default_factory=list)  # stages that have ended, in order

    async def begin(self, on: str = "one", state: Any = None, **order: Any) -> Json:
        """Start a run and return its state at the end or at the interrupt."""
        return await self.go(on, {"task": self.order(**order)} | (state or {}))

    async def say(self, decision: Any, on: str = "one") -> Json:
        """Give a decision in LangGraph's shape and return the state after it."""
        return await self.resume(decided(decision), on)

    async def resume(self, answer: Any, on: str = "one") -> Json:
        """Resume with just this value and return the state after it."""
        return await self.go(on, Command(resume=answer))

    async def go(self, on: str, given: Any) -> Json:
        """Run a thread as far as it goes and return its state."""
        async for piece in self.app.astream(given, thread(on), durability="sync"):
            self.passed.extend(piece)
        return dict((await self.app.aget_state(thread(on))).values)

    async def asked(self, on: str = "one") -> Json:
        """Return what a waiting thread shows to the person."""
        (waiting,) = (await self.app.aget_state(thread(on))).interrupts
        return dict(waiting.value)

    def order(self, **fields: Any) -> Json:
        """Return what a run is asked."""
        return {"workspace": str(self.root), "test": "pytest -q", "timeout_s": 60} | fields

    @property
    def commits(self) -> list[str]:
        """Return the branch, newest first."""
        return sh(self.root, "git", "rev-list", "HEAD").split()

    @property
    def is_untouched(self) -> bool:
        """Return whether nothing but the first commit is there, and nothing lies about."""
        return len(self.commits) == 1 and not self.litter

    @property
    def litter(self) -> str:
        """Return what git status has to say, ignored files included."""
        return sh(self.root, "git", "status", "--porcelain", "--ignored")

    def read(self, name: str = "prices.py") -> str:
        """Return a file of the work tree."""
        return (self.root / name).read_text("utf-8")


def workshop(
    team: Team, saver: Any, folder: Path, files: Mapping[str, str] = FILES, app: Any = None
) -> Workshop:
    """Make the workspace, and take the whole graph unless another one is given."""
    root = repository(folder / "workspace", dict(files))
    return Workshop(team, root, (app or graph).compile(checkpointer=saver))


def from_approval() -> StateGraph[Any, Any, Any, Any]:
    """Return the end of the improvement graph, from where a proposed change waits."""
    return (
        StateGraph(ImprovementState)
        .add_node("approval", approval)
        .add_node("testing", testing)
        .add_node("deploying", deploying)
        .add_node("improving", _arrive)
        .add_edge(START, "approval")
    )


def alone(name: str, node: Any) -> StateGraph[Any, Any, Any, Any]:
    """Return a graph of one node, with ends where it may lead to."""
    builder = StateGraph(ImprovementState).add_node(name, node).add_edge(START, name)
    for end in builder.nodes[name].ends or ():
        if end not in (END, name):
            builder.add_node(end, _arrive)
    return builder


async def _arrive(state: ImprovementState) -> ImprovementState:
    return {}


def change_in(shop: Workshop, diff: str = DIFF, **fields: Any) -> Change:
    """Return a change of the workspace's only module."""
    given = {"id": "change", "subject": "prices.py", "workspace": str(shop.root)}
    given |= {"base": shop.commits[0], "diff": diff, "at": "2026-01-01T00:00:00Z"}
    return Change.model_validate(given | fields)


async def found(shop: Workshop, on: str = "one", **evidence: Any) -> Json:
    """Claim the failing tests for a thread, as detecting does; return what the state has of it."""
    watching, subject = shop.team.watching, f"{shop.root}:"
    evidence = {"base": shop.commits[0], "before": BEFORE.as_json()} | evidence
    evidence = {"entries": {FAILING: "total"}} | evidence
    opportunity = Opportunity(id="", kind="failing_tests", subject=subject, evidence=evidence)
    await watching.open_one(opportunity)
    claimed = await watching.claim(on, ["failing_tests"], subject)
    assert claimed
    return {"opportunity": claimed.model_dump(include={"id", "kind", "subject", "priority"})}


async def proposed(shop: Workshop, change: Change, on: str = "one") -> Json:
    """Propose a change, as improving does; return the state that the next node finds."""
    known = await found(shop, on)
    evidence = {"target": BEFORE.as_json(), "report": "1 of 2 tests fails", "rivals": []}
    with standing_alone("case", "improving"):
        await shop.team.changing.propose(change, known["opportunity"]["id"], evidence)
    blank = {"attempts": 1, "rebased": 0, "tried": 7, "status": "", "message": "", "commit": None}
    return known | blank | {"change_id": change.id}
