import csv
import gzip
import io
import json
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.prepare import main
from benchmarks.sources import answers, mmlu_pro, octopack, outcomes, questions
from benchmarks.sources.checkout import Origin, Part, SourceError, is_in, open_origin

Row = dict[str, Any]
Publish = Callable[[dict[str, str | bytes]], Path]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Commit files to a repository, on top of what was committed before."""
    root = tmp_path / "upstream"
    me = ("-c", "user.name=someone", "-c", "user.email=someone@localhost")

    def commit(files: dict[str, str | bytes]) -> Path:
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        for arguments in (("init", "-q"), ("add", "-A"), (*me, "commit", "-qm", "Publish")):
            subprocess.run(["git", *arguments], cwd=root, check=True)
        return root

    return commit


def head(root: Path) -> str:
    said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True)
    return said.stdout.decode().strip()


def numbers(part: Part, key: str, dev_percent: int) -> list[int]:
    """Return ten numbers whose rows belong to a part."""
    return [n for n in range(99) if is_in(part, key.format(n), dev_percent)][:10]


def read_csv(path: Path) -> list[Row]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))


# Where it is read from


def test_the_known_commit_is_read_even_if_the_repository_went_on(publish: Publish) -> None:
    known = head(publish({"rows.txt": "as known"}))
    root = publish({"rows.txt": "revised"})
    checkout = open_origin(Origin("someone/rows", known, "rows.txt"), [root])
    assert checkout.read("rows.txt") == b"as known"


def test_a_bare_git_directory_is_a_source_too(publish: Publish) -> None:
    root = publish({"rows.txt": "as known"})
    checkout = open_origin(Origin("someone/rows", head(root), "rows.txt"), [root / ".git"])
    assert checkout.read("rows.txt") == b"as known"


def test_another_commit_is_warned_of_and_read(
    publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    root = publish({"rows.txt": "revised"})
    checkout = open_origin(Origin("someone/rows", "0" * 40, "rows.txt"), [root])
    assert checkout.read("rows.txt") == b"revised"
    assert "has no commit 000000000000" in capsys.readouterr().err


def test_the_right_repository_is_found_among_several(publish: Publish, tmp_path: Path) -> None:
    root = publish({"rows.txt": "as known"})
    (tmp_path / "elsewhere").mkdir()
    origin = Origin("someone/rows", head(root), "rows.txt")
    assert open_origin(origin, [tmp_path / "elsewhere", root]).folder == root


@pytest.mark.parametrize("benchmark", ["repair", "routing", "consensus", "cache"])
def test_a_folder_that_is_not_there_ends_in_one_sentence(
    benchmark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [benchmark, "--source", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
    assert main(asked) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'nowhere'}: no such checkout\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("benchmark", ["repair", "routing", "consensus", "cache"])
def test_another_repository_ends_in_an_error(
    benchmark: str, publish: Publish, tmp_path: Path
) -> None:
    root = publish({"README.md": "something else"})
    assert main([benchmark, "--source", str(root), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_named(publish: Publish) -> None:
    root = publish({"eval_results/README.md": "no records"})
    with pytest.raises(SourceError, match="eval_results/model_outputs_gemini"):
        list(mmlu_pro.read_records(open_origin(mmlu_pro.ORIGIN, [root]), "gemini-1.5-pro-002"))


def test_every_row_is_in_one_part() -> None:
    dev, held_out = (numbers(part, "row:{}", 60) for part in ("dev", "held-out"))
    assert dev and held_out and not set(dev) & set(held_out)
    assert numbers("all", "row:{}", 60) == list(range(10))


# repair


def item(number: int, **more: str) -> Row:
    return {
        "task_id": f"Python/{number}",
        "entry_point": "double",
        "bug_type": "value misuse",
        "failure_symptoms": "incorrect output",
        "docstring": "Return twice as much.",
        "declaration": "def double(x):\n",
        "canonical_solution": "    return 2 * x\n",
        "buggy_solution": "    return 3 * x\n",
        "test": "def check(f):\n    assert double(1) == 2\n    assert double(2) == 4\n",
        "example_test": "def check(f):\n    assert double(1) == 2\ncheck(double)\n",
    } | more


def programs(publish: Publish, *items: Row, part: Part = "all") -> list[Row]:
    root = publish({octopack.ITEMS: "".join(json.dumps(one) + "\n" for one in items)})
    return octopack.derive([root], part, lambda row: True)[f"{part}.jsonl"]


def test_a_program_has_its_bug_and_one_test_for_each_assert(publish: Publish) -> None:
    [row] = programs(publish, item(1))
    assert row["buggy_source"] == "def double(x):\n    return 3 * x\n"
    assert row["reference_source"] == "def double(x):\n    return 2 * x\n"
    assert row["hidden_tests"].count("def test_hidden_") == 2
    assert row["visible_tests"] == (
        "import random\nfrom solution import double\n\nrandom.seed(20240)\n"
        "\n\ndef test_visible_01():\n    assert double(1) == 2\n"
    )


def test_statements_that_build_on_each_other_stay_in_one_test(publish: Publish) -> None:
    test = (
        "def check(f):\n    print('go')\n    assert True\n"
        "    for n in range(3):\n        assert double(n) == 2 * n\n"
    )
    [row] = programs(publish, item(1, test=test))
    assert row["hidden_tests"].endswith(
        "def test_hidden():\n    for n in range(3):\n        assert double(n) == 2 * n\n"
    )


def test_a_test_imports_the_other_functions_that_it_calls(publish: Publish) -> None:
    declaration = "def half(x):\n    return x / 2\n\n\ndef double(x):\n"
    test = "def check(f):\n    assert half(double(1)) == 1\n"
    [row] = programs(publish, item(1, declaration=declaration, test=test))
    assert "from solution import double, half\n" in row["hidden_tests"]
    assert "from solution import double\n" in row["visible_tests"]


def test_an_example_test_is_cut_to_its_asserts(publish: Publish) -> None:
    stray = "def other():\n    assert 0\ndef check(f):\n    y = 2\n    assert double(1) == 2\n"
    broken = "    return 2 * x\n  stray\nassert double(1) == 2\n"
    rows = programs(publish, item(1, example_test=stray), item(2, example_test=broken))
    for row in rows:
        assert row["visible_from"] == "example_test"
        assert row["visible_tests"].count("assert") == 1
        assert row["visible_tests"].endswith("01():\n    assert double(1) == 2\n")


def test_without_an_example_test_the_docstring_has_the_visible_ones(publish: Publish) -> None:
    docstring = "Return twice as much.\n>>> double(4)\n8\n>>> double(5)\nis ten, as one knows\n"
    [row] = programs(publish, item(1, example_test="", docstring=docstring))
    assert row["visible_from"] == "docstring"
    assert "assert double(4) == 8" in row["visible_tests"]
    assert "ten" not in row["visible_tests"]


def test_without_any_example_only_the_import_is_tested(publish: Publish) -> None:
    [row] = programs(publish, item(1, example_test=""))
    assert row["visible_from"] == "none"
    assert "assert callable(solution.double)" in row["visible_tests"]


def test_a_forgotten_import_of_the_standard_library_is_added(publish: Publish) -> None:
    declaration, solution = "def double(x: List):\n", "    return math.fsum(x) * 2\n"
    [row] = programs(publish, item(1, declaration=declaration, buggy_solution=solution))
    assert row["buggy_source"].startswith("import math\nfrom typing import List\n\n\ndef double")
    assert row["reference_source"].startswith("from typing import List\n\n\ndef double")


def test_a_part_has_its_own_programs_alone(publish: Publish) -> None:
    mine = numbers("held-out", "agora-repair:Python/{}", octopack.DEV_PERCENT)
    rows = programs(publish, *(item(n) for n in range(max(mine) + 1)), part="held-out")
    assert [row["task_id"] for row in rows] == [f"Python/{n}" for n in mine]


@pytest.mark.needs("bubblewrap")
def test_visible_tests_are_run_to_see_whether_they_show_the_bug(
    publish: Publish, tmp_path: Path
) -> None:
    shown, hidden = numbers("dev", "agora-repair:Python/{}", octopack.DEV_PERCENT)[:2]
    quiet = "def check(f):\n    assert double(0) == 0\n"
    items = item(shown), item(hidden, example_test=quiet)
    root = publish({octopack.ITEMS: "".join(json.dumps(one) + "\n" for one in items)})
    assert main(["repair", "--source", str(root), "--out", str(tmp_path / "out")]) == 0
    rows = list(map(json.loads, (tmp_path / "out" / "dev.jsonl").read_text().splitlines()))
    assert [row["visible_detects"] for row in rows] == [True, False]


# consensus and routing


def record(number: int, pred: str | None = "A", answer: str = "A", **more: Any) -> Row:
    return {
        "question_id": number,
        "category": "law",
        "question": f"Which one is number {number}?",
        "options": ["this", "that"],
        "answer": answer,
        "pred": pred,
        "model_outputs": "x" * 40,
    } | more


def packed(records: list[Any]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as files:
        files.writestr("records.json", json.dumps(records))
    return file.getvalue()


def records_of(models: set[str], records: list[Any]) -> dict[str, str | bytes]:
    return {f"eval_results/model_outputs_{name}_5shots.zip": packed(records) for name in models}


@pytest.fixture
def evaluated(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Publish records, the same for all models but those that are given."""

    def commit(records: list[Any], **others: list[Any]) -> Path:
        old = {f"old/{name}/law_result.json": json.dumps(records) for name in mmlu_pro.EARLIER}
        root = publish({**old, "old/gpt-4o-2024-05-13/law_summary.json": '{"total": 1}'})
        known = {name: (head(root), f"old/{name}") for name in mmlu_pro.EARLIER}
        monkeypatch.setattr(mmlu_pro, "EARLIER", known)
        subprocess.run(["git", "rm", "-rq", "old"], cwd=root, check=True)
        own = {name.replace("_", "-"): said for name, said in others.items()}
        files = records_of(set(answers.FAMILY_OF) - set(known) - set(own), records)
        for name, said in own.items():
            files |= records_of({name}, said)
        return publish(files)

    return commit


