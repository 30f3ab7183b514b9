"""Ways to do a task: whole, in parts, or twice and joined. Which pays, paired trials find out."""

from collections.abc import Mapping
from typing import Literal

from agora.domain.plans import listed

Way = Literal["plan", "synthesis"]
"""What challenges doing a task whole: splitting it, or joining two experts' answers."""
WAYS: tuple[Way, ...] = ("plan", "synthesis")
LONG = 40
"""Words from which a task may have parts, though it lists none."""
EFFECTS = {"side_effects", "untrusted"}
"""Labels of tasks that are done one way only."""


def kind_of(mix: Mapping[str, float]) -> str:
    """Return the kind of task that trials tell apart: the domain that it speaks of most."""
    return max(mix, key=mix.__getitem__)


def may_have_parts(text: str) -> bool:
    """Return whether splitting could make any difference: it lists parts, or is long."""
    return len(listed(text)) > 1 or len(text.split()) >= LONG
