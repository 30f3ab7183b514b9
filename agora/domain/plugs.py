"""Vendors that other packages bring: found by the entry-point group `agora.vendors`.

[project.entry-points."agora.vendors"]
acme = "acme_agora:Acme"            # a class without arguments; see `Vendor`
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol

from agora.domain.errors import SettingsError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agora.domain.vendors import Question

GROUP = "agora.vendors"


class Vendor(Protocol):
    """What a package brings to plug a vendor in; its models stand in models.yaml."""

    raised: tuple[type[Exception], ...]
    """What its client raises for what servers do, beside the errors of httpx, OSError and
    ValueError; `status_code`, `code` and the names of httpx and OpenAI are understood."""

    def client(self, question: "Question", hooks: dict[str, list[Any]]) -> "BaseChatModel":
        """Return a client for one question: no retries, its deadline_s, its api_key.

        With `hooks` as the `event_hooks` of its asynchronous httpx client it is known what must
        be paid when a call fails; without them all that was asked is paid, as an estimate.
        """


@cache
def plugged(name: str) -> Vendor:
    """Return a vendor; raise SettingsError where no package brings it, or its package is broken."""
    known = {one.name: one for one in entry_points(group=GROUP)}
    if name not in known:
        have = f"there are {', '.join(sorted(known))}" if known else "none is installed"
        raise SettingsError(f"vendors.{name}: no package brings this vendor", have)
    return _made(known[name])


def _made(point: EntryPoint) -> Vendor:
    try:
        made: Vendor = point.load()()
    except (ImportError, AttributeError, TypeError) as error:
        where = f"{point.value} cannot be used ({error})"
        raise SettingsError(f"vendors.{point.name}: {where}", "reinstall its package") from None
    return made
