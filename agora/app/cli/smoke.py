"""agora smoke: is a deployment fit to be relied on?"""

import os
from typing import Annotated

import typer

from agora.app.cli import output


def smoke(
    url: Annotated[str, typer.Argument(help="Such as http://127.0.0.1:8123")],
    as_json: Annotated[bool, typer.Option("--json", help="One object on the last line.")] = False,
) -> None:
    """Check a running server over HTTP, with the token in AGORA_TOKEN; asks it one small task."""
    output.run(_smoke(url, as_json), as_json)


async def _smoke(url: str, as_json: bool) -> int:
    from agora.app import smoke as checks
    from agora.domain.errors import UsageError

    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url} is not an address", "agora smoke http://127.0.0.1:8123")
    with output.progress(f"asking {url}"):
        told = await checks.smoke(url.rstrip("/"), os.environ.get("AGORA_TOKEN") or None)
    if as_json:
        output.show_json(told)
    for one in [] if as_json else told["checks"]:
        mark = "ok     " if one["passed"] else "FAILED "
        output.show(f"{mark} {one['name']:<9} {one['ms']:>8.1f} ms  {one['said']}")
    confidence = told["deployment_confidence"]
    if not as_json:
        output.show(f"deployment confidence {confidence:.2f}")
    return 0 if confidence == 1 else 1
