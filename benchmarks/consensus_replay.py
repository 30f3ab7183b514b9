"""Recorded answers as experts: members of a real war room whose models are a replay on the wire."""

import csv
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agora.domain.experts import Expert

DOMAIN = "general"


@dataclass(frozen=True)
class Question:
    """One question: its key, and the letter that each model gave ("" is none)."""

    id: str
    answer: str
    said: Mapping[str, str]


@dataclass(frozen=True)
class Member:
    """One of a team's five: an expert on one recorded model."""

    team: str
    number: int
    model: str

    @property
    def expert(self) -> Expert:
        """Return the expert that admits this model alone, and says so to the replay."""
        return Expert(
            name=f"member-{self.team.lower()}{self.number}",
            version=1,
            department=f"department {self.number}",
            domains={DOMAIN: ()},
            models=(self.model,),
            description="A recorded model.",
            system=f"You are {self.model}.",
        )

    @property
    def name(self) -> str:
        """Return how standings know the member."""
        return f"{self.expert.name}@{self.model}"


@dataclass(frozen=True)
class Records:
    """A folder of recorded answers."""

    questions: tuple[Question, ...]
    teams: Mapping[str, tuple[Member, ...]]
    families: Mapping[str, str]

    @property
    def models(self) -> list[str]:
        """Return the models that sit in any team."""
        return sorted({member.model for team in self.teams.values() for member in team})

    def declare(self, home: Path) -> None:
        """Write down what the catalogue needs to know of the models."""
        entries = {
            name: {"family": self.families.get(name, name), "context": 8192} for name in self.models
        }
        home.mkdir(parents=True, exist_ok=True)
        (home / "models.yaml").write_text(yaml.safe_dump({"ollama": entries}), "utf-8")

    def script(self, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """Answer as the model named by the system prompt has; None: these are not its records."""
        model = str(messages[0]["content"]).removeprefix("You are ").removesuffix(".")
        asked = re.search(r"Question (\S+)\?", str(messages[1]["content"]))
        assert asked
        if asked[1] not in self._by_id:
            return None
        letter = self._by_id[asked[1]].said[model]
        return json.dumps({"answer": letter or "I do not know.", "confidence": 0.5})

    @property
    def _by_id(self) -> Mapping[str, Question]:
        index = _indexes.get(id(self))
        if index is None:
            index = _indexes[id(self)] = {one.id: one for one in self.questions}
        return index


_indexes: dict[int, dict[str, Question]] = {}


def read(folder: Path) -> Records:
    """Read `*.csv.gz`, `teams.json` and, where it is there, `models.csv`."""
    rows: list[dict[str, str]] = []
    for path in sorted(folder.glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    fixed = {"question_id", "category", "answer"}
    questions = [
        Question(
            row["question_id"], row["answer"], {k: v for k, v in row.items() if k not in fixed}
        )
        for row in rows
    ]
    teams = json.loads((folder / "teams.json").read_text("utf-8"))
    members = {
        team: tuple(Member(team, i, m["model"]) for i, m in enumerate(of["members"]))
        for team, of in teams.items()
    }
    return Records(tuple(questions), members, _families(folder / "models.csv"))


def _families(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["model"]: row["family"] for row in csv.DictReader(file)}


def pattern(question: Question, team: Sequence[Member]) -> tuple[int | None, ...]:
    """Return who agrees with whom: the first letter said is 0, the next other one 1, and so on."""
    seen: dict[str, int] = {}
    letters = [question.said[member.model] for member in team]
    return tuple(seen.setdefault(one, len(seen)) if one else None for one in letters)
