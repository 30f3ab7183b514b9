"""What a piece of code is able to do, read from its syntax tree: names, not guesses.

A use is (rule, what was used); a patch may only add uses that its tool had before.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

REFUSED = {
    "network": (
        "socket socketserver ssl urllib urllib3 urllib.request http http.client http.server ftplib "
        "smtplib poplib imaplib telnetlib xmlrpc requests httpx aiohttp websockets paramiko grpc "
        "asyncio.open_connection asyncio.start_server webbrowser nntplib boto3"
    ),
    "subprocess": (
        "subprocess pty multiprocessing os.system os.popen os.fork os.forkpty os.posix_spawn "
        "os.posix_spawnp os.startfile concurrent.futures.ProcessPoolExecutor pexpect sh "
        "asyncio.create_subprocess_exec asyncio.create_subprocess_shell os.pipe"
    ),
    "evaluation": (
        "eval exec compile __import__ importlib runpy code codeop pickle marshal shelve dill "
        "builtins.eval builtins.exec pkgutil zipimport imp types.FunctionType types.CodeType"
    ),
    "native_code": "ctypes cffi _ctypes mmap numpy.ctypeslib",
    "import_hook": (
        "sys.meta_path sys.path_hooks sys.path sys.modules sys.path_importer_cache builtins "
        "__builtins__ site sitecustomize"
    ),
    "file_deletion": (
        "shutil os.remove os.unlink os.rmdir os.removedirs os.rename os.replace os.truncate "
        "os.chmod os.chown os.symlink os.link .unlink .rmdir .rmtree"
    ),
    "file_writing": (
        "os.open os.write os.mkdir os.makedirs tempfile fcntl sqlite3 .write_text .write_bytes "
        ".mkdir .touch .symlink_to .hardlink_to"
    ),
    "test_runner": (
        "pytest _pytest unittest pluggy doctest atexit os._exit os.abort os.kill os.killpg "
        "sys.exit exit quit signal faulthandler SystemExit KeyboardInterrupt GeneratorExit gc "
        "inspect traceback sys._getframe sys._current_frames sys.settrace sys.setprofile "
        "sys.gettrace sys.argv sys.excepthook sys.stdout sys.stderr sys.monitoring "
        "threading.excepthook "
        "threading.settrace sys.setrecursionlimit resource warnings.simplefilter nose hypothesis "
        "coverage sys.unraisablehook sys.exc_info sys.__stdout__ sys.__stderr__ os.getppid "
        "os.getpid os.dup2 os.dup os.close contextlib.suppress"
    ),
    "reflection": (
        "globals locals vars setattr delattr .__globals__ .__code__ .__builtins__ .__subclasses__ "
        ".__bases__ .__mro__ .__dict__ .__closure__ .__defaults__ .f_back .f_locals .f_globals "
        ".tb_frame .gi_frame .cr_frame .__reduce__ .__getattribute__ __loader__ __spec__"
    ),
}
FLAGGED = {
    "environment": "os.environ os.environb os.getenv platform getpass pwd os.uname os.getlogin",
    "input": "input sys.stdin open io.open os.listdir os.walk os.scandir .read_text .read_bytes",
    "chance": "random secrets uuid os.urandom numpy.random",
    "concurrency": "threading asyncio concurrent queue time.sleep sched",
    "hashing": "hash hashlib zlib binascii hmac",
    "output": "logging print warnings",
}
PURE = set(
    "__future__ abc array ast base64 bisect calendar cmath collections colorsys contextlib copy "
    "csv dataclasses datetime decimal difflib enum errno fnmatch fractions functools graphlib "
    "heapq html io itertools json keyword locale math numbers operator os pathlib posixpath pprint "
    "re reprlib shlex statistics string struct sys textwrap time types typing unicodedata weakref "
    "xml zoneinfo token tokenize stringprep ipaddress configparser tomllib".split()
)
SECRET_PLACES = (
    "/proc",
    "/sys/",
    "/etc/",
    "/dev/",
    "/root",
    ".ssh",
    ".aws",
    ".env",
    ".netrc",
    "id_rsa",
)
TELLTALES = ("PYTEST_", "pytest", "_pytest", "unittest", "CI", "test_")


@dataclass(frozen=True)
class Use:
    """One thing that code can do, and the line where it says so."""

    rule: str
    name: str
    line: int
    is_refused: bool


def uses(tree: ast.AST) -> Iterator[Use]:
    """Yield every use of a capability, in the order of the tree."""
    aliases = _aliases(tree)
    for node in ast.walk(tree):
        for name in _names(node, aliases):
            yield from _judged(name, getattr(node, "lineno", 1))
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield from _text(node)
        if isinstance(node, ast.Call):
            yield from _writing(node, aliases)


def _judged(name: str, line: int) -> Iterator[Use]:
    for rule, is_refused in _rules_of(name):
        yield Use(rule, name, line, is_refused)


@lru_cache(10_000)
def _rules_of(name: str) -> tuple[tuple[str, bool], ...]:
    return tuple(
        (rule, is_refused)
        for rules, is_refused in ((REFUSED, True), (FLAGGED, False))
        for rule, known in rules.items()
        if any(_matches(name, one) for one in known.split())
    )


def _matches(name: str, known: str) -> bool:
    if known.startswith("."):
        return name.endswith(known)
    return name == known or name.startswith(f"{known}.")


def _names(node: ast.AST, aliases: Mapping[str, str]) -> Iterator[str]:
    """Yield the full names that a node speaks of."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Attribute):
        yield _dotted(node, aliases)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield aliases.get(node.id, node.id)


def _dotted(node: ast.expr, aliases: Mapping[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, aliases)}.{node.attr}"
    return aliases.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _aliases(tree: ast.AST) -> dict[str, str]:
    """Return what imported names stand for."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom):
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


def _text(node: ast.Constant) -> Iterator[Use]:
    text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")  # type: ignore[union-attr] # bytes, as the caller has seen
    if any(place in text for place in SECRET_PLACES) and " " not in text:
        yield Use("secrets", text, node.lineno, True)
    if any(text.startswith(word) and len(text) < 40 for word in TELLTALES[:4]):
        yield Use("test_runner", text, node.lineno, True)


def _writing(node: ast.Call, aliases: Mapping[str, str]) -> Iterator[Use]:
    """Yield a use for `open` in any mode but reading."""
    name = _dotted(node.func, aliases)
    if name not in ("open", "io.open") and not name.endswith(".open"):
        return
    at = 0 if name.endswith(".open") and name != "io.open" else 1
    modes = [*node.args[at : at + 1], *(k.value for k in node.keywords if k.arg == "mode")]
    for mode in modes:
        if not (isinstance(mode, ast.Constant) and set(str(mode.value)) <= set("rbtU")):
            yield Use("file_writing", "open for writing", node.lineno, True)


def unknown_imports(tree: ast.AST, local: set[str]) -> Iterator[Use]:
    """Yield imports of modules that are neither pure, nor of the tree, nor judged elsewhere."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            if top not in PURE | local and not any(_judged(name, 1)):
                kind = "standard" if top in sys.stdlib_module_names else "third-party"
                yield Use("import", f"{kind} module {name}", getattr(node, "lineno", 1), False)
