import ast
from pathlib import Path

from agora.domain.repair import gate, tidying
from agora.domain.repair.tidying import Tidying

WORDS = '''"""Words."""

import re


def shouted(text: str) -> str:
    """Return the text in capital letters."""
    return text.upper()


def in_order(text: str, *, down: bool = False) -> str:
    """Return the words of a text in order."""
    words = re.split(r"\\s+", text)
    words.sort(reverse=down)
    return " ".join(words)
'''
SORTED = '''def ordered(text: str, down: bool = False) -> str:
    """Return the words of a text in order."""
    return " ".join(sorted(text.split(), reverse=down))
'''


def tree(folder: Path, **more: str) -> Path:
    for name, text in ({"words": WORDS, "order": SORTED} | more).items():
        (folder / f"{name}.py").write_text(text)
    return folder


def after(tree: Path, found: Tidying, path: str = "words.py") -> str:
    assert found.diff, found.why
    assert gate.judge(tree, found.diff).verdict != "refuse"
    gate.write(tree, found.diff)
    text = (tree / path).read_text()
    ast.parse(text)
    return text


def test_what_nobody_names_is_taken_out(tmp_path: Path) -> None:
    found = tidying.unused(tree(tmp_path), "words.py", "shouted", "unused", is_used=False)
    text = after(tmp_path, found)
    assert "shouted" not in text and "def in_order" in text


def test_what_a_file_names_warns_its_callers_and_stays(tmp_path: Path) -> None:
    tree(tmp_path, test_words="from words import shouted\n")
    found = tidying.unused(tmp_path, "words.py", "shouted", "unused", is_used=False)
    text = after(tmp_path, found)
    assert "import re\nimport warnings\n" in text and "return text.upper()" in text
    assert "warnings.warn('shouted: unused', DeprecationWarning, stacklevel=2)" in text
    again = tidying.unused(tmp_path, "words.py", "shouted", "unused", is_used=False)
    assert not again.diff and "already" in again.why


def test_a_double_calls_the_one_that_is_kept(tmp_path: Path) -> None:
    found = tidying.doubled(tree(tmp_path), "words.py", "in_order", "order.py", "ordered")
    text = after(tmp_path, found)
    assert "from order import ordered as _ordered\n" in text
    assert text.endswith("    return _ordered(text, down=down)\n") and "sort" not in text


def test_two_files_never_come_to_need_each_other(tmp_path: Path) -> None:
    tree(tmp_path, order=f"import words\n\n\n{SORTED}")
    found = tidying.doubled(tmp_path, "words.py", "in_order", "order.py", "ordered")
    assert not found.diff and "each would need the other" in found.why
