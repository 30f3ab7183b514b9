"""What docs/governance.md promises, taken from its very text."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agora.domain.figures import FORMULAS
from agora.team import Team
from memory.decisions import export
from tests.reading import ROOT

TEXT = (ROOT / "docs" / "governance.md").read_text("utf-8")


def snippet() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


async def exported(team: Team) -> list[dict[str, Any]]:
    for number in range(4):
        await team.acting.record("test", f"é {number}", "allow")
    await team.acting.rotate_key("anna", "as every year")
    await team.acting.record("test", "last", "allow")
    async with team.database.transaction() as connection:
        return [row async for row in export(connection)]


def verify(folder: Path, rows: list[dict[str, Any]], *keys: str) -> tuple[int, str]:
    (folder / "verify.py").write_text(snippet(), "utf-8")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "log.jsonl").write_text(lines, "utf-8")
    command = [sys.executable, "verify.py", "log.jsonl", *keys]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout or done.stderr).strip()


def test_it_fits_on_a_page() -> None:
    assert len(snippet().strip().splitlines()) <= 30


async def test_a_stranger_verifies_an_export(team: Team, tmp_path: Path) -> None:
    rows = await exported(team)
    first = json.loads(rows[0]["body"])["key"]
    said = verify(tmp_path, rows, first)
    assert said == (0, f"valid: 6 entries, the newest is {rows[-1]['hash']}")


@pytest.mark.parametrize("kind", ["edit", "delete", "swap", "key", "signature"])
async def test_a_stranger_is_told_the_first_bad_entry(
    team: Team, tmp_path: Path, kind: str
) -> None:
    rows = await exported(team)
    keys = [json.loads(rows[0]["body"])["key"]]
    if kind == "edit":
        rows[2] |= {"body": rows[2]["body"].replace("allow", "deny")}
    elif kind == "delete":
        del rows[2]
    elif kind == "swap":
        rows[2], rows[4] = rows[4] | {"seq": 3}, rows[2] | {"seq": 5}
    elif kind == "signature":
        rows[2] |= {"signature": rows[1]["signature"]}
    else:
        keys = ["0" * 64]
    code, said = verify(tmp_path, rows, *keys)
    assert code == 1 and said.startswith("entry 1:" if kind == "key" else "entry 3:"), said


def test_every_figure_is_explained() -> None:
    for name in FORMULAS:
        assert name.removesuffix("_s").replace("_", " ").replace("self h", "self-h") in TEXT, name
