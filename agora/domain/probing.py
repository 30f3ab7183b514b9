"""Generated inputs for tools, in the sandbox: crashes before a user meets them, and duplicates."""

import json
import secrets
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agora.domain.contracts import Json
from agora.domain.doors import require_act
from agora.domain.repair.interpreters import OWN, Interpreter
from agora.domain.tools import Tool, Walls

LIKENESS = 0.5
"""Cosine of two descriptions from which on they may mean the same."""
LEAST_RESULTS = 3
"""Different results on which two tools must agree; two that always fail say nothing."""


def probe(
    sandbox: Walls,
    tree: Path,
    tools: Sequence[Tool],
    interpreter: Interpreter,
    *,
    examples: int,
    timeout_s: float,
) -> Json | None:
    """Try generated inputs on one tool, or the same ones on two; None: it came to no end.

    Of one: `examples` and `fault` (arguments, error, message, file, line, or None). Of two:
    `examples`, `equal`, and `results`, how many different ones they have agreed on.
    """
    require_act("run_tests")
    nonce, root = secrets.token_hex(16), tree.absolute()
    package = _hypothesis()
    named = ("path", "function", "parameters")
    request = {
        "root": str(root),
        "nonce": nonce,
        "packages": [str(package)],
        "examples": examples,
        "seed": 0,  # the same inputs each time: a maintenance finds the same again
        "tools": [tool.model_dump(include=set(named)) | {"module": tool.module} for tool in tools],
    }
    readable = {*interpreter.readable(root), *OWN.readable(root), package, root}
    with tempfile.TemporaryDirectory(prefix="agora-probe-") as folder:
        ran = sandbox.run(
            Path(folder),
            [str(interpreter.python), "-I", "-B", "-c", _prober()],
            timeout_s=timeout_s,
            readable=sorted(readable),
            stdin=json.dumps(request).encode(),
        )
    return _understood(ran.output.decode("utf-8", "replace"), nonce)


@cache
def _hypothesis() -> Path:
    """Return the folder to import it from; only the sandbox does: it takes half a second."""
    found = find_spec("hypothesis")
    assert found and found.origin
    return Path(found.origin).parents[1]


@cache
def _prober() -> str:
    return Path(__file__).with_name("tool_prober.py").read_text("utf-8")


def _understood(output: str, nonce: str) -> Json | None:
    for line in reversed(output.splitlines()):
        if line.startswith(nonce):
            try:
                told: Any = json.loads(line.removeprefix(nonce))
            except ValueError:
                return None
            return told if isinstance(told, dict) and "trouble" not in told else None
    return None


def shape(tool: Tool) -> str:
    """Return the signature without names: what the parameters are, in order, and the result."""
    required = tool.parameters["required"]
    kinds = []
    for name, schema in tool.parameters["properties"].items():
        plain = {key: value for key, value in schema.items() if key != "default"}
        kinds.append(plain | {"needed": name in required})
    return json.dumps([kinds, tool.returns], sort_keys=True)
