from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agora.app.takeover import take_over, unfinished
from agora.domain.contracts import Case
from agora.domain.errors import DirtyWorkspaceError
from agora.team import Team
from tests.conftest import ask
from tests.improving import (
    APPROVE,
    MENDED,
    Workshop,
    change_in,
    from_approval,
    proposed,
    workshop,
)

LATER = "UPDATE claims SET expires_at = '2000-01-01' RETURNING 1"


async def waiting(team: Team, saver: Any, folder: Path) -> Workshop:
    """Return a workshop with a change that waits on thread `one`."""
    shop = workshop(team, saver, folder, app=from_approval())
    await shop.begin(state=await proposed(shop, change_in(shop)))
    return shop


async def test_what_waits_for_a_person_is_left_alone(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    await ask(team, LATER)
    assert await take_over({"improvement": shop.app}) == []
    assert shop.is_untouched and await ask(team, "SELECT FROM claims") == []


async def test_a_run_that_was_taken_over_to_its_end_leaves_no_claim(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    await team.changing.say("change", APPROVE)
    await ask(team, LATER)
    assert await take_over({"improvement": shop.app}, "one") == ["one"]
    assert await ask(team, "SELECT FROM claims") == []


async def test_of_what_was_left_only_what_is_unfinished_is_told_and_keeps_its_claim(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    await team.holding.announce("two", "approval", {"task": {"id": "two"}}, timedelta())
    await ask(team, LATER)
    graphs = {"improvement": shop.app}
    assert [one async for one in unfinished(graphs)] == ["two"]
    assert await ask(team, "SELECT thread_id FROM claims") == [{"thread_id": "two"}]
    await team.changing.say("change", APPROVE)
    dead = Case("case", "one", "approval", 0)
    assert await team.holding.claim(dead, "approval", "gone/1/2", "", timedelta())
    assert sorted([one async for one in unfinished(graphs)]) == ["one", "two"]


async def test_an_answer_that_was_given_before_the_run_died_is_carried_out(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    await team.changing.say("change", APPROVE)
    await ask(team, LATER)
    assert await take_over({"improvement": shop.app}) == ["one"]
    assert shop.read() == MENDED and len(shop.commits) == 2


async def test_a_failed_run_goes_on_only_when_a_person_asks(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    (shop.root / "prices.py").write_text("# mine\n")
    with pytest.raises(DirtyWorkspaceError):
        await shop.say(APPROVE)
    shop.root.joinpath("prices.py").write_text(MENDED.replace("*", "+"))
    graphs = {"improvement": shop.app}
    assert await take_over(graphs) == [] and shop.is_untouched
    assert await take_over(graphs, "one", is_asked_for=True) == ["one"]
    assert shop.read() == MENDED and len(shop.commits) == 2


async def test_a_run_that_was_announced_and_never_began_is_begun(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, app=from_approval())
    given = {"task": shop.order(id="case")} | await proposed(shop, change_in(shop))
    await team.holding.announce("one", "approval", given, timedelta(seconds=30))
    await ask(team, LATER)
    assert await take_over({"improvement": shop.app}) == ["one"]
    assert (await shop.asked())["action_requests"]


async def test_a_thread_whose_holder_died_between_two_stages_is_taken_after_its_lease(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    await team.changing.say("change", APPROVE)
    dead = Case("case", "one", "approval", 0)
    lease = timedelta(seconds=60)
    assert isinstance(await team.holding.claim(dead, "approval", "gone/1/2", "", lease), int)
    graphs = {"improvement": shop.app}
    assert await take_over(graphs, is_asked_for=True) == []
    soon = "UPDATE claims SET expires_at = clock_timestamp() + interval '1 s' RETURNING 1"
    await ask(team, soon)
    assert await take_over(graphs, "one", is_asked_for=True) == ["one"]
    assert shop.read() == MENDED
