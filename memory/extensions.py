"""What Aegra asks of PostgreSQL and the embedded one lacks: `uuid-ossp`, from two files of ours."""

import shutil
import time
from pathlib import Path

from psycopg import Connection, sql

SHIPPED = Path(__file__).parent / "postgres"
SHOW = "SELECT current_setting('extension_control_path')"
RELOAD = "SELECT pg_reload_conf()"
RELOAD_S = 10.0


def offer(url: str, folder: Path) -> None:
    """Let an embedded server find our extension; `folder` is its data, which it can surely read.

    PostgreSQL 18 looks for extensions where `extension_control_path` says.
    """
    ours = folder / "agora"
    shutil.copytree(SHIPPED, ours, dirs_exist_ok=True)
    for path in (ours, *ours.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    wanted = f"$system:{ours}"
    if _shown(url) == wanted:
        return
    with Connection.connect(url, autocommit=True) as connection:
        command = "ALTER SYSTEM SET extension_control_path = {}"
        connection.execute(sql.SQL(command).format(sql.Literal(wanted)))
        connection.execute(RELOAD)
    _await(url, wanted)


def _await(url: str, wanted: str) -> None:
    """Wait until new connections know of it: a reload returns before it is done."""
    until = time.monotonic() + RELOAD_S
    while _shown(url) != wanted and time.monotonic() < until:
        pass


def _shown(url: str) -> str:
    with Connection.connect(url, autocommit=True) as connection:
        row = connection.execute(SHOW).fetchone()
    assert row
    return str(row[0])
