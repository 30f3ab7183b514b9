"""agora models: which models can be asked, what they cost, and how their servers are."""

from typing import Annotated

import typer

from agora.app.cli import output


def models(
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Show every model: where it runs, price, context, load, and the state of its breaker."""
    output.run(_models(as_json), as_json)


async def _models(as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        told = await current.market.offered()
        faults = (await current.market.models()).faults
    if as_json:
        output.show_json({"models": told, "faults": [str(fault) for fault in faults]})
        return 0
    columns = ["model", "vendor", "runs", "context", "USD per million in / cached / out"]
    output.show_table([*columns, "can", "busy", "health", "breaker"], [_row(one) for one in told])
    for fault in faults:
        output.note(f"agora: {fault}\n  {fault.hint}")
    if not told:
        output.note("no model can be asked: set OLLAMA_HOST or OPENAI_API_KEY; see agora doctor")
    return 0


def _row(one: output.Json) -> list[str]:
    prices = f"{one['usd_in']:g} / {one['usd_cached']:g} / {one['usd_out']:g}"
    is_free = one["usd_in"] == one["usd_out"] == 0
    breaker = one["breaker"] + (f": {one['why']}" if one["why"] else "")
    return [
        one["name"],
        one["vendor"],
        one["residency"],
        str(one["context"]),
        "free" if is_free else prices,
        " ".join(one["capabilities"]),
        f"{one['busy']} of {one['slots']}",
        f"{one['health']:.2f}",
        breaker,
    ]
