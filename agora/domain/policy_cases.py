"""Cases: acts with the verdict that policies should come to, and by which of them."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from agora.domain.contracts import Act, ActKind, Contract
from agora.domain.errors import UsageError
from agora.domain.policy import Policy

SHIPPED = Path(__file__).parents[2] / "config" / "policies" / "cases.yaml"


class PolicyCase(Contract):
    """An act, and what should become of it; `because` is the @id of a policy that must say so."""

    name: str
    act: ActKind
    subject: str = "calculator.divide"
    actor: str = "engineer@qwen3:8b"
    cost_usd: float = 0.0
    facts: dict[str, Any] = {}
    expect: Literal["allow", "ask", "deny"]
    because: str | None = None

    def failure(self, policy: Policy) -> str:
        """Return how the policies differ from what is expected; "" where they do not."""
        wanted = {"kind": self.act, "subject": self.subject, "actor": self.actor}
        act = Act.model_validate(wanted | {"cost_usd": self.cost_usd, "facts": self.facts})
        said = policy.decide(act)
        why = "; ".join(said.reasons)
        if said.word != self.expect:
            return f"expected {self.expect}, got {said.word}: {why}"
        is_by_it = any(one.startswith(f"{self.because}: ") for one in said.reasons)
        return "" if self.because is None or is_by_it else f"not by {self.because}, but: {why}"


def read_cases(path: Path) -> list[PolicyCase]:
    """Return the cases of a YAML file, a list of objects; raise UsageError naming the bad one."""
    try:
        listed = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        where = " ".join(str(error).split())
        raise UsageError(f"{path}: cannot be read ({where})", f"see {SHIPPED.name}") from None
    if not isinstance(listed, list) or not listed:
        raise UsageError(f"{path}: must hold a list of cases", "see config/policies/cases.yaml")
    return [_case(path, number, one) for number, one in enumerate(listed, 1)]


def _case(path: Path, number: int, given: Any) -> PolicyCase:
    try:
        return PolicyCase.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(PolicyCase.model_fields)
        said = f"{path}: case {number}: {key}: {first['msg']}"
        raise UsageError(said, f"fields: {allowed}") from None
