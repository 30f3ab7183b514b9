"""What a LangSmith trace shows of a stage beside its input and output, where anybody traces."""

import os
import queue
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from langgraph.config import get_config
from langsmith.run_helpers import get_current_run_tree

from agora.domain.contracts import Case, Json
from agora.team.acting import audited

log = structlog.get_logger(__name__)
WAITING = 1000
"""So many judgements wait for a server that is slow; more are dropped."""


def note(**said: Any) -> None:
    """Add to the metadata of the running node's trace."""
    if run := get_current_run_tree():
        run.add_metadata(said)


def name(here: Case, state: Mapping[str, Any], changes: Any, policy_hash: str) -> None:
    """Name the running node's trace after its stage, and tag it and its root.

    The root carries what is known in the end: expert, route, outcome.
    """
    if not (run := get_current_run_tree()):
        return
    said = {**state, **(_update(changes))}
    run.name = f"agora.{here.stage}"
    tags, metadata = _tags(said), _metadata(here, said, policy_hash)
    keys = {tag.partition(":")[0] for tag in tags}
    for one in _line(run):
        # Of each key only the newest counts: a root has heard other stages before.
        one.tags = [tag for tag in one.tags or [] if tag.partition(":")[0] not in keys] + tags
        one.add_metadata(metadata)


def _line(run: Any) -> Iterator[Any]:
    """Yield a run and all above it that this process has begun."""
    callbacks = get_config().get("callbacks")
    known = [getattr(one, "run_map", {}) for one in getattr(callbacks, "handlers", ())]
    while run is not None:
        yield run
        above = str(run.parent_run_id)
        run = next((runs[above] for runs in known if above in runs), None)


def trace() -> tuple[str, str] | None:
    """Return the root of the running trace and its project; None where nobody traces."""
    run = get_current_run_tree()
    return (str(run.trace_id), str(run.session_name)) if run else None


def judge(key: str, score: float | bool | None) -> None:
    """Give the running trace a score: correctness, consensus_agreement, human_override, …

    It is sent by a thread of its own: nobody waits for it.
    """
    run = get_current_run_tree()
    if run is None or score is None:
        return
    given: Json = {"run_id": str(run.trace_id), "trace_id": str(run.trace_id)}
    given["project"] = run.session_name
    try:
        _judgements(run.client).put_nowait(given | {"key": key, "score": float(score)})
    except queue.Full:
        log.info("a judgement is not sent: the tracing server is too slow", key=key)


def flush() -> None:
    """Wait until all judgements are sent; see agora/team/farewell.py."""
    for waiting in _queues:
        waiting.join()


_queues: list["queue.Queue[Json]"] = []


@cache
def _judgements(client: Any) -> "queue.Queue[Json]":
    waiting: queue.Queue[Json] = queue.Queue(WAITING)
    _queues.append(waiting)
    threading.Thread(target=_send, args=(client, waiting), daemon=True).start()
    return waiting


def _send(client: Any, waiting: "queue.Queue[Json]") -> None:
    projects: dict[str, Any] = {}
    while True:
        given = waiting.get()
        project = given.pop("project")
        try:
            if project not in projects:
                projects[project] = client.read_project(project_name=project).id
            client.create_feedback(**given, session_id=projects[project], stop_after_attempt=2)
        except Exception as error:  # requests', langsmith's: a trace less, and nothing else
            log.info("a judgement is not sent", key=given["key"], error=type(error).__name__)
        finally:
            waiting.task_done()


def outcome(state: Mapping[str, Any], changes: Any) -> Json | None:
    """Return the outcome of a task, as a stage leaves it."""
    found = {**state, **_update(changes)}.get("outcome")
    return dict(found) if found else None


def _update(changes: Any) -> Mapping[str, Any]:
    update = getattr(changes, "update", None)
    found = changes if isinstance(changes, dict) else update
    return found if isinstance(found, dict) else {}


def _tags(state: Mapping[str, Any]) -> list[str]:
    outcome, task = state.get("outcome") or {}, state.get("task") or {}
    named: Json = {"env": _env(), "release": version("agora-team"), "risk": _risk(task)}
    named |= {"expert": outcome.get("expert") or _winner(state), "route": _route(state)}
    named |= {"outcome": outcome.get("status")}
    return [f"{key}:{value}" for key, value in named.items() if value]


def _metadata(here: Case, state: Mapping[str, Any], policy_hash: str) -> Json:
    outcome = state.get("outcome") or {}
    expert = outcome.get("expert") or _winner(state)
    versions = (state.get("context") or {}).get("prompt_versions") or {}
    told: Json = {"task_id": here.id, "thread_id": here.thread_id, "policy_hash": policy_hash}
    told |= {"correlation_id": here.correlation_id, "audit_seq": audited.get().get("seq")}
    told |= {"prompt_version": versions.get(expert), "cost_usd": outcome.get("cost_usd")}
    return {key: value for key, value in told.items() if value is not None}


def _winner(state: Mapping[str, Any]) -> str | None:
    award = state.get("award")
    return str(award["winner"]["expert"]) if award else None


def _route(state: Mapping[str, Any]) -> str:
    if (state.get("outcome") or {}).get("cached"):
        return "memory"
    if state.get("parts"):
        return "plan"
    return "war_room" if state.get("ruling") else "auction"


def _risk(task: Mapping[str, Any]) -> str:
    labels = task.get("labels") or ()
    if "side_effects" in labels:
        return "high"
    return "medium" if {"private", "untrusted"} & {*labels} else "low"


def _env() -> str:
    """Return where this runs, by the configuration that is named: local, staging, production."""
    return Path(os.environ.get("AGORA_CONFIG") or "local").stem
