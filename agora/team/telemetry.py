"""OpenTelemetry: spans and metrics of stages, acts and jobs, sent where OTEL_* says.

Names follow the GenAI conventions: invoke_workflow, invoke_agent, chat, execute_tool. No text of a
task, prompt, answer or error is sent. All spans of one correlation id are one trace, whichever
process, job or subgraph they come from: its id and its root's are computed from that id.
Where nothing is configured nothing is imported.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

import structlog

from agora.domain.contracts import Act, ActOutcome, Case

log = structlog.get_logger(__name__)
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_{}_ENDPOINT", "OTEL_{}_EXPORTER")
OPERATIONS = {"ask_model": "chat", "call_tool": "execute_tool"}
WORKFLOWS = {"ruling": "war_room", "recall": "task", "reflection": "task", "rewriting": "task"}
WORKFLOWS |= {"intake": "task"}
OPEN_WORKFLOWS = 10_000

SpanId = ContextVar[int | None]
_root_id: SpanId = ContextVar("root_id", default=None)


def is_wanted(env: Mapping[str, str], signal: str) -> bool:
    """Return whether the environment asks for a signal: traces or metrics."""
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    said = env.get(f"OTEL_{signal.upper()}_EXPORTER", "")
    if said:
        return said == "otlp"
    return any(env.get(name.format(signal.upper())) for name in ENDPOINTS[:2])


_is_muted = False


def mute(is_muted: bool) -> None:
    """Send nothing, or send again: as the capability says."""
    global _is_muted
    _is_muted = is_muted


def telemetry() -> "Telemetry | None":
    """Return what sends spans and metrics; None where nothing is configured, or it rests."""
    return None if _is_muted else opened()


@cache
def opened() -> "Telemetry | None":
    """Return what sends spans and metrics; None where nothing is configured, or wrongly."""
    if not any(is_wanted(os.environ, one) for one in ("traces", "metrics")):
        return None
    try:
        return _opened(os.environ)
    except Exception as error:  # whatever a variable of somebody else's makes the SDK raise
        log.warning("no telemetry: OTEL_* cannot be used", error=str(error))
        return None


@contextmanager
def spanned(here: Case, agent: str | None) -> Iterator[None]:
    """Span a stage, where that is wanted."""
    if (telling := telemetry()) is None:
        yield
        return
    with telling.stage(here, agent):
        yield


@contextmanager
def told_of_job(name: str, job_id: int | None) -> Iterator[None]:
    """Give a background job a correlation id, and a span where that is wanted."""
    with structlog.contextvars.bound_contextvars(correlation_id=f"job-{job_id}", job=name):
        if (telling := telemetry()) is None:
            yield
            return
        with telling.job(name, job_id):
            yield


def ended(here: Case, outcome: Mapping[str, Any] | None) -> None:
    """Tell that a whole workflow has ended, where that is wanted."""
    if telling := telemetry():
        telling.ended(here, outcome)


@dataclass
class Telemetry:
    """A tracer and the instruments of this process."""

    tracer: Any
    meter: Any
    providers: list[Any]
    _begun: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Make the instruments."""
        made = self.meter.create_histogram
        self.tokens = made("gen_ai.client.token.usage", "{token}", "tokens in and out")
        self.took = made("gen_ai.client.operation.duration", "s", "of calls to models and tools")
        self.stages = made("agora.stage.duration", "s", "of stages")
        self.jobs = made("agora.job.duration", "s", "of background jobs")

    @contextmanager
    def stage(self, here: Case, agent: str | None) -> Iterator["Told"]:
        """Span a stage; where an expert is at work it is an agent that is invoked."""
        self._begun.setdefault(here.correlation_id, time.time_ns())
        while len(self._begun) > OPEN_WORKFLOWS:  # those that other processes have ended
            self._begun.pop(next(iter(self._begun)))
        named: dict[str, Any] = {"agora.stage": here.stage, "agora.case": here.id}
        name = f"agora.{here.stage}"
        if agent:
            name, said = f"invoke_agent {agent}", {"gen_ai.agent.name": agent}
            named |= {"gen_ai.operation.name": "invoke_agent"} | said
        with self._span(name, here, named) as told:
            yield told
        self.stages.record(told.seconds, {"agora.stage": here.stage} | told.fault)

    @contextmanager
    def act(self, here: Case, act: Act) -> Iterator["Told"]:
        """Span an act: a chat with a model, a tool that is executed, or what else it is."""
        operation = OPERATIONS.get(act.kind, act.kind)
        named: dict[str, Any] = {"gen_ai.operation.name": operation, "agora.actor": act.actor}
        if act.kind == "ask_model":
            named |= {"gen_ai.request.model": act.subject}
            named |= {"gen_ai.provider.name": act.vendor or "unknown"}
        elif act.kind == "call_tool":
            named |= {"gen_ai.tool.name": act.subject}
        kind = f"{operation} {act.subject}" if act.kind in OPERATIONS else f"agora.{act.kind}"
        with self._span(kind, here, named, is_client=True) as told:
            yield told
        if act.kind in OPERATIONS:
            self._measure(named, told)

    @contextmanager
    def job(self, name: str, job_id: int | None) -> Iterator["Told"]:
        """Span a background job."""
        here = Case(f"job-{job_id}", "", name, None)
        with self._span(f"agora.job {name}", here, {"agora.job": name}) as told:
            yield told
        self.jobs.record(told.seconds, {"agora.job": name} | told.fault)

    def ended(self, here: Case, outcome: Mapping[str, Any] | None) -> None:
        """Tell the whole workflow, now that its last stage has ended."""
        from opentelemetry.trace import SpanKind

        workflow = WORKFLOWS.get(here.stage, "improvement")
        named: dict[str, Any] = {"gen_ai.operation.name": "invoke_workflow"}
        named |= {"gen_ai.workflow.name": workflow, "gen_ai.conversation.id": here.thread_id}
        named |= {"agora.correlation_id": here.correlation_id}
        for name in ("status", "expert", "model", "cost_usd", "tokens"):
            if outcome and outcome.get(name) is not None:
                named[f"agora.outcome.{name}"] = outcome[name]
        begun = self._begun.pop(here.correlation_id, None)
        token = _root_id.set(root_of(here.correlation_id)[1])
        try:
            span = self.tracer.start_span(
                f"invoke_workflow {workflow}",
                context=_rootless(here.correlation_id),
                kind=SpanKind.INTERNAL,
                attributes=named,
                start_time=begun,
            )
        finally:
            _root_id.reset(token)
        span.end()

    @contextmanager
    def _span(
        self, name: str, here: Case, named: Mapping[str, Any], *, is_client: bool = False
    ) -> Iterator["Told"]:
        from opentelemetry import trace

        current = trace.get_current_span().get_span_context()
        inside = current.is_valid and current.trace_id == root_of(here.correlation_id)[0]
        common = {"agora.correlation_id": here.correlation_id}
        if here.thread_id:
            common["gen_ai.conversation.id"] = here.thread_id
        with self.tracer.start_as_current_span(
            name,
            context=None if inside else _below_root(here.correlation_id),
            kind=trace.SpanKind.CLIENT if is_client else trace.SpanKind.INTERNAL,
            attributes={**named, **common},
            record_exception=False,  # its text may hold what nobody else may see
            set_status_on_exception=False,
        ) as span:
            told = Told(span)
            try:
                yield told
            except BaseException as error:
                told.failed(error)
                raise
            finally:
                told.seconds = time.monotonic() - told.begun

    def _measure(self, named: Mapping[str, Any], told: "Told") -> None:
        kept = {name: value for name, value in named.items() if name.startswith("gen_ai.")}
        self.took.record(told.seconds, kept | told.fault)
        for kind, count in told.tokens.items():
            self.tokens.record(count, kept | {"gen_ai.token.type": kind})

    def close(self) -> None:
        """Send what is left; blocks as long as the endpoint lets it."""
        for provider in self.providers:
            provider.shutdown()


