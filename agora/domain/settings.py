"""Settings: `config/local.yaml` < the file in `AGORA_CONFIG` < the environment < arguments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from agora.domain import sources


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Section):
    """Where PostgreSQL is; without a URL Agora starts its own."""

    url: SecretStr | None = None
    connections: int = Field(default=8, ge=2, le=40)
    wait_s: float = Field(default=30.0, gt=0)
    """How long anybody waits for a free connection before he is told."""
    patience_s: float = Field(default=600.0, gt=0)
    """How long a stage goes on asking for one, where its task has no deadline."""


class RedisSettings(_Section):
    """Where Redis is; without a URL events travel by PostgreSQL alone."""

    url: SecretStr | None = None


class OllamaSettings(_Section):
    """An Ollama server, and which of its models may bid (None: all)."""

    host: str | None = None
    models: tuple[str, ...] | None = None


class OpenAISettings(_Section):
    """An OpenAI-compatible server, and which of its models may bid (None: all that are known)."""

    api_key: SecretStr | None = None
    base_url: str | None = None
    models: tuple[str, ...] | None = None


class VendorSettings(_Section):
    """A vendor that is plugged in, and which of its models may bid (None: all with an entry)."""

    api_key: SecretStr | None = None
    base_url: str | None = None
    models: tuple[str, ...] | None = None


class AuctionSettings(_Section):
    """What a right answer is worth, also by domain, and what a second costs, all in USD."""

    value_usd: float = Field(gt=0)
    second_usd: float = Field(ge=0)
    values_usd: dict[str, Annotated[float, Field(gt=0)]] = {}


class RoutingPolicy(_Section):
    """What matters to whoever asks: money and time as the auction counts them, and places.

    Empty tuples allow all; `residency` names places such as local or eu.
    """

    value_usd: float | None = Field(default=None, gt=0)
    second_usd: float | None = Field(default=None, ge=0)
    residency: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()


class RoutingSettings(_Section):
    """Named policies, and the one for tasks that name none."""

    policy: str
    policies: dict[str, RoutingPolicy]

    @model_validator(mode="after")
    def _knows_its_policy(self) -> Self:
        if self.policy not in self.policies:
            raise ValueError(f"there is no policy {self.policy} among {', '.join(self.policies)}")
        return self


class Cap(_Section):
    """What may be spent in a day; None: no cap."""

    day_usd: float | None = Field(default=None, ge=0)
    day_tokens: int | None = Field(default=None, ge=0)


class BudgetSettings(Cap):
    """What all tasks together may spend in a day, one task, and by name a tenant or an expert."""

    task_usd: float | None = Field(default=None, ge=0)
    task_tokens: int | None = Field(default=None, ge=0)
    tenants: dict[str, Cap] = {}
    experts: dict[str, Cap] = {}


class ExecutionSettings(_Section):
    """Limits of one expert's work on one task."""

    deadline_s: float = Field(gt=0)
    tool_rounds: int = Field(ge=0, le=20)
    tool_s: float = Field(gt=0)
    answer_tokens: int = Field(ge=16)


class MemorySettings(_Section):
    """How much is remembered, and for how long."""

    pulse_words: int = Field(ge=10, le=1000)
    pulse_events: int = Field(ge=1, le=10_000)
    pulse_s: float = Field(ge=0)
    answers_days: float = Field(gt=0)
    memories: int = Field(ge=0, le=20)
    memories_days: float = Field(gt=0)
    least_confidence: float = Field(ge=0, le=1)
    also_keep: tuple[Literal["private", "tool_results"], ...] = ()
    judge_pairs: int = Field(ge=0, le=50)
    judge_s: float = Field(gt=0)
    embedder: str
    embedder_s: float = Field(gt=0)
    embedder_usd_in: float = Field(ge=0)
    chroma_url: SecretStr | None = None


class ScoutSettings(_Section):
    """How feeds are read, and how much is answered ahead."""

    every_h: float = Field(ge=0)
    timeout_s: float = Field(gt=0)
    feed_bytes: int = Field(ge=1_000)
    private_addresses: bool
    news_days: float = Field(gt=0)
    answers_days: float = Field(gt=0)
    trends: int = Field(ge=0, le=100)


class StreamSettings(_Section):
    """How long events are kept: days of the stream, seconds of a temporary channel."""

    days: float = Field(gt=0)
    channel_s: float = Field(gt=0)
    lease_s: float = Field(gt=0)


