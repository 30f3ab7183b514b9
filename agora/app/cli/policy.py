"""agora policy: what is permitted, checked, explained and tested."""

from pathlib import Path
from typing import Annotated, Any

import typer

from agora.app.cli import output

app = typer.Typer(help="What is permitted: check the policies, explain a verdict, test cases.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Folder = Annotated[
    Path | None, typer.Option(help="Of *.cedar files, read beside the shipped ones.")
]
Words = Annotated[str, typer.Option(help="Separated by commas.")]


@app.command()
def check(folder: Folder = None, as_json: AsJson = False) -> None:
    """Read every policy; say what counts, or which file and line cannot be understood."""
    output.run(_check(folder, as_json), as_json)


@app.command()
def explain(
    act: Annotated[str, typer.Argument(help="ask_model, call_tool, commit, …")],
    subject: Annotated[str, typer.Argument(help="The model, tool, document or workspace.")],
    actor: Annotated[str, typer.Option(help="An expert, agora, or operator.")] = "operator",
    labels: Words = "",
    tags: Words = "",
    tools: Words = "",
    residency: Annotated[str | None, typer.Option(help="Of the model: local, eu, …")] = None,
    cost: Annotated[float, typer.Option(min=0, help="In USD.")] = 0.0,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Say what would become of an act, and by which policies."""
    facts: output.Json = {
        name: [word.strip() for word in words.split(",")]
        for name, words in (("labels", labels), ("tags", tags), ("tools", tools))
        if words
    }
    facts |= {"residency": residency} if residency else {}
    wanted = {"kind": act, "subject": subject, "actor": actor, "cost_usd": cost, "facts": facts}
    output.run(_explain(wanted, folder, as_json), as_json)


@app.command()
def test(
    file: Annotated[
        Path | None, typer.Argument(help="Cases as YAML; by default those of the shipped ones.")
    ] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Ask the policies what each case of a file should come to; exit code 1 where one differs."""
    output.run(_test(file, folder, as_json), as_json)


def _policy(folder: Path | None) -> Any:
    import os

    from agora.domain.policy import SHIPPED, Policy
    from agora.domain.settings import load
    from agora.team.governing import folders_of

    if folder is None:
        return Policy.load(*folders_of(load(os.environ)))
    return Policy.load(SHIPPED, folder)


async def _check(folder: Path | None, as_json: bool) -> int:
    policy = _policy(folder)
    rules = [
        {"id": one.name, "says": one.sentence, "asks": one.asks} for one in policy.rules.values()
    ]
    if as_json:
        output.show_json({"valid": True, "hash": policy.hash, "policies": rules})
        return 0
    for rule in rules:
        output.show(f"{'asks' if rule['asks'] else 'ok':<6}{rule['says']}")
    output.show(f"{len(rules)} policies, {policy.hash[:16]}")
    return 0


async def _explain(wanted: output.Json, folder: Path | None, as_json: bool) -> int:
    from agora.domain.contracts import Act

    said = _policy(folder).decide(Act.read(wanted))
    if as_json:
        told = {"verdict": said.word, "reasons": list(said.reasons), "hash": said.hash}
        output.show_json(told)
        return 0
    output.show(said.word)
    for reason in said.reasons:
        output.show(f"  {reason}")
    return 0


async def _test(file: Path | None, folder: Path | None, as_json: bool) -> int:
    from agora.domain.policy_cases import SHIPPED, read_cases

    policy, cases = _policy(folder), read_cases(file or SHIPPED)
    failures = {one.name: said for one in cases if (said := one.failure(policy))}
    if as_json:
        output.show_json({"cases": len(cases), "failures": failures, "hash": policy.hash})
    else:
        for name, said in failures.items():
            output.show(f"{name}: {said}")
        output.show(f"{len(cases) - len(failures)} of {len(cases)} cases are as expected")
    return 1 if failures else 0
