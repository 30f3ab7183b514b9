"""agora experts: who can bid, and how they stand."""

from typing import Annotated

import typer

from agora.app.cli import output


def experts(
    prices: Annotated[
        bool, typer.Option("--prices", help="With what an answer of 200 tokens costs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Show every bidder: department, domains, and what outcomes have said of it."""
    output.run(_experts(prices, as_json), as_json)


async def _experts(prices: bool, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        told = await current.market.roster()
        faults = (await current.market.models()).faults
    if as_json:
        output.show_json({"experts": told, "faults": [str(fault) for fault in faults]})
        return 0
    rows = [
        [
            one["name"],
            one["department"],
            " ".join(one["domains"]),
            f"{one['right']} of {one['outcomes']}" if one["outcomes"] else "—",
            f"{one['p_success']:.2f}",
            *([f"{1000 * one['cost_usd']:.3f}"] if prices else []),
        ]
        for one in told
    ]
    columns = ["bidder", "department", "domains", "right", "expected", *(["m$"] if prices else [])]
    output.show_table(columns, rows)
    for fault in faults:
        output.note(f"agora: {fault}\n  {fault.hint}")
    if not any(one["model"] for one in told):
        output.note("no model bids: set OLLAMA_HOST or OPENAI_API_KEY; see agora doctor")
    return 0
