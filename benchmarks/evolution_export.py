"""Ten thousand runs with five hundred planted secrets: how long an export takes, what gets out."""

import json
import random
import time
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from agora.domain.contracts import AgentOutcome, AgentTask, Json
from agora.team import Team

RUNS, SECRETS = 10_000, 500
DOMAINS = ("software", "law", "medicine", "history", "cooking", "travel", "finance", "physics")
VERBS = "explain describe compare list summarise outline weigh derive trace define".split()
THINGS = (
    "contract river theorem recipe museum compiler vaccine tariff glacier orbit ledger violin "
    "treaty engine budget forest bridge protein satellite harbour"
).split()
TRAITS = (
    "old modern rare common broken famous cheap fragile northern public silent portable ancient "
    "hybrid seasonal legal hidden coastal digital rural"
).split()
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
TASK = """
INSERT INTO tasks (id, thread_id, tenant, body, status, outcome) VALUES (%s, %s, %s, %s, %s, %s)
"""
WORK = """
INSERT INTO works (task_id, bidder, prompt, domain, answer, error, is_right)
VALUES (%s, %s, 1, %s, %s, '', true)
"""
SAID = """
INSERT INTO judgements (task_id, bidder, source, is_right, weight, reason)
VALUES (%s, %s, %s, true, %s, '')
"""


def secrets(dice: random.Random) -> list[str]:
    """Return secrets of a dozen kinds, no two alike."""
    return [_secret(dice, number) for number in range(SECRETS)]


def _secret(dice: random.Random, number: int) -> str:
    def some(count: int, of: str = LETTERS) -> str:
        return "".join(dice.choice(of) for _ in range(count))

    digits = "0123456789"
    kinds = (
        lambda: f"sk-proj-{some(24)}7{some(8)}",
        lambda: f"ghp_{some(36)}",
        lambda: f"AKIA{some(16, LETTERS[:26] + digits)}",
        lambda: f"eyJ{some(20)}.{some(30)}.{some(20)}",
        lambda: f"xoxb-{some(12, digits)}-{some(20)}",
        lambda: f"password={some(14)}",
        lambda: f"postgres://admin:{some(16)}@db.example/prod",
        lambda: f"-----BEGIN PRIVATE KEY-----\n{some(64)}\n-----END PRIVATE KEY-----",
        lambda: f"{some(7).lower()}.{some(6).lower()}{number}@example.org",
        lambda: f"+49 30 {some(4, digits)}{number:04}",
        lambda: _iban(dice),
        lambda: _card(dice),
    )
    return kinds[number % len(kinds)]()


def _iban(dice: random.Random) -> str:
    account = "".join(str(dice.randrange(10)) for _ in range(18))
    check = 98 - int(f"{account}131400") % 97
    return f"DE{check:02}{account}"


def _card(dice: random.Random) -> str:
    digits = [4, *(dice.randrange(10) for _ in range(14))]
    doubled = [one if n % 2 else sum(divmod(2 * one, 10)) for n, one in enumerate(digits[::-1])]
    return "".join(map(str, [*digits, -sum(doubled) % 10]))


def marks(secret: str) -> list[str]:
    """Return what of a secret must not be found: itself, or the part that keeps it."""
    if secret.startswith("password="):
        return [secret.partition("=")[2]]
    if secret.startswith("postgres://"):
        return [secret.partition("admin:")[2].partition("@")[0]]
    if secret.startswith("-----BEGIN"):
        return [secret.splitlines()[1]]
    return [secret]


async def record(team: Team, dice: random.Random, planted: list[str]) -> None:
    """Write down runs as the team does, with the secrets here and there."""
    await team.prompting.refresh()
    places = dict(zip(dice.sample(range(RUNS), SECRETS), planted, strict=True))
    async with team.database.transaction() as connection:
        cursor = connection.cursor()
        rows = [_run(dice, number, places.get(number)) for number in range(RUNS)]
        await cursor.executemany(TASK, [row[0] for row in rows])
        await cursor.executemany(WORK, [row[1] for row in rows])
        await cursor.executemany(SAID, [row[2] for row in rows])


def _run(dice: random.Random, number: int, secret: str | None) -> tuple[Any, Any, Any]:
    verb, trait = dice.choice(VERBS), dice.choice(TRAITS)
    one, other = dice.choice(THINGS), dice.choice(THINGS)
    texts = {
        "question": f"Please {verb} the {trait} {one} and its {other}, case {number}.",
        "answer": f"The {one} is {trait}; its {other} has number {dice.randrange(10**6)}.",
        "trace": f"First the {one}, then the {other}: they belong together.",
    }
    if secret:
        place = dice.choice(list(texts))
        texts[place] += f" Use {secret} for it."
    task_id, domain = f"run-{number:05}", dice.choice(DOMAINS)
    bidder = f"generalist@{dice.choice(('teacher:70b', 'teacher:8b'))}"
    task = AgentTask(id=task_id, text=texts["question"], domain=domain)
    outcome = AgentOutcome(
        status="answered", answer=texts["answer"], reasoning_trace=texts["trace"], confidence=0.8
    )
    source, weight = dice.choice((("person", 0.9), ("judge", 0.6), ("validator", 0.3)))
    bodies = [Jsonb(task.as_json()), "answered", Jsonb(outcome.as_json())]
    return (
        [task_id, f"thread-{number}", "default", *bodies],
        [task_id, bidder, domain, texts["answer"]],
        [task_id, bidder, source, weight],
    )


async def measure(team: Team, folder: Path, seed: int) -> Json:
    """Return how long an export takes, what is in it, and which secrets got out."""
    dice = random.Random(seed)
    planted = secrets(dice)
    await record(team, dice, planted)
    begun = time.perf_counter()
    told = await team.distilling.export(folder, "default", None, lambda said: None)
    seconds = time.perf_counter() - begun
    text = "".join(path.read_text("utf-8") for path in sorted(folder.iterdir()))
    shown = text + json.dumps(json.loads(json.dumps(text)))
    leaked = sum(any(mark in shown for mark in marks(one)) for one in planted)
    checked = await team.distilling.check(folder, "default")
    return {
        "export_runs": RUNS,
        "export_s": round(seconds, 1),
        "exported": told["train"] + told["validation"],
        "secrets_planted": SECRETS,
        "secrets_leaked": leaked,
        "export_is_sound": checked["is_sound"],
        "export_faults": checked["faults"][:3],
    }
