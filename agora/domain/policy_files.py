"""Policy files: Cedar's text cut into statements, each checked, with the line that it stands on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agora.domain.errors import UsageError

if TYPE_CHECKING:
    import cedarpy


class PolicyError(UsageError):
    """A policy cannot be read, or speaks of what does not exist; nothing is permitted."""


_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;|\s+|.', re.DOTALL)


@dataclass(frozen=True)
class Rule:
    """What a checked statement is called, what it says, and whether a person may overrule it."""

    name: str
    sentence: str
    asks: bool = False


@dataclass(frozen=True)
class Statement:
    """One policy as its file has it."""

    path: Path
    line: int  # of its first word
    text: str

    def place(self, about: str = "") -> str:
        """Return file and line, of the word in quotes within `about` if the statement has it."""
        quoted = re.findall(r"`([^`]+)`", about)
        places = [self.text.find(word) for word in reversed(quoted)]
        start = next((place for place in places if place >= 0), 0)
        return f"{self.path}:{self.line + self.text[:start].count(chr(10))}"

    def check(self, schema: "cedarpy.Schema") -> Rule:
        """Return what the statement is; raise PolicyError."""
        import cedarpy

        for error in cedarpy.validate_policies(self.text, schema).errors:
            what = error.error.removeprefix("for policy `policy0`, ")
            raise PolicyError(f"{self.place(what)}: {what}", "see config/policies/default.cedar")
        for policy in cedarpy.policies_to_pst(self.text).static_policies.values():
            if name := policy.annotations.get("id"):
                said = f"{name}: {policy.annotations.get('reason') or policy.effect}"
                return Rule(name, said, self._asks(policy.effect, policy.annotations))
        raise PolicyError(f"{self.place()}: the policy has no @id", 'write @id("name") above it')

    def _asks(self, effect: str, annotations: Mapping[str, str]) -> bool:
        wanted = annotations.get("effect")
        if wanted is None:
            return False
        if wanted == "ask" and effect == "forbid":
            return True
        raise PolicyError(
            f'{self.place("`@effect`")}: @effect("{wanted}") on a {effect} says nothing',
            'only a forbid may have an effect, and only @effect("ask"): a person may overrule it',
        )


def read(path: Path) -> Iterator[Statement]:
    """Yield the statements of a file; raise PolicyError."""
    try:
        content = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read ({error})") from None
    text, line, start = "", 1, 1
    for piece in _PIECE.findall(content):
        if text or not (piece.isspace() or piece.startswith("//")):
            start = start if text else line
            text += piece
        if piece == ";":
            yield Statement(path, start, text)
            text = ""
        line += piece.count("\n")
    if text:
        yield Statement(path, start, text)
