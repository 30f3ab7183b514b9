"""What is permitted: Cedar policies, read and checked once, asked before every act.

Cutler et al., "Cedar: A New Language for Expressive, Fast, Safe, and Analyzable Authorization",
OOPSLA 2024. Money and rates are no policies: they are counted where two processes see one total.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from agora.domain.contracts import Act, Contract, Json
from agora.domain.policy_files import PolicyError, Rule, read
from agora.domain.signing import canonical

if TYPE_CHECKING:
    import cedarpy

__all__ = ["Policy", "PolicyError", "PolicyVerdict"]

SHIPPED = Path(__file__).parents[2] / "config" / "policies"
OPERATORS = frozenset(("agora", "operator"))
"""Actors that are no experts: the product itself, and the person it works for."""

SCHEMA = """
entity Expert, Operator, Subject;
action {actions} appliesTo {{
  principal: [Expert, Operator],
  resource: [Subject],
  context: {{
    subject: String, expert: String, tenant: String, labels: Set<String>, residency: String,
    cost_usd: decimal, is_outside: Bool, is_private: Bool, is_untrusted: Bool, sends: Bool,
    tags: Set<String>, tools: Set<String>,
    change: String, workspace: String, verdict: String, lines: Long,
  }},
}};
""".format(actions=", ".join(get_args(Act.model_fields["kind"].annotation)))


class PolicyVerdict(Contract):
    """What the policies say of an act; `hash` names the set of policies that was asked."""

    is_allowed: bool
    asks: bool = False  # not allowed, unless a person says yes
    reasons: tuple[str, ...]
    hash: str

    @property
    def word(self) -> str:
        """Return the verdict as the log and people say it."""
        return "allow" if self.is_allowed else "ask" if self.asks else "deny"


@dataclass(frozen=True, eq=False)  # as itself, it is a key
class Policy:
    """The policies of some folders, parsed and checked against the schema of acts."""

    hash: str
    rules: Mapping[str, Rule]
    texts: Mapping[str, str]
    every: "cedarpy.PolicySet"
    firm: "cedarpy.PolicySet"  # without those that a person may overrule
    schema: "cedarpy.Schema"

    @classmethod
    def load(cls, *folders: Path) -> Self:
        """Read every `*.cedar` file, by default the shipped ones; raise PolicyError with line."""
        import cedarpy

        schema = cedarpy.Schema.from_str(SCHEMA)
        rules: dict[str, Rule] = {}
        texts: dict[str, str] = {}
        for path in files(folders or (SHIPPED,)):
            for statement in read(path):
                rule = statement.check(schema)
                if rule.name in rules:
                    place = statement.place()
                    raise PolicyError(f"{place}: a second policy has the @id {rule.name}")
                rules[rule.name], texts[rule.name] = rule, statement.text
        if not rules:
            where = ", ".join(map(str, folders))
            raise PolicyError(f"{where}: holds no policy", "without one nothing is permitted")
        firm = [text for name, text in texts.items() if not rules[name].asks]
        digest = sha256((SCHEMA + "\n".join(texts.values())).encode()).hexdigest()
        every, some = (
            cedarpy.PolicySet.from_str("\n".join(all_)) for all_ in (texts.values(), firm)
        )
        return cls(digest, rules, texts, every, some, schema)

    def decide(self, act: Act) -> PolicyVerdict:
        """Return whether the act is permitted, and by which policies; an error denies.

        What costs money is also asked as a `spend`: both must be permitted.
        """
        facts = canonical(act.facts)
        said = _decided(self, act.kind, act.subject, act.actor, act.cost_usd, facts)
        if act.cost_usd <= 0 or act.kind == "spend" or not (said.is_allowed or said.asks):
            return said
        spend = _decided(self, "spend", act.subject, act.actor, act.cost_usd, facts)
        return said if spend.is_allowed else spend

    def ask(self, request: Json) -> PolicyVerdict:
        """Return the verdict on a request as Cedar knows it."""
        verdict = self._asked(request, self.every)
        if verdict.is_allowed or not self._may_be_overruled(verdict):
            return verdict
        return verdict.but(asks=self._asked(request, self.firm).is_allowed)

    def _may_be_overruled(self, verdict: PolicyVerdict) -> bool:
        said = {rule.sentence for rule in self.rules.values() if rule.asks}
        return said.issuperset(verdict.reasons)

    def _asked(self, request: Json, policies: "cedarpy.PolicySet") -> PolicyVerdict:
        import cedarpy

        answer = cedarpy.is_authorized(request, policies, [], self.schema)
        said = answer.diagnostics
        names = sorted(said.id_annotations_by_reason.values())
        reasons = [*said.errors, *(self.rules[name].sentence for name in names)]
        if not reasons:
            act, actor = request["action"]["id"], request["principal"]["id"]
            reasons = [f"No policy permits {act} on {request['resource']['id']} to {actor}."]
        is_allowed = answer.allowed and not said.errors
        return PolicyVerdict(is_allowed=is_allowed, reasons=tuple(reasons), hash=self.hash)

    def changes_from(self, texts: Mapping[str, str]) -> list[str]:
        """Return which policies are new, gone or changed beside an earlier set, by their @id."""
        came = [f"+ {name}" for name in self.texts if name not in texts]
        gone = [f"- {name}" for name in texts if name not in self.texts]
        both = self.texts.keys() & texts
        other = [f"~ {name}" for name in sorted(both) if texts[name] != self.texts[name]]
        return [*came, *gone, *other]


def files(folders: Iterable[Path]) -> list[Path]:
    """Return the policy files of some folders, in the order in which they are read."""
    return [path for folder in folders for path in sorted(folder.glob("*.cedar"))]


@lru_cache(maxsize=10_000)
def _decided(
    policy: Policy, kind: str, subject: str, actor: str, cost_usd: float, facts: str
) -> PolicyVerdict:
    """Ask once for equal acts: a team asks the same again and again."""
    return policy.ask(_request(kind, subject, actor, cost_usd, json.loads(facts)))


def _request(kind: str, subject: str, actor: str, cost_usd: float, facts: Json) -> dict[str, Any]:
    return {
        "principal": {"type": "Operator" if actor in OPERATORS else "Expert", "id": actor},
        "action": {"type": "Action", "id": kind},
        "resource": {"type": "Subject", "id": subject},
        "context": _context(subject, actor, cost_usd, facts),
    }


def _context(subject: str, actor: str, cost_usd: float, facts: Json) -> Json:
    # Cedar's decimals have four places; rounded up, so that no limit looks kept when it is not.
    cost = Decimal(repr(cost_usd)).quantize(Decimal("0.0001"), ROUND_CEILING)
    known: Json = {
        "tenant": "default",
        "labels": (),
        "residency": "cloud",  # a model that does not say where it runs may run anywhere
        "is_outside": False,
        "tags": (),
        "tools": (),
        "change": "",
        "workspace": "",
        "verdict": "",
        "lines": 0,
    }
    certain: Json = {
        "subject": subject,
        "expert": actor.partition("@")[0],
        "cost_usd": {"__extn": {"fn": "decimal", "arg": str(cost)}},
        # What a tool reads that is private goes out with the same call; what is not to be trusted
        # comes in only after it.
        "is_private": _is(facts, "private", "labels", "tags"),
        "is_untrusted": _is(facts, "untrusted", "labels"),
        "sends": bool(facts.get("sends")) or _names(facts, "tags", "sends"),
    }
    return known | facts | certain


def _is(facts: Json, word: str, *places: str) -> bool:
    """Return whether the run, or the tool that it wants to call, has such text before it."""
    return bool(facts.get(f"is_{word}")) or any(_names(facts, place, word) for place in places)


def _names(facts: Json, key: str, word: str) -> bool:
    words = facts.get(key)
    return isinstance(words, list | tuple) and word in words
