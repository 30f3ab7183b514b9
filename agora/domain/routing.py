"""Routing policies: what matters to whoever asks, money, time or places, in the auction's terms."""

from dataclasses import dataclass
from typing import Protocol

from agora.domain.contracts import AgentTask
from agora.domain.errors import UsageError
from agora.domain.settings import AuctionSettings, Settings

HERE = "local"
RESIDENCY = "residency:"
"""A label `residency:eu` keeps a task on this machine and in that place."""


class Place(Protocol):
    """What is asked of a model."""

    @property
    def residency(self) -> str:
        """Return where it runs."""

    @property
    def vendor(self) -> str:
        """Return who runs it."""


@dataclass(frozen=True)
class Rules:
    """What holds for one task: the value of a right answer, of a second, and who may see it."""

    auction: AuctionSettings
    places: frozenset[str] | None = None  # None: anywhere
    vendors: frozenset[str] | None = None

    def value_usd(self, mix: dict[str, float]) -> float:
        """Return what a right answer is worth in a mix of domains whose weights add up to 1."""
        auction = self.auction
        worth = (auction.values_usd.get(name, auction.value_usd) * mix[name] for name in mix)
        return sum(worth)

    def admits(self, model: Place) -> bool:
        """Return whether a model may be asked at all."""
        is_near = self.places is None or model.residency in self.places
        return is_near and (self.vendors is None or model.vendor in self.vendors)


def rules(task: AgentTask, settings: Settings) -> Rules:
    """Return what the task's policy and labels say; raise UsageError for an unknown policy."""
    named, known = task.policy or settings.routing.policy, settings.routing.policies
    if named not in known:
        raise UsageError(f"there is no policy {named}", f"there are {', '.join(known)}")
    policy = known[named]
    stakes = policy.model_dump(include={"value_usd", "second_usd"}, exclude_none=True)
    if "value_usd" in stakes:
        stakes["values_usd"] = {}  # a policy that names a value means every domain
    return Rules(
        settings.auction.model_copy(update=stakes),
        _places(task, policy.residency),
        frozenset(policy.vendors) or None,
    )


def _places(task: AgentTask, allowed: tuple[str, ...]) -> frozenset[str] | None:
    wanted = {one.removeprefix(RESIDENCY) for one in task.labels if one.startswith(RESIDENCY)}
    sets = [frozenset((HERE, place)) for place in wanted]
    sets += [frozenset(allowed)] if allowed else []
    return frozenset.intersection(*sets) if sets else None
