"""The LangSmith server: prompts are mirrored to its hub, and its traces are judged."""

from contextlib import suppress
from typing import Any

from langchain_core.messages import SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langsmith.utils import LangSmithConflictError

from agora.domain.doors import require_act

KEYS = {"person": "human_feedback", "judge": "judged", "tests": "tests"}
"""What LangSmith calls the judgements of each source."""


def push(client: Any, name: str, text: str, about: str) -> None:
    """Make a text the newest commit of a prompt of the hub; what it is already changes nothing.

    It is no template there: `$holes` and braces stay as they are.
    """
    require_act("mirror_prompt")
    prompt = ChatPromptTemplate([SystemMessage(text)])
    with suppress(LangSmithConflictError):  # nothing to commit
        client.push_prompt(name, object=prompt, commit_description=about[:1000])


def judge(
    client: Any, said: dict[str, Any], feedback_id: str, run_id: str, project: str, turns: bool
) -> None:
    """Tell a trace what somebody says of it, or what he says now where he `turns`."""
    require_act("judge_trace")
    if turns:
        client.update_feedback(
            feedback_id, score=said["score"], comment=said["comment"], correction=said["correction"]
        )
        return
    source = "model" if said["key"] == KEYS["judge"] else "api"
    with suppress(LangSmithConflictError):  # it was told so before
        client.create_feedback(
            run_id,  # and no trace_id: it would be queued, and nobody would hear that it failed
            session_id=client.read_project(project_name=project).id,
            feedback_id=feedback_id,
            feedback_source_type=source,
            stop_after_attempt=2,
            **said,
        )
