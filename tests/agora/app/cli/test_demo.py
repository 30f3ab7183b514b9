import os
from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora, Start, ended
from tests.conftest import sh

FIELDS = {
    "success_before",
    "success_after",
    "executions",
    "patch_commit",
    "bad_commit",
    "reverted_by",
    "decisions_verified",
    "seconds",
}


@pytest.mark.needs("bubblewrap")
def test_the_demo_repairs_watches_and_takes_back_twice_in_one_home(
    agora: Agora, start: Start
) -> None:
    with start("demo", "--json", "--yes") as process:
        first = ended(process, 300)
    told = first.json
    assert first.code == 0 and set(told) == FIELDS and len(first.out.splitlines()) == 1
    assert told["success_before"] == 0.6 and told["success_after"] >= 0.95
    assert told["executions"] == 50 and told["decisions_verified"] and 0 < told["seconds"] < 300
    demo = Path(os.environ["AGORA_HOME"], "demo")
    commits = sh(demo / "run-1", "git", "rev-list", "HEAD").split()
    wanted = [told["reverted_by"], told["bad_commit"], told["patch_commit"]]
    assert [commits[0], commits[1], commits[3]] == wanted and len(commits) == 5

    again = agora("demo", "--json", "--yes")
    assert again.code == 0 and again.json["success_before"] == 0.6 and "Earlier runs" in again.err
    assert sorted(path.name for path in demo.iterdir()) == ["run-1", "run-2"]
    assert agora("log", "verify", "--json").json["valid"]
