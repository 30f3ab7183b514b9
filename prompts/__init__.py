"""Prompts: Markdown files beside this one, each under a YAML front matter. A leaf of the tree.

What is filled into a hole is material, never part of the wording: a body puts its holes between
tags, and a value cannot close them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

import yaml

FOLDER = Path(__file__).parent
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is some ten times as fast, and every wheel has it."""


@dataclass(frozen=True)
class Prompt:
    """One prompt, with the version that a trace should name."""

    name: str
    version: int
    matter: dict[str, Any]
    body: str

    @property
    def holes(self) -> tuple[str, ...]:
        """Return the names that `render` wants, as the body has them."""
        return tuple(Template(self.body).get_identifiers())

    def render(self, **values: str) -> str:
        """Fill every $hole, or raise KeyError naming the one left over.

        A value stands as it is, `$` and braces included; only a tag of the body in it is disarmed.
        """
        tags = "|".join(sorted(set(re.findall(r"</([\w-]+)>", self.body)))) or r"(?!)"
        armed = re.compile(rf"<(?=\s*/?\s*(?:{tags})\b)", re.IGNORECASE)
        safe = {name: armed.sub("&lt;", value) for name, value in values.items()}
        return Template(self.body).substitute(safe)


def load(name: str) -> Prompt:
    """Read `<name>.md` of this package; raise ValueError naming a file that is no prompt."""
    return read(FOLDER / f"{name}.md", name)


def load_all(folder: str | Path) -> list[Prompt]:
    """Read all prompts of a folder, by name; a relative folder is one of this package."""
    return [read(path, path.stem) for path in sorted((FOLDER / folder).glob("*.md"))]


def read(path: Path, name: str) -> Prompt:
    """Read one file, whose front matter stands between two lines `---`; raise ValueError."""
    return _read(path, name, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _read(path: Path, name: str, changed_ns: int) -> Prompt:
    matter, body = _split(path)
    version = matter.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise ValueError(f"{path}: version must be a whole number, is {version!r}")
    return Prompt(name, version, matter, body)


def _split(path: Path) -> tuple[dict[str, Any], str]:
    parts = re.split(r"^---[ \t]*\n", path.read_text("utf-8-sig"), maxsplit=2, flags=re.M)
    if len(parts) != 3 or parts[0].strip():
        raise ValueError(f"{path}: must begin with front matter between two lines ---")
    try:
        matter = yaml.load(parts[1], LOADER)
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise ValueError(f"{path}: front matter is not YAML ({where})") from None
    if not isinstance(matter, dict):
        raise ValueError(f"{path}: front matter must hold `key: value` lines")
    return matter, parts[2].strip()
