"""agora tools: the typed functions of a workspace, and what MCP servers bring to it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agora.app.cli import output

app = typer.Typer(
    help="The tools of a workspace: list, show, find, run, stats, sync, delete, restore."
)
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Where = Annotated[Path, typer.Option("--workspace", help="A git work tree.")]
Name = Annotated[str, typer.Argument(help="As `agora tools list` shows it.")]
HERE = Path(".")


@app.command("list")
def list_(workspace: Where = HERE, as_json: AsJson = False) -> None:
    """List the tools that are found in the files."""
    output.run(_list(workspace, as_json), as_json)


@app.command()
def show(name: Name, workspace: Where = HERE, as_json: AsJson = False) -> None:
    """Show one tool: what it does, what it takes."""
    output.run(_show(workspace, name, as_json), as_json)


@app.command()
def run(
    name: Name,
    arguments: Annotated[str, typer.Option("--args", help="JSON, such as '{\"a\": 1}'.")] = "{}",
    workspace: Where = HERE,
    trust: Annotated[
        bool, typer.Option("--trust-workspace", help="Run its code without a sandbox.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Call a tool in the sandbox; the call is recorded and counts."""
    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise typer.BadParameter(f"--args is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise typer.BadParameter('--args must be an object, such as {"a": 1}')
    output.run(_run(workspace, name, given, trust, as_json), as_json)


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Show how often each tool gave the right result."""
    output.run(_stats(as_json), as_json)


@app.command()
def find(
    text: Annotated[str, typer.Argument(help="What the tool should do.")],
    workspace: Where = HERE,
    as_json: AsJson = False,
) -> None:
    """Find the tools that are nearest in meaning."""
    output.run(_find(workspace, text, as_json), as_json)


@app.command()
def sync(
    workspace: Where = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is new.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the registry in step with the files and the MCP servers."""
    output.run(_sync(workspace, dry_run, as_json), as_json)


@app.command()
def delete(name: Name, workspace: Where = HERE, as_json: AsJson = False) -> None:
    """Delete a tool's function, as one commit; `agora tools restore` brings it back."""
    output.run(_alter("delete", workspace, name, as_json), as_json)


@app.command()
def restore(name: Name, workspace: Where = HERE, as_json: AsJson = False) -> None:
    """Bring a tool back that is gone, as it was last seen."""
    output.run(_alter("restore", workspace, name, as_json), as_json)


async def _find(workspace: Path, text: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        found = await current.registering.near(_root(workspace), text)
    if as_json:
        told = [tool.as_json() | {"similarity": round(score, 4)} for score, tool in found]
        output.show_json({"tools": told})
    elif found:
        rows = [[tool.name, f"{score:.2f}", _first(tool)] for score, tool in found]
        output.show_table(["tool", "likeness", "what"], rows)
    else:
        output.show("no tools: a tool is a typed public function with a docstring")
    return 0


async def _sync(workspace: Path, dry_run: bool, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        told = await current.registering.sync(_root(workspace), dry_run=dry_run)
    if as_json:
        output.show_json(told.as_json() | {"dry_run": dry_run})
        return 0
    for what in ("added", "changed", "gone"):
        for name in getattr(told, what):
            output.show(f"{what}: {name}")
    output.show(f"{told.same} are as they were")
    return 0


async def _alter(what: str, workspace: Path, name: str, as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        altering: Any = getattr(current.registering, what)
        told = await altering(_root(workspace), name)
    if as_json:
        output.show_json(told)
        return 0
    output.show_diff(told["diff"])
    output.show(f"committed as {told['commit'][:12]}; undone by agora rollback {told['change_id']}")
    return 0


async def _list(workspace: Path, as_json: bool) -> int:
    from agora import team

    found = await team.current().tooling.of(_root(workspace))
    if as_json:
        output.show_json({"tools": [tool.as_json() for tool in found]})
    elif found:
        rows = [[tool.name, f"{tool.path}:{tool.line}", _first(tool)] for tool in found]
        output.show_table(["tool", "where", "what"], rows)
    else:
        output.show("no tools: a tool is a typed public function with a docstring")
    return 0


async def _show(workspace: Path, name: str, as_json: bool) -> int:
    from agora import team

    tool = await team.current().tooling.find(_root(workspace), name)
    if as_json:
        output.show_json(tool.as_json())
        return 0
    output.show(f"{tool.name}  {tool.path}:{tool.line}\n\n{tool.description}\n")
    for word, told in (("does", tool.tags), ("needs", tool.needs), ("kind", (tool.kind,))):
        output.show(f"  {word}: {', '.join(told) or 'nothing known'}")
    for parameter, schema in tool.parameters["properties"].items():
        is_needed = parameter in tool.parameters["required"]
        output.show(f"  {parameter}: {json.dumps(schema)}{'' if is_needed else ' (optional)'}")
    return 0


async def _run(
    workspace: Path, name: str, arguments: output.Json, trust: bool, as_json: bool
) -> int:
    from agora import team

    async with team.opened() as current:
        call = await current.tooling.run(_root(workspace), name, arguments, trust_workspace=trust)
    if as_json:
        output.show_json(call.as_json())
    elif call.error:
        output.note(f"agora: {name} failed: {call.error}")
    else:
        output.show(json.dumps(call.result, ensure_ascii=False))
    return 1 if call.error else 0


async def _stats(as_json: bool) -> int:
    from agora import team

    async with team.opened() as current:
        records = (await current.watching.records()).get("tools", {})
    told = [one | {"success": one["right"] / one["executions"]} for one in records.values()]
    if as_json:
        output.show_json({"tools": told})
    elif told:
        rows = [
            [one["tool"], one["workspace"], f"{one['right']} of {one['executions']}"]
            for one in told
        ]
        output.show_table(["tool", "workspace", "right"], rows)
    else:
        output.show("no tool was called yet")
    return 0


def _root(workspace: Path) -> str:
    from agora.domain.errors import WorkspaceError
    from agora.team.library import work_tree

    found = work_tree(str(workspace))
    if found is None:
        raise WorkspaceError(f"{workspace}: is not a git repository", "git init")
    return found


def _first(tool: Any) -> str:
    return str(tool.description).strip().partition("\n")[0]
