"""agora tools: the typed functions of a workspace."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agora.app.cli import output

app = typer.Typer(help="The tools of a workspace: list, show, run, stats.")
AsJson = Annotated[bool, typer.Option("--json", help="One object on the last line.")]
Where = Annotated[Path, typer.Option("--workspace", help="A git work tree.")]
Name = Annotated[str, typer.Argument(help="As `agora tools list` shows it.")]
HERE = Path(".")


@app.command("list")
def list_(workspace: Where = HERE, as_json: AsJson = False) -> None:
    """List the tools that are found in the files."""
    output.run(_list(workspace, as_json), as_json, output.nothing_to_resume)


@app.command()
def show(name: Name, workspace: Where = HERE, as_json: AsJson = False) -> None:
    """Show one tool: what it does, what it takes."""
    output.run(_show(workspace, name, as_json), as_json, output.nothing_to_resume)


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
    output.run(_run(workspace, name, given, trust, as_json), as_json, output.nothing_to_resume)


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Show how often each tool gave the right result."""
    output.run(_stats(as_json), as_json, output.nothing_to_resume)


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
