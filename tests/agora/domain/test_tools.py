import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agora.domain import doors
from agora.domain.contracts import Act
from agora.domain.discovery import discover
from agora.domain.errors import OutsideOfActError
from agora.domain.repair.interpreters import OWN
from agora.domain.repair.sandbox import Sandbox
from agora.domain.settings import SandboxSettings
from agora.domain.tools import (
    LONGEST_RECORD,
    Ran,
    ToolArgumentsError,
    ToolResult,
    call,
    check_arguments,
    record,
)

FILES = {
    "src/shop/till.py": '''
import asyncio
import os
import sys
from typing import Literal, Optional

from shop import stock


def divide(a: int, b: float) -> float:
    """Return a / b."""
    print("noise on stdout")
    os.write(2, b"noise on stderr")
    return a / b


def price(item: str, pieces: int = 1, kind: Literal["net", "gross"] = "net",
          note: Optional[str] = None, tags: list[str] = []) -> float:
    """Return the price."""
    return stock.find(item) * pieces


async def later(seconds: float) -> str:
    """Return when the time has come."""
    await asyncio.sleep(seconds)
    return "now"


def leave(how: str) -> int:
    """Leave in some way."""
    if how == "exit":
        raise SystemExit("gone")
    if how == "die":
        os._exit(7)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "hang":
        while True:
            pass
    if how == "flood":
        os.write(1, b"x" * 2_000_000)
    if how == "slip":
        for fd in range(3, 9):
            try:
                os.write(fd, b'\\n{"value": "slipped in"}\\n')
            except OSError:
                pass
        os._exit(0)
    if how == "forge":
        sys._getframe(2).f_locals["request"]["nonce"] = "forged"
    return 1


def odd(kind: str):
    """Return what JSON cannot carry."""
    circle = []
    circle.append(circle)
    return {"set": {1}, "nan": float("nan"), "keys": {1: 2}, "tuple": (1, [2]), "huge": 10**5000,
            "circle": circle, "long": "x" * 200_000, "self": sys.stdin.read()}[kind]


def packaged(text: str):
    """Return what a package of the interpreter makes of it."""
    import yaml
    return yaml.safe_load(text)


def write(path: str) -> str:
    """Write a file beside the working folder."""
    open(path, "w").close()
    return os.getcwd()
''',
    "src/shop/stock.py": '''
def find(item: str) -> float:
    """Return the price of one piece."""
    return {"tea": 2.5}[item]
''',
    "src/shop/__init__.py": "",
    "script/a.py": '''
from b import VALUE


def value(times: int) -> int:
    """Return a neighbour's value."""
    return VALUE * times
''',
    "script/b.py": "VALUE = 21\n",
    "late.py": '''
import missing_package


def f(a: int) -> int:
    """Never get there."""
''',
}
TOOLS = {tool.name: tool for tool in discover(FILES)}
TILL = "shop.till"


@dataclass(frozen=True)
class Finished:
    status: int
    output: bytes
    is_timed_out: bool
    seconds: float


