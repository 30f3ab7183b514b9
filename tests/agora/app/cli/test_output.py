import io
import sys

import pytest

from agora.app.cli import ask, output

HOSTILE = "fine\x1b[2J\x1b]0;owned\x07 text\n\tkept\r"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_words_of_a_model_cannot_command_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    output.show(HOSTILE)
    assert screen.getvalue() == "fine[2J]0;owned text\n\tkept\n"


def test_a_pipe_gets_every_byte(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(HOSTILE)
    assert capsys.readouterr().out == f"{HOSTILE}\n"


def test_an_answer_is_shown_while_it_is_written_and_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    said: list[str] = []
    hear = ask._Hearing(said.append, lambda: said.append("hushed"), live=True)
    for piece in ({"kind": "award", "expert": "engineer"}, {"kind": "token", "text": "4"}):
        hear(piece)
    assert screen.getvalue() == "4" and said == ["engineer is answering", "hushed"]
    hear({"kind": "token", "text": "2"})
    outcome = {"answer": "42", "error": None, "hint": "", "status": "failed"}
    ask._print(outcome, "thread", hear.written)
    assert screen.getvalue() == "42\n"


def test_what_a_loser_had_written_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    hear = ask._Hearing(lambda text: None, lambda: None, live=True)
    hear({"kind": "token", "text": "I am"})
    hear({"kind": "award", "expert": "risk"})
    ask._print({"answer": "42", "error": None, "hint": "", "status": "failed"}, "t", hear.written)
    assert screen.getvalue() == "I am\n42\n"
