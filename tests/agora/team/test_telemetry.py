import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from agora.domain.settings import Settings
from agora.team import telemetry
from agora.team.telemetry import is_wanted, root_of
from tests.otlp_receiver import Collector, attributes, collecting
from tests.reading import ROOT
from tests.running import Hire, refusing


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        telemetry.opened.cache_clear()
        yield collector
        telemetry.opened.cache_clear()


def flush() -> None:
    telling = telemetry.telemetry()
    assert telling
    telling.close()


def test_only_what_the_environment_asks_for_is_sent() -> None:
    assert not is_wanted({}, "traces")
    assert is_wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here"}, "metrics")
    only = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://here"}
    assert is_wanted(only, "traces") and not is_wanted(only, "metrics")
    off = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_TRACES_EXPORTER": "none"}
    assert not is_wanted(off, "traces") and is_wanted(off, "metrics")
    disabled = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_SDK_DISABLED": "true"}
    assert not is_wanted(disabled, "traces")


async def test_a_task_is_one_trace_from_its_workflow_to_its_chats(
    hire: Hire, collector: Collector
) -> None:
    outcome = await hire().ask("What is the capital of France?", id="paris")
    assert outcome["status"] == "answered"
    flush()
    (root,) = collector.named("invoke_workflow task")
    (agent,) = collector.named(f"invoke_agent {outcome['expert']}")[:1]
    chats = collector.named("chat qwen3:8b")
    trace_id, root_id = root_of("paris")
    assert int.from_bytes(root.trace_id) == trace_id and int.from_bytes(root.span_id) == root_id
    assert not root.parent_span_id
    assert {span.trace_id for span in collector.spans} == {root.trace_id}
    stages = collector.named("agora.bidding") + collector.named("agora.intake")
    assert [one.parent_span_id for one in stages] == [root.span_id, root.span_id]
    told = attributes(chats[-1])
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "ollama"
    assert told["gen_ai.usage.output_tokens"] > 0
    assert told["agora.correlation_id"] == "paris" and told["gen_ai.conversation.id"] == "one"
    assert attributes(root)["agora.outcome.status"] == "answered"
    assert any(one.parent_span_id == agent.span_id for one in chats)


async def test_no_word_of_a_task_is_sent(hire: Hire, collector: Collector) -> None:
    await hire(refusing).ask("My secret is swordfish; what is it?", urgency="urgent")
    flush()
    assert collector.spans and "swordfish" not in str(collector.spans)


async def test_a_war_room_belongs_to_the_trace_of_its_task(
    hire: Hire, collector: Collector
) -> None:
    staff = hire(local=("qwen3:8b", "llama3.1:8b"), cloud=True)
    await staff.ask("Sell or wait?", id="urgent", urgency="urgent")
    flush()
    (ruling,) = collector.named("agora.ruling")
    assert int.from_bytes(ruling.trace_id) == root_of("urgent")[0]
    assert len(collector.named("invoke_workflow task")) == 1
    assert not collector.named("invoke_workflow war_room")


async def test_metrics_count_tokens_and_seconds(hire: Hire, collector: Collector) -> None:
    await hire().ask("What is the capital of France?")
    flush()
    assert {"gen_ai.client.token.usage", "gen_ai.client.operation.duration"} <= {*collector.metrics}
    assert collector.metrics["agora.stage.duration"].histogram.data_points


async def test_a_failure_is_told_by_its_kind_alone(hire: Hire, collector: Collector) -> None:
    staff = hire()
    staff.server.fail("500", "500", "500", "500")
    await staff.ask("What is the capital of France?")
    flush()
    kinds = {attributes(one).get("error.type") for one in collector.named("chat qwen3:8b")}
    assert kinds - {None}
    assert all(not span.events for span in collector.spans)


@pytest.mark.parametrize("broken", ["hangs", "is dead"])
def test_a_tracing_server_that_fails_holds_up_neither_a_task_nor_the_end_of_its_process(
    settings: Settings, broken: str
) -> None:
    with collecting(hangs=True) as collector:
        endpoint = collector.url if broken == "hangs" else "http://127.0.0.1:9"
        plain, traced = run(settings, {}), run(settings, traces_at(endpoint))
        assert collector.paths or broken == "is dead"
    # Left to themselves, both exporters try for ten seconds and more; they are given two.
    # A task that waited for them would wait as long with each of its stages.
    assert traced["work_s"] < 3 * plain["work_s"] + 20.0
    assert traced["exit_s"] < plain["exit_s"] + 8.0


def traces_at(endpoint: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": endpoint,
        "LANGSMITH_API_KEY": "none",
    }


def run(settings: Settings, named: dict[str, str]) -> dict[str, float]:
    """Ask in a process of its own; return how long that took, and how long its end."""
    assert settings.database.url
    env = {"DATABASE_URL": settings.database.url.get_secret_value()}
    env |= {"AGORA_HOME": str(settings.folder), "LANGGRAPH_STRICT_MSGPACK": "true"}
    script = [sys.executable, "-W", "ignore", "-m", "tests.tracing"]
    with subprocess.Popen(
        script, cwd=ROOT, env=os.environ | env | named, stdout=subprocess.PIPE, text=True
    ) as asking:
        assert asking.stdout
        work_s = float(asking.stdout.readline())
        begun = time.monotonic()
        asking.wait(60)
        return {"work_s": work_s, "exit_s": time.monotonic() - begun}
