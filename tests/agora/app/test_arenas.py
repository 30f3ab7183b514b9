import subprocess
import sys

import pytest

# Eight threads that hold memory at once; malloc_info tells of each arena that they have.
PROGRAM = """
import ctypes, os, sys, threading
from agora.app import arenas
arenas.keep_few() if sys.argv[1] == "few" else None
library, all_hold = ctypes.CDLL(None), threading.Barrier(8)
library.malloc.restype = library.fdopen.restype = ctypes.c_void_p
def hold():
    library.malloc(ctypes.c_size_t(1000))
    all_hold.wait()
threads = [threading.Thread(target=hold) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
library.malloc_info(0, ctypes.c_void_p(library.fdopen(1, b"w")))
library.fflush(None)
"""


def arenas(how: str, env: dict[str, str] | None = None) -> int:
    command = [sys.executable, "-c", PROGRAM, how]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=env or {})
    return said.stdout.count("<heap nr=")


def test_threads_share_two_arenas() -> None:
    assert arenas("few") == 2 < arenas("many")


@pytest.mark.parametrize("wanted", [1, 4])
def test_who_runs_it_may_say_how_many(wanted: int) -> None:
    assert arenas("few", {"MALLOC_ARENA_MAX": str(wanted)}) == wanted