def test_a_letter_that_names_no_option_is_no_answer(evaluated: Callable[..., Path]) -> None:
    root = evaluated([record(1)], gemma_7b=[record(1, pred="C")], Yi_34B=[record(1, pred=None)])
    [row] = answers.derive([root], "all")["all.csv.gz"]
    assert (row["gemma-7b"], row["Yi-34B"], row["Yi-6B"]) == ("", "", "A")


def test_a_question_that_a_model_was_not_asked_has_an_empty_cell(
    evaluated: Callable[..., Path],
) -> None:
    root = evaluated([record(1), record(2)], gemma_7b=["chemistry", record(2)])
    rows = answers.derive([root], "all")["all.csv.gz"]
    assert [row["gemma-7b"] for row in rows] == ["", "A"]


def test_the_key_is_the_one_that_most_records_have(evaluated: Callable[..., Path]) -> None:
    root = evaluated([record(1, answer="B")], gemma_7b=[record(1, answer="A")])
    assert answers.derive([root], "all")["all.csv.gz"][0]["answer"] == "B"


def test_models_that_only_an_earlier_commit_has_are_read_there(
    evaluated: Callable[..., Path],
) -> None:
    files = answers.derive([evaluated([record(1)])], "all")
    assert files["all.csv.gz"][0]["gpt-4o-2024-05-13"] == "A"
    origins = {row["model"]: row["origin"] for row in files["models.csv"]}
    assert (origins["gpt-4o-2024-05-13"], origins["gemma-7b"]) == ("history", "zip")


