"""The benchmark's own run, with few kills: what was accepted is done, and done once."""

from pathlib import Path

import psycopg
import pytest

from benchmarks.crash import Books, figures, is_kept, measure
from tests.conftest import commit, repository
from tests.improving import FILES, MENDED

KILLS = 10


@pytest.mark.timeout(1200)
@pytest.mark.needs("bubblewrap")
async def test_whichever_process_is_killed_nothing_accepted_is_lost_or_done_twice() -> None:
    found = await measure(seed=1, kills=KILLS, servers=1, workers=1, pause_s=2)
    assert is_kept(found) and found["kills"] == KILLS, found
    assert found["tasks"] and found["repairs"]


@pytest.fixture
def mended(url: str, tmp_path: Path) -> Path:
    """A workspace whose repair is committed, beside the server's table of runs."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE runs (status text)")
    root = repository(tmp_path / "w", FILES)
    (root / "prices.py").write_text(MENDED)
    commit(root, "mended")
    return root


async def test_a_repair_counts_whose_run_has_ended(url: str, mended: Path) -> None:
    books = Books(repairs={str(mended): "fixed; committed as 1234"})
    found = await figures(books, url, mended.parent)
    assert is_kept(found) and found["repairs"] == 1


async def test_a_run_that_stands_still_is_told_though_its_commit_is_there(
    url: str, mended: Path
) -> None:
    books = Books(repairs={str(mended): "error; git restore was killed; "})
    found = await figures(books, url, mended.parent)
    assert (found["repairs_lost"], found["repairs_stopped"]) == (0, 1) and not is_kept(found)


async def test_a_lock_that_is_left_makes_a_repair_lost(url: str, mended: Path) -> None:
    (mended / ".git" / "index.lock").touch()
    books = Books(repairs={str(mended): "fixed; committed as 1234"})
    found = await figures(books, url, mended.parent)
    assert found["repairs_lost"] == 1 and not is_kept(found)