class PulseSettings(_Section):
    """When a pulse is due: after so many seconds, or so many events."""

    every_s: float = Field(gt=0)
    after_events: int = Field(ge=1)


class UpkeepSettings(_Section):
    """How often is tidied up, in hours, and for how many days what is over is kept."""

    every_h: float = Field(gt=0)
    acts_days: float = Field(ge=1)
    checkpoints_days: float = Field(ge=0)


class RepairSettings(_Section):
    """When a tool is worth a repair, and how long a search may take."""

    below: float = Field(ge=0, le=1)
    executions: int = Field(ge=1)
    timeout_s: float = Field(gt=0)
    candidates: int = Field(ge=1)
    proposers: int = Field(ge=0, le=5)
    improver_below: float = Field(ge=0, le=1)
    improver_attempts: int = Field(ge=1)
    slow_s: float = Field(gt=0)
    watch_h: float = Field(gt=0)
    approval_h: float = Field(gt=0)
    unused_days: float = Field(gt=0)
    valuable: float = Field(ge=0)
    replays: int = Field(ge=0)
    probes: int = Field(ge=0)
    probe_s: float = Field(gt=0)
    archive_days: float = Field(gt=0)
    test_files: int = Field(ge=1)


class McpServerSettings(_Section):
    """An MCP server that a person vouches for: a URL, or a command that runs on this machine.

    It brings its tools to the workspaces that match; `tags` say what they do, in its place.
    """

    url: str | None = None
    headers: dict[str, SecretStr] = {}
    command: tuple[str, ...] = ()
    env: dict[str, SecretStr] = {}
    workspaces: tuple[str, ...] = ("*",)
    tags: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if bool(self.url) == bool(self.command):
            raise ValueError("an MCP server has either a url or a command")
        return self


class ToolSettings(_Section):
    """Tools from outside of a workspace's files: MCP servers by name, and seconds for a look."""

    mcp: dict[str, McpServerSettings] = {}
    look_s: float = Field(gt=0)


class AlertSettings(_Section):
    """Where alerts go beside the log, and how many; addresses may hold passwords."""

    webhook_url: SecretStr | None = None
    smtp_url: SecretStr | None = None
    mail_from: str
    mail_to: tuple[str, ...]
    repeat_s: float = Field(ge=0)
    per_hour: int = Field(ge=1)
    timeout_s: float = Field(gt=0)

    @model_validator(mode="after")
    def _knows_a_mailbox(self) -> Self:
        if self.smtp_url and not self.mail_to:
            raise ValueError("a mail server is set, and nobody to write to: alerts.mail_to")
        return self


class SandboxSettings(_Section):
    """What unknown code gets: MiB of memory and files, processes, seconds."""

    memory_mb: int = Field(ge=64)
    processes: int = Field(ge=4)
    file_mb: int = Field(ge=1)
    test_timeout_s: float = Field(gt=0)


class RoomSettings(_Section):
    """Caps of a war room, and how sure it must be; seconds and USD."""

    seats: int = Field(ge=3, le=5)
    threshold: float = Field(gt=0, lt=1)
    calls: int = Field(ge=3)
    usd: float = Field(ge=0)
    member_s: float = Field(gt=0)
    deadline_s: float = Field(gt=0)
    evidence: bool
    asks_person: bool
    audits: bool


class PlanSettings(_Section):
    """When a task is split, and how its subtasks are done; seconds."""

    at_once: int = Field(ge=1, le=10)
    most_at_once: int = Field(ge=1, le=10)
    subtask_s: float = Field(gt=0)
    subtasks: int = Field(ge=2, le=50)
    trial_share: float = Field(ge=0, le=1)
    again_days: float = Field(gt=0)


class LearningSettings(_Section):
    """How prompts are searched and tried: calls of the student, USD, recorded tasks, days."""

    search_calls: int = Field(ge=20)
    search_usd: float = Field(ge=0)
    search_tasks: int = Field(ge=12)
    least_tasks: int = Field(ge=12)
    trial_days: float = Field(gt=0)
    judged_share: float = Field(ge=0, le=1)
    judge_usd: float = Field(ge=0)
    hub: str = ""  # what their names in the LangSmith hub begin with; "": they are not there


class DistilSettings(_Section):
    """Whether reasoning is asked for, and what a training set is made of."""

    traces: bool
    teachers: tuple[str, ...]
    alike: float = Field(gt=0, le=1)
    per_domain: float = Field(ge=1)
    validation: float = Field(gt=0, lt=0.5)


class StageSettings(_Section):
    """How long a run holds its thread without a sign of life, in seconds."""

    lease_s: float = Field(gt=0)


