from pathlib import Path
from typing import Any

import pytest

from agora.domain.contracts import Json
from agora.domain.errors import ClaimHeldError, DirtyWorkspaceError
from agora.domain.settings import Settings
from agora.team import Team
from graphs.improvement import graph
from tests.conftest import ask, commit, sh
from tests.improving import (
    APPROVE,
    BROKEN,
    DIFF,
    FAILING,
    FILES,
    MENDED,
    OTHER_DIFF,
    WRONG_DIFF,
    Workshop,
    change_in,
    from_approval,
    proposed,
    workshop,
)

MORE_BUGS = {
    "ages.py": "def is_adult(age: int) -> bool:\n    return age > 18\n",
    "test_ages.py": "from ages import is_adult\n\n\n"
    "def test_on_the_birthday():\n    assert is_adult(18)\n\n\n"
    "def test_the_day_before():\n    assert not is_adult(17)\n",
    "words.py": "def first(words: list[str]) -> str:\n    return words[1]\n",
    "test_words.py": "from words import first\n\n\n"
    "def test_three_words():\n    assert first(['one', 'two', 'three']) == 'one'\n\n\n"
    "def test_one_word():\n    assert first(['only']) == 'only'\n",
}
SANDBOXED = pytest.mark.needs("bubblewrap")


async def waiting(team: Team, saver: Any, folder: Path, diff: str = DIFF) -> Workshop:
    """Return a workshop in which a proved change waits for a person."""
    shop = workshop(team, saver, folder, app=from_approval())
    await shop.begin(state=await proposed(shop, change_in(shop, diff)))
    return shop


async def alarmed(team: Team, saver: Any, folder: Path) -> Workshop:
    """Return a workshop with a deployed change whose tool has failed ever since."""
    shop = await waiting(team, saver, folder)
    await shop.say(APPROVE)
    for price in range(12):
        await execute(shop, is_right=False, price=price)
    return Workshop(team, shop.root, graph.compile(checkpointer=saver))


async def execute(shop: Workshop, *, is_right: bool, **arguments: Any) -> None:
    """Record one execution of the workspace's only tool."""
    told: Json = {"workspace": str(shop.root), "path": "prices.py", "tool": "prices.total"}
    told |= {"arguments": arguments, "is_right": is_right, "error": None, "line": 3}
    await shop.team.watching.judge(told, "use")


async def opportunities(team: Team) -> list[tuple[str, str, str | None]]:
    rows = await ask(team, "SELECT kind, status, verdict FROM opportunities ORDER BY created_at")
    return [(row["kind"], row["status"], row["verdict"]) for row in rows]


@SANDBOXED
async def test_a_failing_test_becomes_a_commit_once_a_person_has_said_yes(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path)
    (shop.root / "draft.txt").write_text("untracked, and mine\n")
    await shop.begin()

    asked = await shop.asked()
    (action,), (review,) = asked["action_requests"], asked["review_configs"]
    assert set(asked) == {"action_requests", "review_configs"}
    assert review["action_name"] == action["name"]
    assert review["allowed_decisions"] == ["approve", "edit", "reject"]
    assert "+    return price * count" in action["args"]["diff"]
    assert f"{FAILING}: AssertionError" in action["description"]
    assert shop.passed == ["detecting", "investigating", "improving", "testing", "__interrupt__"]
    assert len(shop.commits) == 1 and shop.read() == BROKEN and shop.litter == "?? draft.txt"

    state = await shop.say(APPROVE)
    assert state["status"] == "fixed" and state["commit"] == shop.commits[0]
    assert shop.read() == MENDED and shop.litter == "?? draft.txt"
    assert sh(shop.root, "git", "diff", "--name-only", "HEAD^", "HEAD") == "prices.py"
    row = await team.changing.find(state["change_id"])
    trailers = sh(shop.root, "git", "log", "-1", "--format=%(trailers:unfold)").split()
    assert trailers[:4] == ["Agora-Change:", row["id"], "Agora-Digest:", row["digest"]]
    (said,) = await ask(team, "SELECT by, decision FROM approvals")
    assert trailers[4:] == [
        "Agora-Approved-By:",
        said["by"],
        "Agora-Decision:",
        str(said["decision"]),
    ]
    (entry,) = await ask(team, "SELECT body FROM decisions WHERE seq = %s", said["decision"])
    assert "approve_change" in entry["body"] and row["digest"] in entry["body"]
    backup = sh(shop.root, "git", "rev-parse", f"refs/agora/before/{row['id']}")
    assert backup == shop.commits[1] == row["base"]
    assert await opportunities(team) == [("failing_tests", "closed", "fixed")]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Bound a search by its candidates: how long they take is the machine's affair."""
    few = settings.repair.model_copy(update={"candidates": 150})
    return settings.model_copy(update={"repair": few})


