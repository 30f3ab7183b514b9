"""The command line: a file per noun. Nothing heavy is imported before a command runs."""

import os
import sys
from typing import Any

import typer

from agora.app.cli import (
    alerts,
    approvals,
    ask,
    audit,
    cache,
    calibrate,
    capabilities,
    db,
    demo,
    distil,
    doctor,
    experts,
    explain,
    feedback,
    fix,
    health,
    log,
    loop,
    models,
    policy,
    prompts,
    pulse,
    resume,
    rollback,
    rooms,
    scout,
    serve,
    smoke,
    snapshot,
    stats,
    tools,
    upkeep,
    worker,
)
from agora.app.cli.output import INTERRUPTED, fail

Misuse: Any = typer.BadParameter.__bases__[0]  # typer does not export what its parser raises

app = typer.Typer(
    name="agora",
    help="A team of local and cloud LLM experts that bids for each task and repairs its own tools.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("ask")(ask.ask)
app.command("fix")(fix.fix)
app.add_typer(approvals.app, name="approvals")
app.command("room")(rooms.room)
app.command("explain")(explain.explain)
app.command("resume")(resume.resume)
app.command("rollback")(rollback.rollback)
app.command("doctor")(doctor.doctor)
app.command("health")(health.health)
app.add_typer(capabilities.app, name="capabilities")
app.add_typer(snapshot.app, name="snapshot")
app.command("experts")(experts.experts)
app.command("models")(models.models)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(loop.app, name="loop")
app.command("alerts")(alerts.alerts)
app.add_typer(tools.app, name="tools")
app.add_typer(cache.app, name="cache")
app.command("feedback")(feedback.feedback)
app.add_typer(prompts.app, name="prompts")
app.add_typer(distil.app, name="distil")
app.command("scout")(scout.scout)
app.add_typer(policy.app, name="policy")
app.add_typer(log.app, name="log")
app.command("pulse")(pulse.pulse)
app.command("stats")(stats.stats)
app.command("audit")(audit.audit)
app.command("upkeep")(upkeep.upkeep)
app.command("worker")(worker.worker)
app.command("serve")(serve.serve)
app.command("smoke")(smoke.smoke)
app.add_typer(db.app, name="db")


def main() -> None:
    """Run the command line and exit with the code that interfaces promise."""
    as_json = "--json" in sys.argv
    # Checkpoints hold plain JSON and messages; whatever else one holds is not brought to life.
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    try:
        command = typer.main.get_command(app)
        code = command.main(prog_name="agora", standalone_mode=False)
        sys.stdout.flush()
    except Misuse as error:
        code = fail(error.format_message(), _usage(error), "usage", 2, as_json)
    except (KeyboardInterrupt, typer.Abort):
        code = fail("interrupted", "", "interrupted", INTERRUPTED, as_json)
    except BrokenPipeError:
        # Whoever read us has read enough; Python would complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Any) -> str:
    return f"{error.ctx.command_path} --help" if error.ctx else "agora --help"