@dataclass
class Told:
    """What a span is told while it lasts."""

    span: Any
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    fault: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)

    def done(self, outcome: ActOutcome) -> None:
        """Say what an act has used up."""
        result = outcome.result
        for kind, name in (("input", "tokens_in"), ("output", "tokens_out")):
            if isinstance(result.get(name), int):
                self.tokens[kind] = result[name]
                self.span.set_attribute(f"gen_ai.usage.{kind}_tokens", result[name])
        if result.get("finish"):
            self.span.set_attribute("gen_ai.response.finish_reasons", [str(result["finish"])])
        self.span.set_attribute("agora.cost_usd", outcome.cost_usd)

    def failed(self, error: BaseException) -> None:
        """Say what kind of error it ended with, and none of its words."""
        from opentelemetry.trace import StatusCode

        kind = type(error).__name__
        if kind in ("GraphInterrupt", "CancelledError"):  # somebody is asked; somebody has left
            self.span.set_attribute("agora.left", kind)
            return
        self.fault = {"error.type": kind}
        self.span.set_attribute("error.type", kind)
        self.span.set_status(StatusCode.ERROR)


def root_of(correlation_id: str) -> tuple[int, int]:
    """Return the ids of a correlation's trace and of its root span; neither is zero."""
    said = sha256(f"agora/{correlation_id}".encode()).digest()
    return int.from_bytes(said[:16]) or 1, int.from_bytes(said[16:24]) or 1


def _below_root(correlation_id: str) -> Any:
    """Return the context below a root that is told only when all has ended."""
    from opentelemetry import trace

    trace_id, span_id = root_of(correlation_id)
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    parent = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(parent))


def _rootless(correlation_id: str) -> Any:
    """Return a context without any parent; the ids come from `_ids`, by the root that is set."""
    from opentelemetry.context import Context

    _traced.set(root_of(correlation_id)[0])
    return Context()


_traced: SpanId = ContextVar("traced", default=None)


def _ids() -> Any:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Random, but for roots."""

        def generate_span_id(self) -> int:
            return _root_id.get() or super().generate_span_id()

        def generate_trace_id(self) -> int:
            root = _root_id.get() and _traced.get()
            return root or super().generate_trace_id()

    return Ids()


def _opened(env: Mapping[str, str]) -> Telemetry:
    from importlib.metadata import version

    from opentelemetry import metrics, trace
    from opentelemetry.sdk.resources import Resource

    release = {"service.version": version("agora-team")}
    named = {} if env.get("OTEL_SERVICE_NAME") else {"service.name": "agora"}
    resource = Resource.create({**release, **named})
    providers: list[Any] = []
    tracer: Any = trace.NoOpTracer()
    meter: Any = metrics.NoOpMeterProvider().get_meter("agora")
    if is_wanted(env, "traces"):
        providers.append(_traces(resource))
        tracer = providers[-1].get_tracer("agora", release["service.version"])
    if is_wanted(env, "metrics"):
        providers.append(_metrics(resource))
        meter = providers[-1].get_meter("agora", release["service.version"])
    return Telemetry(tracer, meter, providers)


def _traces(resource: Any) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=resource, id_generator=_ids(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _metrics(resource: Any) -> Any:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
