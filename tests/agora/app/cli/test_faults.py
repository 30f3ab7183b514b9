import json

import psycopg
import pytest
import typer

from agora.app.cli import output


def ended(error: Exception, as_json: bool = False) -> int:
    async def work() -> int:
        raise error

    with pytest.raises(typer.Exit) as ended:
        output.run(work(), as_json)
    return int(ended.value.exit_code)


def test_a_database_that_fails_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    full = psycopg.errors.DiskFull("could not extend file\nHINT:  Check free disk space.")
    assert ended(full) == 2
    said = capsys.readouterr().err
    assert (
        said == "agora: the database has failed: could not extend file\n  Check free disk space.\n"
    )
    assert ended(psycopg.OperationalError("the connection is closed"), as_json=True) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "database" and "agora resume" in error["hint"]


def test_a_full_disk_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(OSError(28, "No space left on device", "decisions.head")) == 2
    assert "decisions.head: No space left on device" in capsys.readouterr().err


def test_a_fault_of_our_own_is_not_hidden() -> None:
    async def work() -> int:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        output.run(work(), False)
