"""A toy world: orders to read fields from, a student that knows only what its prompt says, an
architect that sees three tasks at a time and is not always right. All of it is deterministic.

The student writes a field as it stands unless its prompt states the rule for it. The architect
adds one rule that it can tell from the failures it is shown; of its proposals two in five are bad:
they drop the rules, copy a task, or say nothing new.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

STUDENT, STRONG = "student:1b", "gpt-4o-mini"
REQUIRES = "data"
SLIP = 0.04
"""So many tasks the student gets wrong whatever it is told."""
BAD = 0.4


@dataclass(frozen=True)
class Field:
    """One field of an order: as it stands, as it is wanted, and what its prompt must say."""

    name: str
    plain: str
    wanted: str
    rule: str = ""  # the sentence of a prompt; "": as it stands is right
    phrase: str = ""  # what the student looks for in it


def order(dice: random.Random) -> dict[str, Field]:
    """Return the fields of one order."""
    first, last = dice.choice(FIRST), dice.choice(LAST)
    day, month, year = dice.randint(1, 28), dice.randint(1, 12), dice.randint(2015, 2025)
    euros, cents = dice.randint(2, 900), dice.randint(10, 99)
    hour, minute, dozens = dice.randint(1, 11), dice.randint(10, 59), dice.randint(2, 9)
    grams = 100 * dice.randint(11, 95)
    made = (
        Field("city", city := dice.choice(CITIES), city),
        Field(
            "name",
            f"{first} {last}",
            f"{last}, {first}",
            "Write a name with the surname first, then a comma and the given name.",
            "surname first",
        ),
        Field(
            "date",
            f"{day} {MONTHS[month - 1]} {year}",
            f"{year}-{month:02}-{day:02}",
            "Write a date as year-month-day in digits.",
            "year-month-day",
        ),
        Field(
            "price",
            f"{euros}.{cents} euros",
            f"{euros}{cents}",
            "Give a price as a whole number of cents without a currency.",
            "number of cents",
        ),
        Field(
            "pickup",
            f"{hour}:{minute} pm",
            f"{hour + 12}:{minute}",
            "Give a time of day on the 24-hour clock.",
            "24-hour clock",
        ),
        Field(
            "quantity",
            f"{dozens} dozen",
            f"{12 * dozens}",
            "Give a quantity as the number of single pieces.",
            "single pieces",
        ),
        Field(
            "weight",
            f"{grams / 1000:g} kg",
            f"{grams}",
            "Give a weight as a whole number of grams without a unit.",
            "number of grams",
        ),
        Field(
            "phone",
            "none",
            "unknown",
            "Where something is not given, write the word unknown.",
            "not given",
        ),
        Field(
            "paid",
            dice.choice(("paid already", "settled in advance")),
            "yes",
            "Answer a question of fact with yes or no.",
            "yes or no",
        ),
    )
    return {one.name: one for one in made}


FIRST = "Anna Boris Carla David Elena Farid Greta Hugo Irina Jonas Karin Luis Maria Nils".split()
LAST = "Meyer Novak Ortega Petit Quist Rossi Sato Tanaka Urban Vogel Weber Young Zeman".split()
CITIES = "Oslo Prague Madrid Lyon Turin Kyoto Dublin Ghent Vienna Basel Porto Riga".split()
MONTHS = (
    "January February March April May June July August September October November December"
).split()
NAMES = [one for one in order(random.Random(0)) if one != "city"]


@dataclass(frozen=True)
class Task:
    """An order, and which fields are asked of it."""

    text: str
    wanted: str
    asked: tuple[str, ...]


def tasks(seed: str, count: int) -> list[Task]:
    """Return tasks; most of them ask for fields that want a rule."""
    dice = random.Random(seed)
    return [_task(dice, number, seed) for number in range(count)]


def _task(dice: random.Random, number: int, seed: str) -> Task:
    fields = order(dice)
    count = dice.choices((0, 1, 2, 3), (0.15, 0.30, 0.35, 0.20))[0]
    asked = ("city", *sorted(dice.sample(NAMES, count), key=NAMES.index))
    told = ", ".join(f"{one.name} {one.plain}" for one in fields.values())
    text = f"Order {seed}-{number}: {told}. Give: {', '.join(asked)}."
    return Task(text, _line(fields, asked, dict.fromkeys(fields, True)), asked)


def _line(fields: dict[str, Field], asked: Sequence[str], known: dict[str, bool]) -> str:
    said = [fields[name].wanted if known[name] else fields[name].plain for name in asked]
    return "; ".join(f"{name} is {value}" for name, value in zip(asked, said, strict=True))


def _read(text: str) -> tuple[dict[str, Field], list[str]]:
    """Return the fields of an order as a reader of its text finds them, and what is asked."""
    told, _, asked = text.rpartition(". Give: ")
    number = re.match(r"Order (.*)-(\d+):", told)
    assert number, text
    dice = random.Random(number[1])
    fields: dict[str, Field] = {}
    for _ in range(int(number[2]) + 1):
        fields = order(dice)
        count = dice.choices((0, 1, 2, 3), (0.15, 0.30, 0.35, 0.20))[0]
        dice.sample(NAMES, count)
    return fields, asked.rstrip(".").split(", ")


def student(system: str, text: str) -> str:
    """Return the answer by the rules that the prompt states, with a slip at times."""
    fields, asked = _read(text)
    known = {name: not one.rule or one.phrase in system for name, one in fields.items()}
    if _chance("slip", text) < SLIP:
        return "city is lost"
    return _line(fields, asked, known)


def architect(asked: str, bad: float = BAD) -> str:
    """Return a rewriting: rules that the failures speak of; a share of `bad` are worse ones."""
    old = _between(asked, "prompt").replace("&lt;", "<")
    evidence = _between(asked, "evidence")
    luck = _chance("luck", asked)
    new = old
    if luck < bad / 3:
        kept = [line for line in old.splitlines() if not any(r in line for r in _rules())]
        new = "\n".join([*kept, "Be careful and read the order twice."])
    elif luck < 2 * bad / 3:
        new = f"{old}\n{evidence.splitlines()[0]}"
    elif luck < bad:
        new = f"{old}\nBe careful with what is asked, and read the order twice."
    else:
        missing = [rule for name, rule in _failed(evidence) if rule not in old]
        new = "\n".join([old, *dict.fromkeys(missing[:1])])
    return f"I see what is wrong.\n<new_prompt>\n{new}\n</new_prompt>"


def _rules() -> list[str]:
    return [one.rule for one in order(random.Random(0)).values() if one.rule]


def _failed(evidence: str) -> list[tuple[str, str]]:
    """Return the fields whose values differ from what was wanted, each with its rule."""
    rules = {one.name: one.rule for one in order(random.Random(0)).values()}
    found = []
    for block in evidence.split("\n\n"):
        said = re.search(r"^Answer: (.*)$", block, re.M)
        wanted = re.search(r"^Wanted: (.*)$", block, re.M)
        if not said or not wanted:
            continue
        given = set(said[1].split("; "))
        lost = [one.partition(" is ")[0] for one in wanted[1].split("; ") if one not in given]
        found += [(name, rules[name]) for name in lost if rules.get(name)]
    return found


def _between(text: str, tag: str) -> str:
    found = re.search(rf"<{tag}>\n(.*?)\n</{tag}>", text, re.S)
    return found[1] if found else ""


def _chance(*parts: str) -> float:
    return int(sha256("\0".join(parts).encode()).hexdigest()[:8], 16) / 16**8


def script(messages: Sequence[Any]) -> str:
    """Answer as the student or as the architect, by what the prompt is."""
    last = str(messages[-1]["content"])
    if "<evidence>" in last:
        return architect(last)
    return student(str(messages[0]["content"]), _between(last, "task"))
