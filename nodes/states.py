"""What travels through the graphs: plain JSON, bulk in our tables and only ids in here."""

from typing import Annotated, Any

from langgraph.graph.message import add_messages
from pydantic import WithJsonSchema
from typing_extensions import TypedDict  # Python 3.11's own gives servers no schema

from agora.domain.contracts import AgentTask, Improvement, Json
from agora.domain.plans import merged


class TaskInput(TypedDict, total=False):
    """What callers give: a task, or a conversation whose newest message is one."""

    task: Annotated[Json, WithJsonSchema(AgentTask.model_json_schema())]
    messages: Annotated[list[Any], add_messages]


class TaskOutput(TypedDict, total=False):
    """What callers get."""

    outcome: Json
    messages: Annotated[list[Any], add_messages]


class TaskState(TaskInput, total=False):
    """State of the task graph. Each key has one author; intake resets them all.

    Only `task` has two: recall makes a follow-up stand alone.
    """

    heard: str | None  # intake: the message that the task was made of
    turns: list[str]  # reflection: what was said last on this thread, where nobody keeps messages
    is_alone: bool  # recall: False where the task rests on turns that it does not hold
    context: Json  # intake, then pulse and planning
    plan: Json  # planning; joining, where a subtask has failed
    parts: Annotated[Json | None, merged]  # subtask: what each has given, by its number
    bids: list[Json]  # bidding, best first
    award: Json | None  # bidding
    attempts: int  # execution: how many have failed
    tried: list[Json]  # execution: each failed award, and its outcome
    ruling: Json | None  # the war room
    outcome: Json | None  # recall, bidding, execution or the war room: whoever ends the task
    dropped: list[Json]  # reflection: experts whose success has dropped


class SubtaskState(TypedDict, total=False):
    """What one subtask is given; it adds to `parts` of the task graph alone."""

    task: Json
    context: Json
    known: list[str]  # results that it builds on
    number: str


class RoomInput(TypedDict, total=False):
    """What the war room is asked; the task graph also says until when."""

    task: Json
    context: Json


class RoomState(RoomInput, total=False):
    """State of the war room; `task`, `context`, `ruling`, `outcome` are also the task graph's."""

    seats: list[Json]  # seats: who sits, strongest first
    table: Json  # seats: when the meeting ends, who may judge, the domain
    votes: list[Json]  # vote: sealed answers so far; evidence: what became of them
    judge: Json | None  # judging: its choice
    ruling: Json | None  # ruling
    outcome: Json | None  # ruling


class ImprovementInput(TypedDict, total=False):
    """What the improvement graph is asked: an `Improvement`."""

    task: Annotated[Json, WithJsonSchema(Improvement.model_json_schema())]


class ImprovementState(ImprovementInput, total=False):
    """State of the improvement graph. Diffs and reports are rows; their ids stand here."""

    opportunity: Json | None  # detecting
    change_id: str | None  # improving; approval, when a person edits
    attempts: int  # improving: how often it has proposed
    rebased: int  # how often it is tested anew: deploying, on a moved base; approval, edited
    tried: int  # improving: candidates so far
    brief: str | None  # convening: what the war room ruled, "" where there was none
    commit: str | None  # deploying, monitoring
    status: str  # whoever ends the run: fixed, nothing_to_repair, not_found, rejected, reverted
    message: str  # one sentence beside it