class WorkerSettings(_Section):
    """How many jobs a worker does at once, and how often it says that it lives, in seconds."""

    concurrency: int = Field(ge=1, le=50)
    heartbeat_s: float = Field(gt=0)


class RateSettings(_Section):
    """At most so many acts within any `every_s` seconds; globs say which, `per` of what each."""

    action: str = "*"
    subject: str = "*"
    actor: str = "*"
    per: Literal["", "tenant", "actor", "subject"] = ""
    most: int = Field(ge=0)
    every_s: float = Field(gt=0)


class PolicySettings(_Section):
    """Where policies are, and how often acts may be done."""

    folder: Path | None = None
    shipped: bool = True
    rates: tuple[RateSettings, ...] = ()


class ServeSettings(_Section):
    """Where the server listens, who may come in, and how long it may take to stop, in seconds.

    `origins` are sites whose pages may call it, such as LangGraph Studio's; `trace_url` is where
    the trace of a task is shown.
    """

    host: str
    port: int = Field(ge=0, le=65535)
    token: SecretStr | None = None
    origins: tuple[str, ...]
    drain_s: float = Field(ge=0)
    trace_url: str | None = Field(default=None, pattern="^https?://")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class CapabilitySettings(_Section):
    """What may be there beside the core; one that is off does nothing, whatever its phase."""

    pulse: bool
    cache: bool
    memories: bool
    planning: bool
    synthesis: bool
    war_room: bool
    scout: bool
    prompts: bool
    trials: bool
    loop: bool
    healing: bool
    telemetry: bool


class HealthSettings(_Section):
    """How often is looked, what is too much, and how long measures are kept."""

    every_s: float = Field(gt=0, le=20)
    probe_s: float = Field(gt=0)
    cpu_percent: float = Field(gt=0)
    memory_percent: float = Field(gt=0, le=100)
    process_mb: float = Field(gt=0)
    disk_percent: float = Field(gt=0, le=100)
    lag_s: float = Field(gt=0)
    queue_jobs: int = Field(ge=1)
    reserve_mb: int = Field(ge=0)
    history_days: float = Field(gt=0)
    all_tests: list[str] = Field(min_length=1)


class Settings(_Section):
    """Everything that a person may decide; secrets do not show when printed."""

    home: Path | None = None
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    ollama: OllamaSettings
    openai: OpenAISettings
    vendors: dict[str, VendorSettings] = {}
    auction: AuctionSettings
    routing: RoutingSettings
    budget: BudgetSettings
    execution: ExecutionSettings
    memory: MemorySettings
    stream: StreamSettings
    pulse: PulseSettings
    upkeep: UpkeepSettings
    scout: ScoutSettings
    repair: RepairSettings
    tools: ToolSettings
    alerts: AlertSettings
    sandbox: SandboxSettings
    room: RoomSettings
    plan: PlanSettings
    learning: LearningSettings
    distil: DistilSettings
    stage: StageSettings
    worker: WorkerSettings
    policy: PolicySettings
    health: HealthSettings
    capabilities: CapabilitySettings
    serve: ServeSettings

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return every secret value: what no record, log or message may hold."""
        plugged = (one.api_key for one in self.vendors.values())
        urls = (self.database.url, self.redis.url, self.memory.chroma_url)
        told = (self.alerts.webhook_url, self.alerts.smtp_url)
        servers = self.tools.mcp.values()
        carried = (one for each in servers for one in (*each.headers.values(), *each.env.values()))
        given = (*urls, self.openai.api_key, self.serve.token, *plugged, *told, *carried)
        return tuple(secret.get_secret_value() for secret in given if secret)

    def key_of(self, vendor: str) -> SecretStr | None:
        """Return the key of a vendor."""
        known: dict[str, Any] = {"openai": self.openai, **self.vendors}
        return known[vendor].api_key if vendor in known else None

    @property
    def folder(self) -> Path:
        """Return where data is kept: `AGORA_HOME`, or what the system provides."""
        if self.home is not None:
            return self.home.expanduser().absolute()
        import platformdirs

        return Path(platformdirs.user_data_dir("agora"))


def load(env: Mapping[str, str], **arguments: Any) -> Settings:
    """Read all sources in order; raise SettingsError naming source, key and what is allowed.

    `arguments` are dotted names: `load(os.environ, **{"budget.day_usd": 1})`.
    """
    merged, said_by = sources.merge(env, arguments)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise sources.explain(error, said_by, Settings) from None
