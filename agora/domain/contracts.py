"""The shapes that cross a boundary: between nodes, into a checkpoint, into a table.

Frozen Pydantic models; in graph states and rows they stand as plain JSON (`as_json`).
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agora.domain.errors import UsageError

Urgency = Literal["normal", "urgent"]
Status = Literal["answered", "declined", "failed", "refused"]
Json = dict[str, Any]


class Contract(BaseModel):
    """Base of all contracts: immutable, and deaf to fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, given: Json) -> Self:
        """Return what a person or a program gave; raise UsageError naming the first bad field."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            known = ", ".join(cls.model_fields)
            raise UsageError(f"{name}: {first['msg']}", f"fields: {known}") from None

    def as_json(self) -> Json:
        """Return what a checkpoint, a column or a wire can hold."""
        return self.model_dump(mode="json")

    def but(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, validated like the original."""
        return self.model_validate(self.model_dump() | changes)


TENANT = "default"
"""Whose a task is that names nobody."""


class AgentTask(Contract):
    """What a person asks of Agora, once."""

    id: str = ""  # given by intake where the caller gives none
    text: str = Field(min_length=1, max_length=100_000)
    domain: str | None = None
    urgency: Urgency = "normal"
    budget_usd: float | None = Field(default=None, ge=0)
    budget_tokens: int | None = Field(default=None, ge=0)
    policy: str | None = None  # by name: what matters, money, time or places
    deadline_s: float | None = Field(default=None, gt=0)
    labels: tuple[str, ...] = ()  # private, side_effects, untrusted, residency:eu, …
    requires: tuple[str, ...] = ()  # capabilities a bidder must have
    tenant: str = TENANT
    workspace: str | None = None  # the git work tree that documents and tools come from
    split: bool | None = None  # into subtasks: yes, no, or (None) where that has paid off before


class AgentContext(Contract):
    """What an expert is told beside the task."""

    correlation_id: str
    thread_id: str
    ends_at: str | None = None  # ISO 8601: when the task's deadline has passed
    pulse: str = ""
    memories: tuple[str, ...] = ()
    prompt_versions: dict[str, int] = {}
    is_reworded: bool = False  # by somebody who tries a prompt out: no answer of another is served
    attempt: int = 0
    tools: tuple[str, ...] = ()
    has_tools: bool = True  # False: a second answer beside another one may move nothing


class Source(Contract):
    """A place that an answer quotes, word for word."""

    path: str
    line: int = Field(ge=1)
    quote: str


class ToolCall(Contract):
    """One call of a tool, as asked and as answered."""

    name: str
    arguments: Json
    result: Any = None
    error: str | None = None
    latency_s: float = 0.0


class AgentOutcome(Contract):
    """How a task turned out."""

    status: Status
    answer: str = ""
    evidence: tuple[Source, ...] = ()
    confidence: float = Field(default=0.0, ge=0, le=1)
    cost_usd: float = 0.0
    is_estimate: bool = False  # some server has not said what it served
    tokens: int = 0
    tokens_out: int = 0  # of them written by the expert
    latency_s: float = 0.0
    expert: str | None = None
    model: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    error: str | None = None
    fault: str | None = None  # of the model's server, by name; the expert was never heard
    opens_breaker: bool = False  # the fault lasts until somebody changes something
    is_unhealthy: bool = False  # the fault counts against the server
    hint: str = ""  # which setting would help, where nobody could do it
    cached: bool = False
    labels: tuple[str, ...] = ()  # what the run has taken on while it read
    reasoning_trace: str | None = None


class Bid(Contract):
    """One expert's offer for one task; without a score it may not win, and `reasons` say why."""

    expert: str
    model: str | None = None  # None: built in
    p_success: float = Field(ge=0, le=1)  # what it bids with: the mean, and hope while it is new
    q: float = Field(default=0.0, ge=0, le=1)  # the mean: how likely we think it right
    n: float = 0.0  # how many tasks that rests on
    tokens: float = 0.0  # expected length of its answer
    cost_usd: float = Field(default=0.0, ge=0)
    queue_s: float = Field(default=0.0, ge=0)  # until it begins
    wait_s: float = Field(default=0.0, ge=0)  # until it has answered
    value_usd: float = 0.0  # what a right answer is worth for this task, and a second of waiting
    second_usd: float = 0.0
    load: int = 0  # answers that its model is busy with
    overlap: float = Field(default=0.0, ge=0, le=1)  # of its domains with the task's
    health: float = Field(default=1.0, gt=0, le=1)
    score: float | None = None  # USD that we expect to gain
    reasons: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return how the bidder is known to standings: the expert, on the model it runs on."""
        return f"{self.expert}@{self.model}" if self.model else self.expert


class Award(Contract):
    """The auction's decision."""

    winner: Bid
    runner_up: float | None = None  # second score, in USD
    is_probe: bool = False  # given to find out whether a fallen bidder has recovered
    has_relief: bool = False  # another model could be asked, should the winner's fail


class Vote(Contract):
    """One member's sealed answer in the war room; with an error it has no weight."""

    expert: str
    model: str | None = None
    department: str
    family: str
    answer: str = ""
    meaning: str = ""  # the form by which answers are compared
    first: str | None = None  # what it had answered before it saw the others' arguments
    confidence: float = Field(default=0.0, ge=0, le=1)
    argument: str = ""  # shown to others without its name
    quotes: tuple[str, ...] = ()  # of the documents, word for word
    verified_by: str = ""  # the tool that says that the answer holds
    weight: float = 0.0
    cost_usd: float = 0.0
    tokens: int = 0
    latency_s: float = 0.0
    error: str | None = None

    @property
    def name(self) -> str:
        """Return how standings know the member."""
        return f"{self.expert}@{self.model}" if self.model else self.expert


