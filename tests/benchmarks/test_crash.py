"""The benchmark's own run, with few kills: what was accepted is done, and done once."""

import pytest

from benchmarks.crash import is_kept, measure

KILLS = 10


@pytest.mark.timeout(600)
@pytest.mark.needs("bubblewrap")
async def test_whichever_process_is_killed_nothing_accepted_is_lost_or_done_twice() -> None:
    found = await measure(seed=1, kills=KILLS, servers=1, workers=1, pause_s=2)
    assert is_kept(found) and found["kills"] == KILLS, found
    assert found["tasks"] and found["repairs"]
