from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.conftest import repository, sh
from tests.improving import BROKEN, FILES, MENDED


@pytest.mark.needs("bubblewrap")
def test_a_deployed_change_is_taken_back(agora: Agora, tmp_path: Path) -> None:
    root = repository(tmp_path / "workspace", FILES)
    fixed = agora("fix", root, "--test", "pytest -q", "--yes", "--json").json
    assert (root / "prices.py").read_text() == MENDED
    said = agora("rollback", fixed["approval_id"], "--json")
    assert said.code == 0 and said.json["status"] == "reverted"
    assert said.json["commit"] == sh(root, "git", "rev-parse", "HEAD")
    assert (root / "prices.py").read_text() == BROKEN
    again = agora("rollback", fixed["approval_id"], "--json")
    assert again.code == 2 and "is reverted" in again.error["message"]


def test_an_unknown_change_is_refused(agora: Agora) -> None:
    assert agora("rollback", "nosuch", "--json").code == 2