class Ruling(Contract):
    """What the war room says; without a consensus `answer` is what most weight stands behind."""

    answer: str
    confidence: float = Field(ge=0, le=1)
    votes: tuple[Vote, ...]
    is_consensus: bool
    reason: str
    decided_by: Literal["vote", "evidence", "verifier", "judge", "person", "nobody"] = "nobody"
    dissent: tuple[str, ...] = ()  # the other answers
    calls: int = 0  # questions that models were asked


class Opportunity(Contract):
    """Something detected that could be better: one row, one open one per (kind, subject)."""

    id: str
    kind: Literal[
        "failing_tests",
        "failing_tool",
        "predicted_fault",
        "slow_tool",
        "duplicate_tool",
        "unused_tool",
        "alarm",
        "prompt",
        "incident",
        "goal",
        "pattern",
        "improver",
    ]
    subject: str
    priority: Literal["high", "medium", "low"] = "medium"
    evidence: Json = {}
    status: Literal["open", "claimed", "closed"] = "open"


class Replay(Contract):
    """A recorded good call: whatever the tool becomes, these arguments must give this result."""

    tool: str  # "calculator.divide"
    path: str
    arguments: Json
    result: Any
    latency_s: float

    @property
    def function(self) -> str:
        """Return the function's name within its file."""
        return self.tool.rpartition(".")[2]


class TestReport(Contract):
    """What the tests said before a patch and after it; ids as pytest gives them."""

    __test__ = False  # pytest collects classes by name, and this one is no test

    failing_before: tuple[str, ...]
    failing_after: tuple[str, ...]
    passing_after: tuple[str, ...]
    seconds: float

    @property
    def is_proof(self) -> bool:
        """Return whether something failed before and nothing fails now."""
        return bool(self.failing_before) and bool(self.passing_after) and not self.failing_after


class Verdict(Contract):
    """What the gate says of a change, with the rule it rests on."""

    verdict: Literal["accept", "flag", "refuse"]
    rule: str = ""
    reason: str = ""


def digest_of(diff: str) -> str:
    """Return the hash by which a diff is approved."""
    return sha256(diff.encode()).hexdigest()


class Change(Contract):
    """A diff against one state of one subject: proposed, proved, approved, applied, watched.

    For a patch the place is a workspace and its state a commit; other kinds have their own.
    """

    id: str
    kind: str = "patch"
    takes_back: str = ""  # the change whose reverse this is
    subject: str  # which tool or file it is about
    workspace: str
    base: str  # the commit that it was proved on
    diff: str
    at: str  # fixed date of the commit, so that building it twice gives one sha
    title: str = ""
    approved_by: str = ""  # filled when it is applied: who, and where the signed log says so
    decision: int = 0

    @property
    def digest(self) -> str:
        """Return the hash of the diff: an approval stands for these bytes only."""
        return digest_of(self.diff)


class Approval(Contract):
    """What a person said of a change; `digest` names the bytes that were shown."""

    change_id: str
    type: Literal["approve", "edit", "reject"]
    digest: str
    by: str
    reason: str = ""


@dataclass(frozen=True)
class Case:
    """Where the running code stands: known to every act, log line and event."""

    id: str  # of the task or improvement: one thread may have many, one after the other
    thread_id: str
    stage: str
    token: int | None  # of the claim; None outside of any graph
    round: int = 0  # from the state: which time this stage is wanted

    @property
    def correlation_id(self) -> str:
        """Return the id that joins records, logs and spans; a subtask has its parent's."""
        return self.id.split(".", 1)[0]


ActKind = Literal[
    "ask_model",
    "call_tool",
    "read_document",
    "read_feed",
    "run_tests",
    "commit",
    "keep_answer",  # to be served again
    "spend",  # asked beside any act that costs money
    "promote",  # a capability or a model goes live
    "discover",
    "rewrite_prompt",
    "promote_prompt",
    "export_runs",
    "send_alert",
    "judge_trace",  # LangSmith is told what an answer was worth
    "mirror_prompt",
    "approve_change",
]
"""What policies know acts as."""


class Act(Contract):
    """Something that reaches outside; case, stage, round and ordinal name it for ever."""

    kind: ActKind
    subject: str
    actor: str = "agora"
    cost_usd: float = 0.0  # reserved before, settled after, like the tokens
    tokens: int = 0
    budgets: tuple[str, ...] = ()
    ordinal: int = 0  # which act of this stage and round
    facts: Json = {}  # what a policy may ask about
    vendor: str = ""  # of the model that is asked; traces tell it

    def key(self, case: Case) -> str:
        """Return the name under which a repeated node finds this act again."""
        return f"{case.id}/{case.stage}/{case.round}/{self.kind}/{self.ordinal}"


class ActOutcome(Contract):
    """What an act gave: plain JSON, and what it cost."""

    result: Json
    cost_usd: float = 0.0
    tokens: int = 0
    is_estimate: bool = False


class Improvement(Contract):
    """What a person or a loop asks of the improvement graph: look at this workspace, once."""

    id: str = ""  # given by detecting where the caller gives none
    workspace: str
    test: str = "pytest -q"
    kinds: tuple[str, ...] = ("alarm", "failing_tool", "predicted_fault", "failing_tests")
    preset: str = "default"  # of the loop that asks: when a tool fails
    timeout_s: float | None = Field(default=None, gt=0)
    trust_workspace: bool = False
    seed: int = 0
    private: bool = False  # no model outside of this machine sees the sources
    goal: str | None = Field(default=None, min_length=1, max_length=4_000)  # for the Meta-Architect
    change: str | None = None  # one that is proved already, and only waits for a person
