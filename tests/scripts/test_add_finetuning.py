import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.reading import ROOT

MODULE = "SFTTrainer = None\n"
WITHOUT_CUDA, WITH_CUDA = ("2.7.0", ""), ("2.8.0", "Requires-Dist: triton")


def wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """Write a wheel with one small module."""
    about = f"{name}-{version}.dist-info"
    with ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", MODULE)
        said = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\n"
        file.writestr(f"{about}/METADATA", said)
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """All that fine-tuning needs but torch, as small as can be."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version in {"datasets": "5.0", "peft": "0.20", "transformers": "5.0"}.items():
        wheel(folder, name, version)
    wheel(folder, "trl", "1.0", "Requires-Dist: torch")
    wheel(folder, "triton", "3.8")
    return folder


def add(wheels: Path, *arguments: str, **more: str) -> "tuple[int, str, set[str]]":
    """Run the script in a checkout where pip alone knows these wheels, and no network is.

    Return its exit code, its last line, and what is installed then.
    """
    root = wheels.parent / "checkout"
    (root / "scripts").mkdir(parents=True)
    (root / ".venv").mkdir()
    (root / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for name in ("pyproject.toml", "scripts/add_finetuning"):
        shutil.copy(ROOT / name, root / name)
    own = ("UV_", "PIP_", "CI")
    environment = {name: said for name, said in os.environ.items() if not name.startswith(own)}
    environment |= {"PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull} | more
    environment |= {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_CACHE_DIR": str(root / "cache")}
    environment |= {"PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [root / "scripts" / "add_finetuning", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    (*_, last) = done.stdout.splitlines()
    folder = root / ".venv" / "finetuning"
    found = {path.stem for path in folder.glob("lib/*/site-packages/*.dist-info")}
    return done.returncode, last, found | {path.name for path in folder.glob("installed")}


def test_an_older_build_of_torch_is_taken_before_one_with_cuda(wheels: Path) -> None:
    for build in (WITHOUT_CUDA, WITH_CUDA):
        wheel(wheels, "torch", *build)
    code, _, found = add(wheels)
    assert code == 0 and {"torch-2.7.0", "trl-1.0", "installed"} <= found
    assert "triton-3.8" not in found


def test_cuda_is_not_installed_unasked(wheels: Path) -> None:
    wheel(wheels, "torch", *WITH_CUDA)
    code, last, found = add(wheels)
    assert code == 1 and not found
    assert last == (
        "Missing: torch without CUDA. To add it with CUDA, 6 GB: scripts/add_finetuning --large"
    )


@pytest.mark.parametrize(("arguments", "ci"), [(("--large",), "false"), ((), "true")])
def test_cuda_is_installed_where_wished_or_required(
    wheels: Path, arguments: tuple[str, ...], ci: str
) -> None:
    wheel(wheels, "torch", *WITH_CUDA)
    code, _, found = add(wheels, *arguments, CI=ci)
    assert code == 0 and {"torch-2.8.0", "triton-3.8", "installed"} <= found


def test_what_cannot_be_imported_does_not_count_as_installed(
    wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(wheels, "torch", *WITHOUT_CUDA)
    monkeypatch.setattr(sys.modules[__name__], "MODULE", "raise ImportError('torn')\n")
    wheel(wheels, "trl", "1.1", "Requires-Dist: torch")
    code, last, found = add(wheels)
    assert code == 1 and last == "ImportError: torn" and "installed" not in found