class NoWalls:
    """Runs the true command, without any protection."""

    def run(
        self,
        folder: Path,
        command: Sequence[str],
        *,
        timeout_s: float,
        readable: Sequence[Path] = (),
        stdin: bytes = b"",
    ) -> Ran:
        try:
            done = subprocess.run(
                command, cwd=folder, input=stdin, capture_output=True, timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            return Finished(-9, b"", True, timeout_s)
        output = (done.stdout + done.stderr)[:1_000_000]
        return Finished(done.returncode, output, False, 0.0)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with doors.opened(Act(kind="call_tool", subject="x")):
        yield tmp_path


def result(tree: Path, name: str, timeout_s: float = 20, **arguments: Any) -> ToolResult:
    return call(NoWalls(), tree, TOOLS[name], arguments, timeout_s, OWN)


def test_a_tool_is_called_whatever_it_prints(tree: Path) -> None:
    told = result(tree, f"{TILL}.divide", a=3, b=2)
    assert (told.value, told.error, told.mark) == (1.5, None, "")
    assert 0 < told.latency_s < 10


def test_a_tool_may_be_asynchronous_import_neighbours_and_packages(tree: Path) -> None:
    assert result(tree, f"{TILL}.later", seconds=0.01).value == "now"
    assert result(tree, f"{TILL}.price", item="tea", pieces=2).value == 5.0
    assert result(tree, "script.a.value", times=2).value == 42
    assert result(tree, f"{TILL}.packaged", text="[1, {a: b}]").value == [1, {"a": "b"}]


def test_an_exception_is_a_result_with_its_innermost_line_in_the_workspace(tree: Path) -> None:
    told = result(tree, f"{TILL}.price", item="coffee")
    assert (told.error, told.message) == ("KeyError", "'coffee'")
    assert (told.file, told.line) == ("src/shop/stock.py", 4)
    assert told.fault == "KeyError: 'coffee' (src/shop/stock.py:4)"
    assert (result(tree, "late.f", a=1).file, result(tree, "late.f", a=1).line) == ("late.py", 2)


@pytest.mark.parametrize(
    ("how", "error"),
    [("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt"), ("die", "ToolDiedError")],
)
def test_a_tool_that_leaves_takes_nobody_along(tree: Path, how: str, error: str) -> None:
    assert result(tree, f"{TILL}.leave", how=how).error == error


def test_a_tool_that_hangs_is_stopped(tree: Path) -> None:
    told = result(tree, f"{TILL}.leave", timeout_s=1, how="hang")
    assert told.fault == "TimeoutError: gave no result within 1 s"


def test_a_flood_of_output_does_not_wash_the_result_away(tree: Path) -> None:
    assert result(tree, f"{TILL}.leave", how="flood").value == 1


@pytest.mark.parametrize("how", ["forge", "slip"])
def test_a_forged_result_is_none(tree: Path, how: str) -> None:
    assert result(tree, f"{TILL}.leave", how=how).error == "ToolDiedError"


@pytest.mark.parametrize(
    ("kind", "value", "mark"),
    [
        ("set", "{1}", "repr"),
        ("nan", "nan", "repr"),
        ("keys", "{1: 2}", "repr"),
        ("circle", "[[...]]", "repr"),
        ("tuple", [1, [2]], ""),
        ("self", "", ""),
    ],
)
def test_what_json_cannot_carry_comes_as_marked_text(
    tree: Path, kind: str, value: Any, mark: str
) -> None:
    told = result(tree, f"{TILL}.odd", kind=kind)
    assert (told.value, told.mark) == (value, mark)


def test_a_long_result_is_cut_and_a_huge_number_is_text(tree: Path) -> None:
    long, huge = (result(tree, f"{TILL}.odd", kind=kind) for kind in ("long", "huge"))
    assert (len(long.value), long.mark) == (100_000, "cut")
    assert (huge.value, huge.mark) == ("1" + "0" * 5000, "repr")


def test_a_tool_is_not_called_outside_of_an_act(tmp_path: Path) -> None:
    with pytest.raises(OutsideOfActError):
        result(tmp_path, f"{TILL}.divide", a=1, b=2)


def test_the_true_sandbox_holds_a_tool(tree: Path) -> None:
    limits = SandboxSettings(memory_mb=512, processes=64, file_mb=8, test_timeout_s=10)
    trusted = Sandbox(limits, is_trusted=True)
    told = call(trusted, tree, TOOLS[f"{TILL}.divide"], {"a": 1, "b": 2}, 20, OWN)
    assert told.value == 0.5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"a": "2", "b": 1}, 'a is "2", allowed: an integer'),
        ({"a": True, "b": 1}, "a is true, allowed: an integer"),
        ({"a": 1.0, "b": 1}, "a is 1.0, allowed: an integer"),
        ({"a": 1}, "b is missing, allowed: a number"),
        ({"a": 1, "b": 2, "c": 3}, "c is unknown, allowed: a, b"),
        ({"a": "x" * 500, "b": 2}, "x…, allowed"),
    ],
)
def test_wrong_arguments_are_named_and_the_tool_is_not_called(
    tree: Path, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ToolArgumentsError) as caught:
        result(tree, f"{TILL}.divide", **arguments)
    assert says in str(caught.value)


def test_nothing_is_converted() -> None:
    tool = TOOLS[f"{TILL}.price"]
    fine = {"item": "tea", "kind": "gross", "note": None, "tags": ["a"]}
    assert check_arguments(tool, fine) == fine
    for wrong in (
        {"kind": "other"},
        {"note": 1},
        {"tags": ["a", 1]},
        {"tags": "a"},
        {"pieces": None},
    ):
        with pytest.raises(ToolArgumentsError):
            check_arguments(tool, {"item": "tea"} | wrong)


def test_what_is_kept_of_a_call_holds_no_secret_and_is_small() -> None:
    tool = TOOLS[f"{TILL}.price"]
    told = ToolResult(value={"a": "the canary", "b": "\x00\ud800"}, latency_s=0.1)
    kept = record(tool, {"item": "x" * 9000, "note": "Bearer abc12345678"}, told, ["canary"])
    assert kept.result == {"a": "the [redacted]", "b": "\ufffd?"}
    assert kept.arguments["note"] == "Bearer [redacted]"
    assert len(kept.arguments["item"]) == LONGEST_RECORD + 1
    failed = ToolResult(error="ValueError", message="token=abcdef123", file="a.py", line=3)
    assert record(tool, {}, failed).error == "ValueError: token=[redacted] (a.py:3)"


def test_the_runner_starts_without_packages() -> None:
    runner = Path(sys.modules["agora.domain.tools"].__file__ or "").with_name("tool_runner.py")
    code = f"exec(compile({runner.read_text()!r}, 'runner', 'exec'), {{'__name__': 'x'}})"
    heavy = "print([m for m in ('site', 'typing', 'asyncio', 'inspect') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys\n{code}\n{heavy}"], capture_output=True
    )
    assert done.stdout.decode().strip() == "[]"
