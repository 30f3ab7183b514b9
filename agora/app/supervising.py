"""A worker beside the server: started, begun again when it dies, and never left behind."""

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable

from agora.app.draining import PATIENCE_S

COMMAND = ("-P", "-c", "from agora.app.cli import main; main()", "worker", "--with-parent")
LONGEST_PAUSE_S = 60.0
PR_SET_PDEATHSIG = 1


async def supervise(tell: Callable[[str], None]) -> None:
    """Keep one worker alive until cancelled; then end it in good order."""
    loop, pause_s = asyncio.get_running_loop(), 1.0
    while True:
        begun = loop.time()
        worker = await asyncio.create_subprocess_exec(
            sys.executable, *COMMAND, str(os.getpid()), stdout=sys.stderr
        )
        try:
            code = await worker.wait()
        finally:
            await _end(worker)
        pause_s = 1.0 if loop.time() - begun > LONGEST_PAUSE_S else min(pause_s, LONGEST_PAUSE_S)
        tell(f"the worker has ended with {code}; the next one begins in {pause_s:.0f} s")
        await asyncio.sleep(pause_s)
        pause_s *= 2


async def _end(worker: Process) -> None:
    """Tell it to stop; kill it when it takes longer than its jobs may."""
    if worker.returncode is not None:
        return
    worker.terminate()
    try:
        async with asyncio.timeout(PATIENCE_S + 5):
            await worker.wait()
    except TimeoutError:
        worker.kill()
        await worker.wait()


def end_with(parent: int) -> None:
    """Let the kernel tell this process to stop when its parent dies, however that dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it has died before we could ask
        sys.exit(0)
