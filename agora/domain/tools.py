"""The tools of a workspace: found by reading its source, called behind the sandbox's walls."""

import json
import secrets
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from agora.domain.contracts import Contract, Json, ToolCall
from agora.domain.doors import require_act
from agora.domain.errors import UsageError
from agora.domain.redaction import redact
from agora.domain.repair.interpreters import Interpreter
from agora.domain.signatures import fits, spoken

LONGEST_RESULT = 100_000
"""Characters of a result that leave the sandbox."""
LONGEST_RECORD = 4_000
"""Characters of one argument or of a result that are kept."""
_SHOWN = 80


class ToolArgumentsError(UsageError):
    """A call does not fit the tool's signature; the tool was not called, so it has not failed."""


class Tool(Contract):
    """What experts may call: a typed function, one that LangChain wraps, or a server's tool."""

    name: str  # "calculator.divide": how experts and policies call it
    kind: Literal["function", "langchain", "mcp"] = "function"
    path: str  # relative to the work tree, with slashes; mcp:SERVER
    function: str  # … or the tool's name on its server
    line: int
    capability: str = ""  # what it is good for: others of the same can take its place
    needs: tuple[str, ...] = ()  # package:requests, program:ffmpeg, …
    description: str  # its docstring
    parameters: Json  # JSON schema of an object
    returns: Json = {}  # JSON schema; {} where nothing is said
    tags: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Return the name under which Python imports the file."""
        return module_of(self.path)


class ToolResult(Contract):
    """What a call gave: a value, or the error and where in the workspace it arose."""

    value: Any = None
    mark: Literal["", "repr", "cut"] = ""  # the value is the text of what JSON cannot carry
    error: str | None = None  # the exception's class; TimeoutError, ToolDiedError are ours
    message: str = ""
    file: str | None = None
    line: int | None = None
    latency_s: float = 0.0

    @property
    def fault(self) -> str | None:
        """Return the error in one line, or None."""
        if self.error is None:
            return None
        place = f" ({self.file}:{self.line})" if self.file else ""
        return f"{self.error}: {self.message}{place}" if self.message else f"{self.error}{place}"


class Ran(Protocol):
    """How a confined command ended."""

    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def output(self) -> bytes: ...  # noqa: D102
    @property
    def is_timed_out(self) -> bool: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102


class Walls(Protocol):
    """What can hold unknown code, such as `agora.domain.repair.sandbox.Sandbox`."""

    def run(
        self,
        folder: Path,
        command: Sequence[str],
        *,
        timeout_s: float,
        readable: Sequence[Path] = (),
        stdin: bytes = b"",
    ) -> Ran:
        """Run one command in `folder`; raise SandboxFailedError where the walls do not stand."""


def module_of(path: str) -> str:
    """Return the module that a file is: `src/pkg/calc.py` is `pkg.calc`."""
    parts = path.removeprefix("src/").removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def check_arguments(tool: Tool, arguments: Json) -> Json:
    """Return the arguments as they are; raise ToolArgumentsError naming all that is wrong."""
    known = tool.parameters["properties"]
    wrong = [f"{name} is unknown, allowed: {_listed(known)}" for name in arguments.keys() - known]
    for name, schema in known.items():
        if name in arguments and not fits(arguments[name], schema):
            wrong.append(f"{name} is {_shown(arguments[name])}, allowed: {spoken(schema)}")
        elif name not in arguments and name in tool.parameters["required"]:
            wrong.append(f"{name} is missing, allowed: {spoken(schema)}")
    if wrong:
        raise ToolArgumentsError(
            f"{tool.name}: {'; '.join(wrong)}", f"agora tools show {tool.name}"
        )
    return dict(arguments)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def call(
    sandbox: Walls,
    tree: Path,
    tool: Tool,
    arguments: Json,
    timeout_s: float,
    interpreter: Interpreter,
) -> ToolResult:
    """Call a tool of the work tree, which it can read and not write, and return what came of it.

    What the tool raises, and its death, are results. Raises ToolArgumentsError and, where the
    sandbox itself did not work, SandboxFailedError.
    """
    require_act("call_tool")
    arguments = check_arguments(tool, arguments)
    root, nonce = tree.absolute(), secrets.token_hex(16)
    request = {
        "root": str(root),
        "path": tool.path,
        "module": tool.module,
        "function": tool.function,
        "arguments": arguments,
        "nonce": nonce,
        "longest": LONGEST_RESULT,
    }
    with tempfile.TemporaryDirectory(prefix="agora-call-") as folder:
        ran = sandbox.run(
            Path(folder),
            [str(interpreter.python), "-I", "-S", "-B", "-c", _runner()],
            timeout_s=timeout_s,
            readable=(*interpreter.readable(root), root),
            stdin=json.dumps(request).encode(),
        )
    return _understood(ran, nonce, timeout_s)


@cache
def _runner() -> str:
    return Path(__file__).with_name("tool_runner.py").read_text("utf-8")


def _understood(ran: Ran, nonce: str, timeout_s: float) -> ToolResult:
    if ran.is_timed_out:
        late = f"gave no result within {timeout_s:g} s"
        return ToolResult(error="TimeoutError", message=late, latency_s=ran.seconds)
    for line in reversed(ran.output.decode("utf-8", "replace").splitlines()):
        if line.startswith(nonce):
            try:
                return ToolResult.model_validate_json(line.removeprefix(nonce))
            except ValueError:
                break  # the tool has meddled with its own result
    died = f"ended without a result (exit status {ran.status})"
    return ToolResult(error="ToolDiedError", message=died, latency_s=ran.seconds)


def record(tool: Tool, arguments: Json, result: ToolResult, hidden: Sequence[str] = ()) -> ToolCall:
    """Return what is kept of a call: without secrets, of bounded size, storable as JSON.

    `hidden` are exact values that are secrets.
    """
    return ToolCall(
        name=tool.name,
        arguments={name: _kept(value, name, hidden) for name, value in arguments.items()},
        result=_kept(result.value, "", hidden),
        error=result.fault and _kept(result.fault, "", hidden),
        latency_s=result.latency_s,
    )


def _kept(value: Any, name: str, hidden: Sequence[str]) -> Any:
    # PostgreSQL stores neither NUL nor half of a surrogate pair.
    clean = redact({name: value}, hidden)[name]
    text = json.dumps(clean, ensure_ascii=False).encode("utf-8", "replace").decode()
    text = text.replace("\\u0000", "\\ufffd")
    return json.loads(text) if len(text) <= LONGEST_RECORD else f"{text[:LONGEST_RECORD]}…"
