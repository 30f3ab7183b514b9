"""The Python that a workspace's tests run under, and what a sandbox must show of it.

Everything is read from files: nothing of the workspace runs to find out.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/usr")  # every sandbox has it
_SHEBANG = re.compile(rb"^#!\s*(\S+)(?:\s+(\S+))?")
_LONG_SHEBANG = re.compile(rb"^'''exec' \"?([^\"\s]+)", re.MULTILINE)


@dataclass(frozen=True)
class Interpreter:
    """A Python with pytest, by the path under which it knows its packages."""

    python: Path

    @property
    def has_pytest(self) -> bool:
        """Return whether one of its package folders holds pytest."""
        return any((site / "pytest" / "__init__.py").is_file() for site in self.sites)

    @property
    def sites(self) -> tuple[Path, ...]:
        """Return its package folders, those of the Python below a virtual environment included."""
        prefixes = dict.fromkeys((self._prefix, *self._bases))
        found = [site for prefix in prefixes for site in _sites(prefix)]
        return tuple(dict.fromkeys(found + ([] if self.is_virtual else _user_sites())))

    @property
    def is_virtual(self) -> bool:
        """Return whether it belongs to a virtual environment."""
        return (self._prefix / "pyvenv.cfg").is_file()

    def readable(self, root: Path) -> tuple[Path, ...]:
        """Return the folders that it needs outside of /usr, the outermost first.

        What it imports from `root`, a project installed for editing, is left to the copy there.
        """
        linked = (path for path in self.linked if not path.is_relative_to(root))
        wanted = [self._prefix, *self._bases, *self.sites, *linked]
        return tuple(_outermost(path for path in wanted if path.is_dir()))

    @property
    def linked(self) -> tuple[Path, ...]:
        """Return folders that its path files add, such as projects installed for editing."""
        lines = (
            line.strip()
            for site in self.sites
            for file in sorted(site.glob("*.pth"))
            for line in file.read_text("utf-8", "replace").splitlines()
        )
        return tuple(Path(line) for line in lines if line.startswith("/") and Path(line).is_dir())

    @property
    def _prefix(self) -> Path:
        return self.python.parent.parent

    @property
    def _bases(self) -> tuple[Path, ...]:
        """Return the prefix of every Python that this one is a link to."""
        hops, place = [], self.python
        while place.is_symlink():
            place = place.parent / place.readlink()
            hops.append(Path(*_normal(place)).parent.parent)
        return (*hops, self.python.resolve().parent.parent)


OWN = Interpreter(Path(sys.executable))


def interpreter_of(program: Path) -> Interpreter | None:
    """Return the Python behind `python` or a `pytest` script; None where it cannot be told."""
    if program.name.startswith("python"):
        return _asked(program) if _is_script(program) else Interpreter(program)
    head = program.read_bytes()[:4096]
    named = _LONG_SHEBANG.search(head) or _SHEBANG.match(head)
    if named is None:
        return None
    python = Path(named[1].decode())
    if python.name == "env" and named.re is _SHEBANG and named[2]:
        python = Path(shutil.which(named[2].decode()) or python)
    if python.name.startswith("python"):
        return Interpreter(python) if not _is_script(python) else _asked(python)
    beside = program.with_name("python")
    return _asked(beside) if beside.is_file() else None


def _asked(shim: Path) -> Interpreter | None:
    """Ask a version manager's script which Python it stands for."""
    try:
        done = _run(shim)
        if done.returncode < 0:  # somebody has killed it
            done = _run(shim)
    except (OSError, subprocess.SubprocessError):
        return None
    return None if done.returncode else Interpreter(Path(done.stdout.strip()))


def _run(shim: Path) -> subprocess.CompletedProcess[str]:
    command = [str(shim), "-I", "-S", "-c", "import sys; print(sys.executable)"]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)


def _is_script(program: Path) -> bool:
    with program.open("rb") as file:
        return file.read(2) == b"#!"


def _sites(prefix: Path) -> list[Path]:
    patterns = ("lib/python3*/site-packages", "lib/python3*/dist-packages")
    local = ("local/lib/python3*/dist-packages",) if prefix == SYSTEM else ()
    return [site for pattern in (*patterns, *local) for site in sorted(prefix.glob(pattern))]


def _user_sites() -> list[Path]:
    return sorted((Path.home() / ".local" / "lib").glob("python3*/site-packages"))


def _normal(path: Path) -> Iterator[str]:
    """Yield the parts of a path without `..`, links left as they are."""
    parts: list[str] = []
    for part in path.parts:
        parts.pop() if part == ".." else parts.append(part)
    yield from parts


def _outermost(paths: Iterator[Path]) -> Iterator[Path]:
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda path: (len(path.parts), path)):
        if path.is_relative_to(SYSTEM) or any(path.is_relative_to(above) for above in kept):
            continue
        kept.append(path)
        yield path
