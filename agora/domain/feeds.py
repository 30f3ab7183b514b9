"""Feeds: what RSS and Atom say, as plain text that nobody has vouched for."""

import calendar
import html
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from agora.domain.contracts import Contract
from agora.domain.errors import SettingsError

SHIPPED = Path(__file__).parents[2] / "config" / "feeds.yaml"
MOST_ITEMS = 100
TITLE, SUMMARY = 200, 600
"""Characters of an item that are kept."""
_TAG = re.compile(r"<[^>]{0,2000}>")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Feed(Contract):
    """One feed, and what it is called where it is quoted."""

    name: str = Field(min_length=1, max_length=60)
    url: str = Field(pattern=r"^https?://\S+$", max_length=500)


class Feeds(Contract):
    """The content of a feeds.yaml."""

    feeds: tuple[Feed, ...]


class Item(Contract):
    """One piece of news."""

    feed: str
    title: str
    link: str
    summary: str = ""
    published_at: datetime

    @property
    def text(self) -> str:
        """Return all that it says."""
        return f"{self.title}. {self.summary}" if self.summary else self.title


def load(folder: Path) -> tuple[Feed, ...]:
    """Return the feeds of the data folder's feeds.yaml, else the shipped; raise SettingsError."""
    own = folder / "feeds.yaml"
    path = own if own.is_file() else SHIPPED
    try:
        return Feeds.model_validate(yaml.safe_load(path.read_text("utf-8"))).feeds
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "feeds"
        raise SettingsError(f"{path}: {key}: {first['msg']}", "see config/feeds.yaml") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        where = " ".join(str(error).split())
        raise SettingsError(f"{path}: cannot be read ({where})", "see config/feeds.yaml") from None


def parse(body: bytes, feed: str, now: datetime) -> list[Item]:
    """Return the items of a feed that have a title and a link; what is no feed has none."""
    import feedparser

    # A stream, because what looks like an address would be fetched.
    found = feedparser.parse(io.BytesIO(body), sanitize_html=True)
    items = [_item(entry, feed, now) for entry in found.entries[:MOST_ITEMS]]
    return [item for item in items if item]


def _item(entry: Mapping[str, Any], feed: str, now: datetime) -> Item | None:
    title, link = plain(entry.get("title"), TITLE), str(entry.get("link") or "")
    if not title or not re.fullmatch(r"https?://[^\s<>\"']{1,500}", link):
        return None
    summary = plain(entry.get("summary"), SUMMARY)
    at = _time(entry.get("published_parsed") or entry.get("updated_parsed"), now)
    return Item(feed=feed, title=title, link=link, summary=summary, published_at=at)


def _time(given: Any, now: datetime) -> datetime:
    try:
        said = datetime.fromtimestamp(calendar.timegm(given), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return now
    return min(said, now)  # nothing is published tomorrow


def plain(given: Any, most: int) -> str:
    """Return a text without markup and without signs that cannot be seen, cut at a word."""
    text = html.unescape(_TAG.sub(" ", str(given or "")[:20_000]))
    text = " ".join(_UNSEEN.sub(" ", _TAG.sub(" ", text)).split())
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + "…"
