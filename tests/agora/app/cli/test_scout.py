from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agora.app.cli.conftest import Agora
from tests.feed_server import FeedServer, rss, serving


@pytest.fixture
def web() -> Iterator[FeedServer]:
    with serving() as web:
        yield web


@pytest.fixture
def home(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGORA_SCOUT__PRIVATE_ADDRESSES", "true")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def choose(home: Path, *urls: str) -> None:
    lines = "".join(f"  - {{name: feed {n}, url: '{url}'}}\n" for n, url in enumerate(urls))
    (home / "feeds.yaml").write_text(f"feeds:\n{lines}")


def test_scout_reads_the_chosen_feeds_and_says_what_it_expects(
    agora: Agora, home: Path, web: FeedServer
) -> None:
    news = rss(("Meta ships Llama Nine", "Twice as fast."), ("Why Llama Nine matters", "It does."))
    choose(home, web.page("/a", news), web.url("/missing"))
    told = agora("scout", "--json").json
    assert told["news"] == 2 and list(told["faults"]) == ["feed 1"]
    assert "What is Llama Nine?" in [one["question"] for one in told["predicted"]]

    answer = agora("ask", "what is llama nine", "--json").json
    assert answer["cached"] and "From the news" in answer["answer"]
    assert agora("scout").out.startswith("was asked: What is Llama Nine? (1 times)")
    assert agora("cache", "stats", "--json").json["predicted_asked"] == 1


def test_when_no_feed_can_be_read_the_command_has_failed(
    agora: Agora, home: Path, web: FeedServer
) -> None:
    choose(home, web.url("/missing"))
    said = agora("scout")
    assert said.code == 1 and "answers 404" in said.err


@pytest.mark.parametrize(
    "text", ["feeds: [{name: x, url: 'ftp://x'}]", "feeds: 3", "[", "other: 1"]
)
def test_a_list_that_cannot_be_used_is_named(agora: Agora, home: Path, text: str) -> None:
    (home / "feeds.yaml").write_text(text)
    said = agora("scout", "--json")
    assert said.code == 2 and "feeds.yaml" in said.error["message"]
