"""What is permitted: Cedar policies, read and checked once, asked before every act.

Cutler et al., "Cedar: A New Language for Expressive, Fast, Safe, and Analyzable Authorization",
OOPSLA 2024. Money and rates are no policies: they are counted where two processes see one total.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from agora.domain.contracts import Act, Contract, Json
from agora.domain.errors import UsageError

if TYPE_CHECKING:
    import cedarpy

SHIPPED = Path(__file__).parents[2] / "config" / "policies"
OPERATORS = frozenset(("agora", "operator"))
"""Actors that are no experts: the product itself, and the person it works for."""

SCHEMA = """
entity Expert, Operator, Subject;
action {actions} appliesTo {{
  principal: [Expert, Operator],
  resource: [Subject],
  context: {{
    subject: String, tenant: String, labels: Set<String>, residency: String, cost_usd: decimal,
    is_outside: Bool, is_private: Bool, is_untrusted: Bool, sends: Bool,
    tags: Set<String>, tools: Set<String>, is_approved: Bool,
    change: String, workspace: String, verdict: String, lines: Long,
  }},
}};
""".format(actions=", ".join(get_args(Act.model_fields["kind"].annotation)))


class PolicyError(UsageError):
    """A policy cannot be read, or speaks of what does not exist; nothing is permitted."""


class PolicyVerdict(Contract):
    """What the policies say of an act; `hash` names the set of policies that was asked."""

    is_allowed: bool
    reasons: tuple[str, ...]
    hash: str


@dataclass(frozen=True, eq=False)  # as itself, it is a key
class Policy:
    """The policies of a folder, parsed and checked against the schema of acts."""

    hash: str
    sentences: dict[str, str]  # @id to "@id: @reason"
    rules: "cedarpy.PolicySet"
    schema: "cedarpy.Schema"

    @classmethod
    def load(cls, folder: Path = SHIPPED) -> Self:
        """Read every `*.cedar` file; raise PolicyError with file and line."""
        import cedarpy

        schema = cedarpy.Schema.from_str(SCHEMA)
        statements = [each for path in sorted(folder.glob("*.cedar")) for each in _read(path)]
        if not statements:
            raise PolicyError(f"{folder}: holds no policy", "without one nothing is permitted")
        sentences: dict[str, str] = {}
        for statement in statements:
            name, sentence = statement.check(schema)
            if name in sentences:
                raise PolicyError(f"{statement.place()}: a second policy has the @id {name}")
            sentences[name] = sentence
        text = "\n".join(statement.text for statement in statements)
        digest = sha256((SCHEMA + text).encode()).hexdigest()
        return cls(digest, sentences, cedarpy.PolicySet.from_str(text), schema)

    def decide(self, act: Act) -> PolicyVerdict:
        """Return whether the act is permitted, and by which policies; an error denies."""
        import cedarpy

        answer = cedarpy.is_authorized(_request(act), self.rules, [], self.schema)
        said = answer.diagnostics
        names = sorted(said.id_annotations_by_reason.values())
        reasons = [*said.errors, *(self.sentences[name] for name in names)]
        if not reasons:
            reasons = [f"No policy permits {act.kind} on {act.subject} to {act.actor}."]
        is_allowed = answer.allowed and not said.errors
        return PolicyVerdict(is_allowed=is_allowed, reasons=tuple(reasons), hash=self.hash)


def _request(act: Act) -> dict[str, Any]:
    return {
        "principal": {"type": "Operator" if act.actor in OPERATORS else "Expert", "id": act.actor},
        "action": {"type": "Action", "id": act.kind},
        "resource": {"type": "Subject", "id": act.subject},
        "context": _context(act),
    }


def _context(act: Act) -> Json:
    facts = act.facts
    # Cedar's decimals have four places; rounded up, so that no limit looks kept when it is not.
    cost = Decimal(repr(act.cost_usd)).quantize(Decimal("0.0001"), ROUND_CEILING)
    known: Json = {
        "tenant": "default",
        "labels": (),
        "residency": "cloud",  # a model that does not say where it runs may run anywhere
        "is_outside": False,
        "tags": (),
        "tools": (),
        "is_approved": False,
        "change": "",
        "workspace": "",
        "verdict": "",
        "lines": 0,
    }
    certain: Json = {
        "subject": act.subject,
        "cost_usd": {"__extn": {"fn": "decimal", "arg": str(cost)}},
        "is_private": bool(facts.get("is_private")) or _names(facts, "labels", "private"),
        "is_untrusted": bool(facts.get("is_untrusted")) or _names(facts, "labels", "untrusted"),
        "sends": bool(facts.get("sends")) or _names(facts, "tags", "sends"),
    }
    return known | facts | certain


def _names(facts: Json, key: str, word: str) -> bool:
    words = facts.get(key)
    return isinstance(words, list | tuple) and word in words


_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;|\s+|.', re.DOTALL)


@dataclass(frozen=True)
class _Statement:
    path: Path
    line: int  # of its first word
    text: str

    def place(self, about: str = "") -> str:
        """Return file and line, of the word in quotes within `about` if the statement has it."""
        quoted = re.findall(r"`([^`]+)`", about)
        places = [self.text.find(word) for word in reversed(quoted)]
        start = next((place for place in places if place >= 0), 0)
        return f"{self.path}:{self.line + self.text[:start].count(chr(10))}"

    def check(self, schema: "cedarpy.Schema") -> tuple[str, str]:
        """Return @id and sentence; raise PolicyError."""
        import cedarpy

        for error in cedarpy.validate_policies(self.text, schema).errors:
            what = error.error.removeprefix("for policy `policy0`, ")
            raise PolicyError(f"{self.place(what)}: {what}", "see config/policies/default.cedar")
        for policy in cedarpy.policies_to_pst(self.text).static_policies.values():
            if name := policy.annotations.get("id"):
                return name, f"{name}: {policy.annotations.get('reason') or policy.effect}"
        raise PolicyError(f"{self.place()}: the policy has no @id", 'write @id("name") above it')


def _read(path: Path) -> Iterator[_Statement]:
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
            yield _Statement(path, start, text)
            text = ""
        line += piece.count("\n")
    if text:
        yield _Statement(path, start, text)
