"""Calls one function of a workspace, inside the sandbox: a request on stdin, one line out.

Sent as text to the workspace's own Python (3.9 or newer), so it imports nothing of ours. Started
with `-I -S`, in 15 ms: packages are opened by the first import that is not found without them.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import time

TYPE_CHECKING = False  # the import of typing would take longer than most tools
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any

    Json = dict[str, Any]


class Packages:
    """The last finder: opens site-packages once, then asks all finders again."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module that only the packages may have."""
        if cls not in sys.meta_path:
            return None
        sys.meta_path.remove(cls)
        import site

        site.main()
        found = (finder.find_spec(name, path, target) for finder in list(sys.meta_path))
        return next((spec for spec in found if spec is not None), None)


def main() -> None:
    """Answer the request, whatever the function prints, starts or leaves behind."""
    request = json.loads(sys.stdin.buffer.read())
    answer = os.dup(1)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    told = _call(request)
    left = f"\n{request['nonce']}{json.dumps(told)}\n".encode()
    while left:
        left = left[os.write(answer, left) :]
    os._exit(0)  # its threads and exit hooks are not waited for


def _call(request: Json) -> Json:
    root = request["root"]
    started = time.perf_counter()
    try:
        function = _find(root, request["path"], request["module"], request["function"])
        started = time.perf_counter()
        value = function(**request["arguments"])
        if hasattr(value, "__await__"):
            value = _await(value)
        seconds = time.perf_counter() - started
        return {"latency_s": seconds} | _tell(value, request["longest"])
    # Whatever the function raises is its result, SystemExit and KeyboardInterrupt too.
    except BaseException as error:
        return {"latency_s": time.perf_counter() - started} | _explain(error, root)


def _find(root: str, path: str, module: str, name: str) -> Any:
    os.chdir(root)
    folder = os.path.dirname(os.path.join(root, path))
    sys.path[:0] = [os.path.join(root, "src"), root] if path.startswith("src/") else [root]
    sys.path.append(folder)  # for a script that imports its neighbours
    sys.meta_path.append(Packages)
    function = getattr(importlib.import_module(module), name)
    if hasattr(function, "args_schema"):  # LangChain's wrapping
        return function.func or function.coroutine
    return function


def _await(value: Any) -> Any:
    import asyncio

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


def _tell(value: Any, longest: int) -> Json:
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    try:
        text, mark = (json.dumps(value), "") if _is_plain(value) else (repr(value), "repr")
    except RecursionError:
        text, mark = repr(value), "repr"
    if len(text) > longest:
        return {"value": text[:longest], "mark": "cut"}
    return {"value": text if mark else value, "mark": mark}


def _is_plain(value: Any) -> bool:
    if value is None or type(value) in (bool, str):
        return True
    if type(value) is int:
        return value.bit_length() < 10_000  # json reads no more than 4300 digits back
    if type(value) is float:
        return math.isfinite(value)
    if type(value) in (list, tuple):
        return all(_is_plain(item) for item in value)
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    return False


def _explain(error: BaseException, root: str) -> Json:
    try:
        message = str(error)[:2000]
    except BaseException:  # its text may be made by code, too
        message = ""
    place = _place(error, os.path.realpath(root) + os.sep, root + os.sep)
    return {"error": type(error).__name__, "message": message} | place


def _place(error: BaseException, *roots: str) -> Json:
    places, step = [], error.__traceback__
    while step:
        places.append((step.tb_frame.f_code.co_filename, step.tb_lineno))
        step = step.tb_next
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno or 1))
    for file, line in reversed(places):
        for root in roots:
            if file.startswith(root):
                return {"file": file[len(root) :], "line": line}
    return {}


if __name__ == "__main__":
    main()
