from collections.abc import Mapping
from pathlib import Path

from agora.domain.repair import reach
from agora.domain.repair.workspace import TestCommand, open_workspace
from tests.conftest import commit, repository

SHOP = {
    "shop/__init__.py": "",
    "shop/prices.py": "def total(): ...\n",
    "shop/orders.py": "from .prices import total\n",
    "shop/words.py": "def shout(): ...\n",
    "tests/shop/test_prices.py": "from shop import prices\n",
    "tests/shop/test_orders.py": "import shop.orders\n",
    "tests/shop/test_words.py": "from shop.words import shout\n",
    "tests/test_all.py": "from tests import stand\n",
    "tests/stand.py": "import shop.orders, shop.words\n",
}


def shop(folder: Path, files: Mapping[str, str] = SHOP) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def near(tree: Path, path: str, most: int = 9) -> list[str]:
    among = [name for name in SHOP if "/test_" in name]
    return list(reach.near(tree, among, [path], most))


def test_the_shortest_chain_of_imports_comes_first(tmp_path: Path) -> None:
    found = near(shop(tmp_path), "shop/prices.py")
    assert found[:2] == ["tests/shop/test_prices.py", "tests/shop/test_orders.py"]
    assert found[2:] == ["tests/test_all.py"]


def test_what_does_not_import_a_file_is_not_run(tmp_path: Path) -> None:
    assert "tests/shop/test_prices.py" not in near(shop(tmp_path), "shop/words.py")


def test_a_test_file_reaches_itself(tmp_path: Path) -> None:
    path = "tests/shop/test_words.py"
    assert near(shop(tmp_path), path) == [path]


def test_no_more_files_than_allowed(tmp_path: Path) -> None:
    assert near(shop(tmp_path), "shop/prices.py", 1) == ["tests/shop/test_prices.py"]


def test_a_command_may_be_narrowed_and_keeps_its_options(tmp_path: Path) -> None:
    root = repository(tmp_path / "shop", SHOP | {"strict.ini": "[pytest]\n"})
    command = TestCommand.parse("pytest -q -c strict.ini tests/shop", open_workspace(root))
    assert command.places == ("tests/shop",)
    assert "tests/test_all.py" not in reach.tests(root, command)
    assert command.on(["tests/shop/test_words.py"]).arguments == (
        *("-q", "-c", "strict.ini"),
        "tests/shop/test_words.py",
    )


def test_the_newest_commit_is_looked_at_before_those_before_it(tmp_path: Path) -> None:
    root = repository(tmp_path / "shop", SHOP)
    shop(root, {"shop/words.py": "def shout(): return 1\n", "notes.txt": "mine\n"})
    commit(root, "Shout")
    newest, before = reach.recent(root)
    assert newest == ("shop/words.py",)
    assert "shop/prices.py" in before
