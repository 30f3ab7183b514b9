"""The command line: in this process, or started as another one where signals and pipes matter."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg.rows import dict_row

from agora.app.cli import main
from tests.reading import ROOT

RUN = "from agora.app.cli import main; main()"
SETTINGS = (
    "AGORA_",
    "OLLAMA_",
    "OPENAI_",
    "DATABASE_",
    "REDIS_",
    "CHROMA_",
    "LANGSMITH_",
    "LANGCHAIN_",
    "OTEL_",
)


@dataclass(frozen=True)
class Said:
    """What a command has printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Return the one object on the last line."""
        *_, last = self.out.splitlines()
        told = json.loads(last)
        assert isinstance(told, dict)
        return told

    @property
    def error(self) -> dict[str, str]:
        """Return the error of a command with --json: one sentence, and its remedy."""
        (line,) = self.out.splitlines()
        error: dict[str, str] = json.loads(line)["error"]
        assert set(error) == {"code", "message", "hint"}
        assert error["message"] and "\n" not in error["message"]
        assert "Traceback" not in self.err
        return error


Agora = Callable[..., Said]
Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def environment(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Stand in an empty folder, with a home and a database and nothing else configured."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("AGORA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


@pytest.fixture
def agora(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Agora]:
    """Run a command in this process."""

    def agora(*arguments: Any, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["agora", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        return Said(end.value.code, *capsys.readouterr())

    yield agora
    structlog.reset_defaults()  # its log went to the captured stderr of this test


Start = Callable[..., Any]


@pytest.fixture
def start(environment: dict[str, str]) -> Start:
    """Start a command as a process of its own, in a session of its own."""

    @contextmanager
    def start(*arguments: Any, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [sys.executable, "-c", RUN, *map(str, arguments)],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return start


def ended(process: "subprocess.Popen[str]", timeout_s: float = 150) -> Said:
    """Wait for a process and return what it has said."""
    out, err = process.communicate(timeout=timeout_s)
    return Said(process.returncode, out, err)


def told_until(process: "subprocess.Popen[str]", word: str) -> str:
    """Read what a process tells until it says a word."""
    assert process.stderr
    told = ""
    while word not in told:
        line = process.stderr.readline()
        assert line, f"ended: {told}"
        told += line
    return told


@pytest.fixture
def rows(url: str) -> Callable[[str], list[dict[str, Any]]]:
    """Look into the database."""

    def rows(query: str) -> list[dict[str, Any]]:
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    return rows
