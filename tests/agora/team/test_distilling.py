import json
from pathlib import Path

import pytest

from agora.domain.errors import RefusedError, UsageError
from agora.domain.policy import Policy
from agora.domain.settings import Settings
from agora.team import Team, assemble
from agora.team.governing import Governing
from benchmarks import evolution_export
from tests.conftest import ask


@pytest.fixture
async def recorded(team: Team, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Team:
    """A team with three hundred runs, in which sixty secrets were written."""
    monkeypatch.setattr(evolution_export, "RUNS", 300)
    monkeypatch.setattr(evolution_export, "SECRETS", 60)
    open_to_all = settings.distil.model_copy(update={"teachers": ("teacher:*",)})
    own = settings.model_copy(update={"distil": open_to_all})
    object.__setattr__(team.distilling, "settings", own)
    return team


def silently(said: str) -> None:
    pass


async def test_an_export_is_sound_and_holds_no_secret(recorded: Team, tmp_path: Path) -> None:
    found = await evolution_export.measure(recorded, tmp_path / "all", 3)
    assert found["secrets_leaked"] == 0 and found["secrets_planted"] == 60
    assert found["export_is_sound"], found["export_faults"]
    lines = (tmp_path / "all" / "train.jsonl").read_text("utf-8").splitlines()
    one = json.loads(lines[0])
    assert [turn["role"] for turn in one["messages"]] == ["system", "user", "assistant"]
    assert one["messages"][2]["reasoning_content"] not in one["messages"][2]["content"]
    assert one["provenance"]["task_id"].startswith("run-") and one["provenance"]["prompt"] == 1
    assert one["messages"][0]["content"].startswith("You are the generalist")
    card = (tmp_path / "all" / "README.md").read_text("utf-8")
    assert f"{len(lines)} conversations to train" in card and "teacher:70b" in card


async def test_the_next_export_parts_them_alike(recorded: Team, tmp_path: Path) -> None:
    await evolution_export.measure(recorded, tmp_path / "one", 3)
    await recorded.distilling.export(tmp_path / "two", "default", None, silently)
    names = ("train.jsonl", "validation.jsonl")
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


async def test_what_was_altered_or_repeated_is_found(recorded: Team, tmp_path: Path) -> None:
    await evolution_export.measure(recorded, tmp_path / "all", 3)
    path = tmp_path / "all" / "train.jsonl"
    lines = path.read_text("utf-8").splitlines()
    altered = json.loads(lines[1])
    altered["messages"][2]["content"] = "write to boss@example.org"
    held = (tmp_path / "all" / "validation.jsonl").read_text("utf-8").splitlines()[0]
    path.write_text("\n".join([lines[0], lines[0], json.dumps(altered), "{", held]) + "\n", "utf-8")
    found = await recorded.distilling.check(tmp_path / "all", "default")
    assert not found["is_sound"] and found["leaks"] == 1
    said = "\n".join(found["faults"])
    for fault in ("was altered", "personal data", "is not JSON", "asked twice", "validation asks"):
        assert fault in said


async def test_an_answer_may_hold_what_some_take_for_the_end_of_a_line(
    recorded: Team, tmp_path: Path
) -> None:
    await evolution_export.measure(recorded, tmp_path / "all", 3)
    await ask(recorded, "UPDATE works SET answer = E'one\\u2028two\\u0085three' RETURNING 1")
    await recorded.distilling.export(tmp_path / "all", "default", None, silently)
    assert "\u2028" in (tmp_path / "all" / "train.jsonl").read_text("utf-8")
    assert (await recorded.distilling.check(tmp_path / "all", "default"))["is_sound"]


async def test_only_teachers_are_learned_from(recorded: Team, tmp_path: Path) -> None:
    await evolution_export.measure(recorded, tmp_path / "all", 3)
    plain = assemble(recorded.settings)  # local models only, and there is none
    with pytest.raises(UsageError, match="nothing to learn from"):
        await plain.distilling.export(tmp_path / "none", "default", None, silently)
    assert not (tmp_path / "none").exists()
    told = await recorded.distilling.stats("default")
    assert {row["model"] for row in told} == {"teacher:70b", "teacher:8b"}
    assert all(row["may_teach"] and row["traces"] == row["tasks"] for row in told)
    await plain.database.close()


async def test_private_and_wrong_answers_stay_at_home(recorded: Team, tmp_path: Path) -> None:
    await evolution_export.measure(recorded, tmp_path / "all", 3)
    private = "UPDATE tasks SET body = jsonb_set(body, '{labels}', '[\"private\"]') WHERE id < %s"
    await ask(recorded, f"{private} RETURNING 1", "run-00100")
    await ask(recorded, "UPDATE works SET is_right = false WHERE task_id > 'run-00200' RETURNING 1")
    await recorded.distilling.export(tmp_path / "some", "default", None, silently)
    ids = [
        json.loads(line)["provenance"]["task_id"]
        for name in ("train.jsonl", "validation.jsonl")
        for line in (tmp_path / "some" / name).read_text("utf-8").splitlines()
    ]
    assert ids and all("run-00100" <= one <= "run-00200" for one in ids)


async def test_policies_decide_whether_anything_is_exported(recorded: Team, tmp_path: Path) -> None:
    (tmp_path / "own.cedar").write_text(
        '@id("all") permit (principal, action, resource);'
        '@id("home") @reason("Runs stay here.") '
        'forbid (principal, action == Action::"export_runs", resource);',
        "utf-8",
    )
    governing = Governing((tmp_path,), Policy.load(tmp_path))
    object.__setattr__(recorded.distilling.acting, "policy", governing)
    with pytest.raises(RefusedError, match="Runs stay here"):
        await recorded.distilling.export(tmp_path / "set", "default", None, silently)
    assert not (tmp_path / "set").exists()


async def test_a_model_that_no_server_offers_cannot_join(team: Team) -> None:
    with pytest.raises(UsageError, match="no server offers the model mine:1"):
        await team.distilling.join("mine:1", "qwen3:8b")