@SANDBOXED
async def test_independent_bugs_are_fixed_one_after_the_other(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, FILES | MORE_BUGS)
    fixed = 0
    while not (state := await shop.begin(f"run-{fixed}", timeout_s=60))["status"]:
        assert (await shop.say(APPROVE, f"run-{fixed}"))["status"] == "fixed"
        fixed += 1
    assert state["status"] == "nothing_to_repair"
    assert "price * count" in shop.read()
    assert "age >= 18" in shop.read("ages.py") and "words[0]" in shop.read("words.py")
    # Three places are more than one patch mends; how many it does mend is the search's affair.
    assert fixed >= 2 and len(shop.commits) == fixed + 1 and not shop.litter


@SANDBOXED
async def test_what_passes_all_its_tests_is_left_alone(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path, FILES | {"prices.py": MENDED})
    assert (await shop.begin())["status"] == "nothing_to_repair"
    assert shop.is_untouched and await opportunities(team) == []


@SANDBOXED
async def test_a_test_that_no_patch_can_satisfy_ends_in_not_found(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    impossible = "\n\ndef test_both():\n    assert total(1, 1) == 1 and total(1, 1) == 2\n"
    files = FILES | {"test_prices.py": FILES["test_prices.py"] + impossible}
    shop = workshop(team, saver, tmp_path, files)
    state = await shop.begin(timeout_s=60)
    assert state["status"] == "not_found" and "candidates" in state["message"]
    assert shop.is_untouched and state["commit"] is None
    assert await opportunities(team) == [("failing_tests", "closed", "not_found")]


async def test_only_a_clear_yes_deploys(team: Team, saver: Any, tmp_path: Path) -> None:
    shop = await waiting(team, saver, tmp_path)
    unclear: list[Any] = [
        "approve",
        True,
        {},
        {"type": "approve"},
        {"decisions": []},
        {"decisions": ["approve"]},
        {"decisions": [{"type": "approved"}]},
        {"decisions": [{"type": "respond", "message": "yes"}]},
        {"decisions": [APPROVE, APPROVE]},
        {"decisions": APPROVE},
    ]
    for word in unclear:
        await shop.resume(word)
        assert (await shop.asked())["action_requests"], word
        assert shop.is_untouched, word
    assert await ask(team, "SELECT FROM approvals") == []
    assert (await shop.say(APPROVE))["status"] == "fixed"


async def test_a_rejected_change_is_never_committed(team: Team, saver: Any, tmp_path: Path) -> None:
    shop = await waiting(team, saver, tmp_path)
    state = await shop.say({"type": "reject", "message": "count comes first"})
    assert state["status"] == "rejected" and shop.is_untouched
    assert await opportunities(team) == [("failing_tests", "closed", "rejected")]
    (said,) = await ask(team, "SELECT type, reason FROM approvals")
    assert said == {"type": "reject", "reason": "count comes first"}
    await shop.say(APPROVE)
    assert shop.is_untouched


@SANDBOXED
async def test_an_edited_change_is_tested_and_waits_again(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    edited = {"name": "apply_change", "args": {"diff": OTHER_DIFF}}
    await shop.say({"type": "edit", "edited_action": edited})
    (action,) = (await shop.asked())["action_requests"]
    assert action["args"]["diff"] == OTHER_DIFF and shop.is_untouched
    row = await team.changing.find(action["args"]["id"])
    assert row["evidence"]["tests"]["failing_before"] == [FAILING]
    assert shop.passed[-2:] == ["testing", "__interrupt__"]

    assert (await shop.say(APPROVE))["status"] == "fixed"
    assert "count * price" in shop.read() and not shop.litter
    assert (await team.changing.find("change"))["status"] == "rejected"


@SANDBOXED
async def test_what_the_tests_say_of_a_patch_does_not_stand_for_the_one_that_is_written_instead(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path)
    await shop.begin()
    state = await shop.say({"type": "edit", "diff": WRONG_DIFF})
    assert state["status"] == "refused" and "tests:" in state["message"]
    assert shop.is_untouched


@pytest.mark.parametrize(
    "diff",
    [
        DIFF.replace("prices.py", "test_prices.py"),
        DIFF.replace("price * count", "__import__('os').system('id') or price * count"),
        "this is no diff\n",
        "",
    ],
    ids=["tests", "shell", "prose", "nothing"],
)
async def test_the_gate_refuses_what_a_person_writes_as_well(
    team: Team, saver: Any, tmp_path: Path, diff: str
) -> None:
    shop = await waiting(team, saver, tmp_path)
    state = await shop.say({"type": "edit", "diff": diff})
    assert state["status"] == "refused" and "the gate refuses" in state["message"]
    assert shop.is_untouched
    assert await opportunities(team) == [("failing_tests", "open", None)]


@SANDBOXED
async def test_an_approved_change_is_tested_again_where_the_base_has_moved(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    (shop.root / "notes.txt").write_text("a colleague's\n")
    moved = commit(shop.root, "meanwhile")
    shop.passed.clear()

    state = await shop.say(APPROVE)
    assert shop.passed == ["approval", "deploying", "testing", "deploying"]
    assert state["status"] == "fixed" and shop.commits[:2] == [state["commit"], moved]
    assert shop.read() == MENDED and shop.read("notes.txt") == "a colleague's\n"
    row = await team.changing.find("change")
    assert row["base"] == moved and row["evidence"]["tests"]["failing_after"] == []


async def test_an_approval_does_not_stand_where_the_diff_no_longer_fits(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await waiting(team, saver, tmp_path)
    (shop.root / "prices.py").write_text(MENDED.replace("price * count", "count * price"))
    moved = commit(shop.root, "mended by hand")
    state = await shop.say(APPROVE)
    assert state["status"] == "refused" and state["commit"] is None
    assert shop.commits[0] == moved and not shop.litter


async def test_a_dirty_tree_is_never_committed_over(team: Team, saver: Any, tmp_path: Path) -> None:
    shop = await waiting(team, saver, tmp_path)
    (shop.root / "prices.py").write_text("# in the middle of something\n" + BROKEN)
    with pytest.raises(DirtyWorkspaceError, match=r"prices\.py"):
        await shop.say(APPROVE)
    assert len(shop.commits) == 1 and shop.read().startswith("# in the middle")

    sh(shop.root, "git", "checkout", "-q", "prices.py")
    state = await shop.go("one", None)
    assert state["status"] == "fixed" and shop.read() == MENDED and len(shop.commits) == 2


async def test_an_alarm_takes_the_change_back_by_the_same_door(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = await alarmed(team, saver, tmp_path)
    bad, begin = shop.commits
    state = await shop.begin("watch")
    assert shop.passed == ["detecting", "monitoring"]
    assert state["status"] == "reverted" and shop.commits == [state["commit"], bad, begin]
    assert shop.read() == BROKEN and not shop.litter
    assert (await team.changing.find("change"))["status"] == "reverted"
    assert ("alarm", "closed", "reverted") in await opportunities(team)
    acts = await ask(team, "SELECT status FROM acts WHERE kind = 'commit'")
    assert [act["status"] for act in acts] == ["done", "done"]


@SANDBOXED
async def test_a_run_that_finds_another_one_at_work_says_so(
    team: Team, saver: Any, tmp_path: Path
) -> None:
    shop = workshop(team, saver, tmp_path)
    await proposed(shop, change_in(shop), "elsewhere")
    with pytest.raises(ClaimHeldError, match="another run"):
        await shop.begin()
    assert shop.is_untouched
