"""What a LangSmith trace shows of a stage beside its input and output."""

from typing import Any

from langsmith.run_helpers import get_current_run_tree


def note(**said: Any) -> None:
    """Add to the metadata of the running node's trace; nothing where nobody traces."""
    if run := get_current_run_tree():
        run.add_metadata(said)
