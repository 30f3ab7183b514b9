"""Tries generated inputs on functions of a workspace, inside the sandbox: one line out.

Sent as text to the workspace's own Python, so it imports nothing of ours but Hypothesis, whose
folder the request names for a Python that has none. MacIver et al., "Hypothesis: A new approach
to property-based testing", JOSS 2019.
"""

from __future__ import annotations

import copy
import importlib
import json
import linecache
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]

OUTSIDE = (OSError, ImportError, NotImplementedError, MemoryError, UnicodeError)
"""What says more of the sandbox, or of work that nobody has done yet, than of a fault."""


def main() -> None:
    """Answer the request, whatever the functions print."""
    request = json.loads(sys.stdin.buffer.read())
    answer = os.dup(1)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    try:
        told = _answer(request)
    except BaseException as error:
        told = {"trouble": f"{type(error).__name__}: {error}"[:500]}
    left = f"\n{request['nonce']}{json.dumps(told)}\n".encode()
    while left:
        left = left[os.write(answer, left) :]
    os._exit(0)


def _answer(request: Json) -> Json:
    root = request["root"]
    os.chdir(root)
    sys.path[:0] = [os.path.join(root, "src"), root]
    sys.path.extend(request["packages"])
    functions = [_find(one) for one in request["tools"]]
    return _compared(request, functions) if len(functions) == 2 else _probed(request, functions[0])


def _find(tool: Json) -> Callable[..., Any]:
    sys.path.append(os.path.dirname(os.path.abspath(tool["path"])))
    function = getattr(importlib.import_module(tool["module"]), tool["function"])
    if hasattr(function, "args_schema"):  # LangChain's wrapping
        function = function.func or function.coroutine
    found: Callable[..., Any] = function
    return found


def _probed(request: Json, function: Callable[..., Any]) -> Json:
    """Return the smallest input that makes the function crash, or None after so many."""
    root = os.path.realpath(request["root"]) + os.sep
    seen: Json = {"count": 0, "fault": None}

    def probe(arguments: Json) -> None:
        seen["count"] += 1
        kept = copy.deepcopy(arguments)
        try:
            _call(function, arguments)
        except Exception as error:
            fault = _fault(error, function, root, request["root"] + os.sep)
            if fault is not None:
                seen["fault"] = {"arguments": kept, **fault}
                raise

    try:
        _run(request, probe)
    except Exception:
        if seen["fault"] is None:
            raise
    return {"examples": seen["count"], "fault": seen["fault"]}


def _compared(request: Json, functions: list[Callable[..., Any]]) -> Json:
    """Return whether two functions give the same on so many inputs, taken by their place."""
    left, right = functions
    names = [list(tool["parameters"]["properties"]) for tool in request["tools"]]
    seen: Json = {"count": 0, "results": set(), "differs": False}

    def compare(arguments: Json) -> None:
        moved = {names[1][names[0].index(name)]: value for name, value in arguments.items()}
        one = _outcome(left, copy.deepcopy(arguments))
        other = _outcome(right, copy.deepcopy(moved))
        seen["count"] += 1
        seen["results"].add(one)
        if one != other:
            seen["differs"] = True
            raise AssertionError("they differ")

    try:
        _run(request, compare)
    except AssertionError:
        pass
    return {
        "examples": seen["count"],
        "equal": not seen["differs"],
        "results": sum(one.startswith("=") for one in seen["results"]),
    }


def _outcome(function: Callable[..., Any], arguments: Json) -> str:
    try:
        return f"={_call(function, arguments)!r}"
    except Exception as error:
        return f"!{type(error).__name__}"


def _run(request: Json, body: Callable[[Json], None]) -> None:
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
    from hypothesis import strategies as st

    parameters = request["tools"][0]["parameters"]
    required = {
        name: _strategy(st, parameters["properties"][name]) for name in parameters["required"]
    }
    optional = {
        name: _strategy(st, schema)
        for name, schema in parameters["properties"].items()
        if name not in required
    }
    wanted = settings(
        max_examples=request["examples"],
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run = wanted(given(st.fixed_dictionaries(required, optional=optional))(body))
    seed(request["seed"])(run)()


def _strategy(st: Any, schema: Json) -> Any:
    if "anyOf" in schema:
        return st.one_of(*(_strategy(st, one) for one in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "integer":
        return st.integers(-1000, 1000)
    if kind == "number":
        return st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False, allow_subnormal=False)
    if kind == "string":
        return st.text(max_size=12)
    if kind == "boolean":
        return st.booleans()
    if kind == "null":
        return st.none()
    if kind == "array":
        return st.lists(_strategy(st, schema.get("items", {})), max_size=6)
    if kind == "object":
        return st.dictionaries(
            st.text(max_size=6), _strategy(st, schema.get("additionalProperties", {})), max_size=4
        )
    return st.one_of(st.integers(-10, 10), st.text(max_size=6))


def _call(function: Callable[..., Any], arguments: Json) -> Any:
    value = function(**arguments)
    if hasattr(value, "__await__"):
        import asyncio

        async def wait() -> Any:
            return await value

        return asyncio.run(wait())
    return value


def _fault(error: Exception, function: Any, *roots: str) -> Json | None:
    """Return where a crash arose; None: the function says so on purpose, or documents it."""
    name = type(error).__name__
    if isinstance(error, OUTSIDE) or name in (function.__doc__ or ""):
        return None
    place, step = None, error.__traceback__
    while step:
        file = step.tb_frame.f_code.co_filename
        for root in roots:
            if file.startswith(root):
                place = (file, file[len(root) :], step.tb_lineno)
        step = step.tb_next
    if place is None:
        return None
    line = linecache.getline(place[0], place[2]).strip()
    if line.startswith(("raise", "assert")):
        return None
    return {"error": name, "message": str(error)[:500], "file": place[1], "line": place[2]}


if __name__ == "__main__":
    main()