def test_models_and_teams_are_measured_on_the_development_part(
    evaluated: Callable[..., Path],
) -> None:
    key = "agora-consensus:{}"
    dev, held_out = (numbers(part, key, answers.DEV_PERCENT)[0] for part in ("dev", "held-out"))
    root = evaluated([record(dev, pred="A"), record(held_out, pred="B")])
    files = answers.derive([root], "held-out")
    assert [row["question_id"] for row in files["held-out.csv.gz"]] == [held_out]
    assert {row["accuracy"] for row in files["models.csv"]} == {"1.0000"}
    assert files["teams.json"]["A"]["members"][0]["dev_accuracy"] == 1.0


def test_a_models_size_is_in_its_name() -> None:
    sizes = {"Mixtral-8x7B-v0.1": 56, "Meta-Llama-3_1-70B": 70, "Phi-3-mini-4k-instruct": ""}
    standing = dict.fromkeys(answers.STANDINGS, 0.0)
    for model, size in sizes.items():
        assert answers._described(model, standing)["size_b"] == size


def market(root: Path, part: Part = "all") -> list[Row]:
    return outcomes.derive([root], part)[f"{part}.csv.gz"]


def test_a_question_has_the_outcome_and_the_tokens_of_every_model(
    evaluated: Callable[..., Path],
) -> None:
    own = [record(1, pred="B", model_outputs="y" * 20 + "\nQuestion: and" + "y" * 99)]
    [row] = market(evaluated([record(1)], mathstral_7B=own))
    assert row["prompt"] == "Which one is number 1?\nA. this\nB. that"
    assert row["in_tokens"] == 10
    assert (row["ok_local-4b"], row["tok_local-4b"]) == (1, 10)
    assert (row["ok_local-math-7b"], row["tok_local-math-7b"]) == (0, 5)
    assert (row["ok_pair-weak"], row["tok_pair-weak"]) == ("", "")


