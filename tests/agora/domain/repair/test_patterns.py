from pathlib import Path

import pytest

from agora.domain.repair import gate
from agora.domain.repair.patches import apply, parse
from agora.domain.repair.patterns import patterns

CLEAN = '''def clean(text):
    """Return a text in one line."""
    words = re.split(r"\\s+", text)
    kept = [word for word in words if word]
    return " ".join(kept)
'''
TOOL = f'"""A tool."""\n\nimport re\n\n\n{CLEAN}\n\ndef NAME(text):\n    return clean(text)\n'


def written(folder: Path, count: int, **others: str) -> Path:
    names = ("title", "label", "note", "mail")[:count]
    files = {f"{name}.py": TOOL.replace("NAME", name) for name in names}
    for name, text in {**files, **{f"{name}.py": text for name, text in others.items()}}.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def test_a_function_that_three_files_repeat_is_shared_by_all_of_them(tmp_path: Path) -> None:
    tree = written(tmp_path, 3)
    (found,) = patterns(tree)
    assert found.paths == ("label.py", "note.py", "title.py")
    texts = {path.name: path.read_text() for path in tree.glob("*.py")}
    new = apply(parse(found.diff), texts)
    assert new["shared_clean.py"].count(CLEAN) == 1 and "import re" in new["shared_clean.py"]
    for path in found.paths:
        assert "def clean" not in new[path] and "from shared_clean import clean\n" in new[path]
        compile(new[path], path, "exec")
    verdict = gate.judge(tree, found.diff)
    assert (verdict.verdict, verdict.rule) == ("flag", "new_file")


def test_two_copies_are_no_pattern_and_neither_are_tests(tmp_path: Path) -> None:
    assert not list(patterns(written(tmp_path, 2, test_clean=TOOL.replace("NAME", "test_it"))))


@pytest.mark.parametrize("change", ["LIMIT", "raise ValueError(text)"])
def test_what_rests_on_its_file_or_checks_its_input_is_left_alone(
    tmp_path: Path, change: str
) -> None:
    tree = written(tmp_path, 3)
    for path in tree.glob("*.py"):
        text = path.read_text().replace(
            "    words =", f"    if not text:\n        {change}\n    words ="
        )
        path.write_text(text)
    assert not list(patterns(tree))


def test_copies_that_differ_are_not_shared(tmp_path: Path) -> None:
    tree = written(tmp_path, 3)
    path = tree / "note.py"
    path.write_text(path.read_text().replace("if word]", "if not word]"))
    assert not list(patterns(tree))