def test_only_questions_that_every_model_of_the_market_was_asked_are_traded(
    evaluated: Callable[..., Path],
) -> None:
    every = [record(number) for number in range(20)]
    whole = {row["prompt"] for row in market(evaluated(every))}
    without = {row["prompt"] for row in market(evaluated(every, mathstral_7B=every[10:]))}
    assert without == {prompt for prompt in whole if re.search(r"number 1\d", prompt)} < whole


def test_a_repeated_question_is_traded_once(evaluated: Callable[..., Path]) -> None:
    again = record(2, question="which one IS number (1)", category="history")
    [row] = market(evaluated([record(1), again]))
    assert row["domain"] == "law"


def graded(prompt: str, weak: bool, strong: bool, *more: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([prompt, weak, strong, *more])
    return text.getvalue()


def routellm(publish: Publish, mmlu: str, gsm8k: str, contaminated: str = "") -> Path:
    weak, strong = (model["outcomes_of"] for model in outcomes.MODELS[-2:])
    columns = f"prompt,{weak},{strong}"
    folder, bad = "routellm/evals", json.dumps({"eval_prompt": contaminated})
    return publish(
        {
            f"{folder}/mmlu/responses/mmlu_virology.csv": f"{columns}\n{mmlu}",
            f"{folder}/mmlu/contaminated_prompts.jsonl": bad,
            f"{folder}/gsm8k/gsm8k_responses.csv": (
                f"{columns},{weak}_response,{strong}_response\n{gsm8k}"
            ),
            f"{folder}/gsm8k/contaminated_prompts.jsonl": bad,
        }
    )


def test_the_pair_has_graded_answers_of_two_suites(publish: Publish) -> None:
    letters = graded("Which?\nA. this\nB. that\nAnswer:", True, False)
    sums = graded("How many?", False, True, "x" * 8, "x" * 12)
    by_suite = {row["suite"]: row for row in market(routellm(publish, letters, sums))}
    assert by_suite["mmlu"]["domain"] == "virology"
    pair = ("ok_pair-weak", "ok_pair-strong", "tok_pair-weak", "tok_pair-strong")
    assert [by_suite["mmlu"][name] for name in pair] == [1, 0, 4, 4]
    assert [by_suite["gsm8k"][name] for name in pair] == [0, 1, 2, 3]


def test_contaminated_questions_are_left_out(publish: Publish) -> None:
    sums = graded("How many?", True, True, "", "") + graded("How much?", True, True, "", "")
    [row] = market(routellm(publish, "", sums, contaminated="How many?"))
    assert row["prompt"] == "How much?"


def test_a_question_with_other_options_is_the_same_question(publish: Publish) -> None:
    prompts = [f"Number {n}?\nA. {option}" for n in range(20) for option in ("this", "that")]
    letters = "".join(graded(prompt, True, True) for prompt in prompts)
    traded = [row["prompt"] for row in market(routellm(publish, letters, ""))]
    assert traded and all(prompt.endswith("A. this") for prompt in traded)


def test_a_long_prompt_is_cut_but_its_tokens_are_counted(publish: Publish) -> None:
    [row] = market(routellm(publish, "", graded("Why? " * 200, True, True, "", "")))
    assert (len(row["prompt"]), row["in_tokens"]) == (outcomes.PROMPT_CHARACTERS, 250)


def test_the_development_part_is_thinned(publish: Publish) -> None:
    letters = "".join(graded(f"Number {n}?\nA. this", True, True) for n in range(500))
    root = routellm(publish, letters, "")
    dev, held_out = len(market(root, "dev")), len(market(root, "held-out"))
    assert 40 <= dev <= 80 and 160 <= held_out <= 240


def test_a_source_that_is_not_given_is_warned_of(
    publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    assert market(routellm(publish, "", graded("How many?", True, True, "", "")))
    assert "no checkout of TIGER-AI-Lab/MMLU-Pro" in capsys.readouterr().err


# cache


def test_pairs_of_both_sources_are_written_alike(publish: Publish, tmp_path: Path) -> None:
    pair = {"id": "number_date-1", "category": "number_date", "a": "In £5?", "b": "In £6?"}
    root = publish(
        {
            questions.FOW.landmark: json.dumps(pair | {"same_answer": False}),
            questions.PAWS.landmark: "id\tsentence1\tsentence2\tlabel\n7\tA to B\tB to A\t0\n"
            '8\tA "to" B\tTo B, A\t1\n9\tA\tA\t1\n',
        }
    )
    assert main(["cache", "--source", str(root), "--out", str(tmp_path)]) == 0
    rows = {row["pair_id"]: row for row in read_csv(tmp_path / "dev.csv.gz")}
    assert set(rows) == {"fow:number_date-1", "paws:dev:7", "paws:dev:8"}
    assert rows["fow:number_date-1"]["kind"] == "number"
    assert rows["fow:number_date-1"]["question_a"] == "In £5?"
    assert (rows["paws:dev:7"]["kind"], rows["paws:dev:7"]["same_answer"]) == ("swap", "0")
    assert (rows["paws:dev:8"]["kind"], rows["paws:dev:8"]["question_a"]) == (
        "paraphrase",
        'A "to" B',
    )


def test_the_same_source_gives_the_same_bytes(publish: Publish, tmp_path: Path) -> None:
    lines = "".join(f"{n}\tA{n} to B\tB to A{n}\t{n % 2}\n" for n in range(3000))
    root = publish({questions.PAWS.landmark: lines})
    for name in ("once", "again"):
        assert main(["cache", "--source", str(root), "--out", str(tmp_path / name)]) == 0
    once, again = (tmp_path / name / "dev.csv.gz" for name in ("once", "again"))
    assert once.read_bytes() == again.read_bytes()
    assert once.read_bytes()[4:8] == bytes(4), "the time of writing"
    assert len(read_csv(once)) == questions.PAWS_ROWS


def test_the_held_out_part_of_the_cache_is_not_to_be_had(publish: Publish, tmp_path: Path) -> None:
    root = publish({questions.PAWS.landmark: "7\tA to B\tB to A\t0\n"})
    asked = ["cache", "--source", str(root), "--out", str(tmp_path / "out"), "--part", "held-out"]
    assert main(asked) == 2
