"""Running code that nobody has read: bubblewrap, limits, a deadline, and capped output.

A trusted workspace gets the limits and the deadline only.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import IO

from agora.domain.doors import require_act
from agora.domain.errors import ChildKilledError, SandboxFailedError, SandboxMissingError
from agora.domain.repair.walls import INSIDE, Walls, give_away
from agora.domain.settings import SandboxSettings

OUTPUT_BYTES = 1_000_000
HOME = Path("/workspace")
GLANCE_S = 0.05  # how often a waiting run looks for a wish to stop


class CancelledRunError(SandboxFailedError):
    """Somebody stopped the run: no verdict."""


@dataclass(frozen=True)
class Ran:
    """How a confined command ended; status is -9 where we ended it."""

    status: int
    output: bytes  # standard output and error, the first megabyte
    is_timed_out: bool
    seconds: float

    @property
    def text(self) -> str:
        """Return the output as text; what is not UTF-8 shows as such."""
        return self.output.decode("utf-8", "replace")


@dataclass(frozen=True)
class Sandbox:
    """A place for unknown code, with its limits; a trusted one hides nothing from it."""

    limits: SandboxSettings
    is_trusted: bool = False

    def run(
        self,
        folder: Path,
        command: Sequence[str],
        *,
        timeout_s: float,
        readable: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        at: Path = HOME,
        cancel: Event | None = None,
    ) -> Ran:
        """Run one command in `folder`, which it may write, and return how it ended.

        `readable` keep their paths; `at` is where the folder appears inside. Raises
        SandboxFailedError where the sandbox itself did not work, and ChildKilledError.
        """
        with self.open(
            folder, command, readable=readable, env=env, at=at, cpu_s=timeout_s
        ) as running:
            return running.finish(stdin, timeout_s, cancel or Event())

    @contextmanager
    def open(
        self,
        folder: Path,
        command: Sequence[str],
        *,
        readable: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        at: Path = HOME,
        cpu_s: float = 600,
    ) -> "Iterator[Running]":
        """Start one command that can be talked to; at the end of the block it is gone."""
        require_act("run_tests", "call_tool")
        with tempfile.TemporaryDirectory(prefix="agora-walls-") as scratch:
            os.chmod(scratch, 0o711)
            inside = INSIDE | dict(env or {})
            walls = Walls(
                self.limits, folder, at, tuple(readable), inside, int(cpu_s) + 1, Path(scratch)
            )
            give_away(folder) if not self.is_trusted else None
            running = self._start(walls, command)
            try:
                yield running
            finally:
                running.end()

    def _start(self, walls: Walls, command: Sequence[str]) -> "Running":
        ours, theirs = os.pipe()
        try:
            argv = walls.limited(command) if self.is_trusted else walls.confined(command, theirs)
            started = time.monotonic()
            process = subprocess.Popen(
                argv,
                cwd=walls.folder if self.is_trusted else "/",
                # bubblewrap is process 1 inside, so its own environment would show there.
                env=dict(walls.env) if self.is_trusted else {},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs,),
                start_new_session=True,
            )
        except OSError as error:
            os.close(ours)
            raise SandboxFailedError(f"the sandbox does not start: {error}") from None
        finally:
            os.close(theirs)
        return Running(process, ours, started, self.is_trusted)


@dataclass(frozen=True)
class Running:
    """A confined command that still runs."""

    process: "subprocess.Popen[bytes]"
    status_fd: int
    started: float
    is_trusted: bool
    is_given_up: Event = field(default_factory=Event)  # it was us who killed it

    @property
    def stdin(self) -> IO[bytes]:
        """Return where the command reads."""
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Return what the command says, standard error included."""
        assert self.process.stdout is not None
        return self.process.stdout

    def finish(self, stdin: bytes, timeout_s: float, cancel: Event) -> Ran:
        """Feed the command, wait for its end or the deadline, and return how it ended."""
        output = bytearray()
        is_timed_out = not (self._pump(stdin, output, timeout_s, cancel) and self._ends(timeout_s))
        self.kill()
        status = self.process.wait()
        seconds = time.monotonic() - self.started
        if not is_timed_out and not self.is_trusted:
            status = self._status(bytes(output))
        return Ran(status, bytes(output), is_timed_out, seconds)

    def kill(self) -> None:
        """End the whole process group, what its members started included."""
        if self.process.poll() is None:
            self.is_given_up.set()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def require_alive(self) -> None:
        """Raise ChildKilledError if somebody else has killed what says nothing any more."""
        try:
            status = self.process.wait(GLANCE_S)
        except subprocess.TimeoutExpired:
            return
        if status == -signal.SIGKILL and not self.is_given_up.is_set():
            raise ChildKilledError("the sandbox was killed")

    def end(self) -> None:
        """Kill whatever is left and close our ends."""
        if self.process.returncode is None:
            self.kill()
        self.process.wait()
        os.close(self.status_fd)
        self.stdout.close()
        try:
            self.stdin.close()
        except BrokenPipeError:
            pass

    def _pump(self, stdin: bytes, output: bytearray, timeout_s: float, cancel: Event) -> bool:
        """Move bytes both ways until the command ends; False at the deadline."""
        deadline = self.started + timeout_s
        waiting = memoryview(stdin)
        os.set_blocking(self.stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.stdout, selectors.EVENT_READ)
            selector.register(self.stdin, selectors.EVENT_WRITE)
            while (left := deadline - time.monotonic()) > 0:
                if cancel.is_set():
                    raise CancelledRunError("the run was stopped")
                ready = [key.fileobj for key, _ in selector.select(min(left, GLANCE_S))]
                if self.stdin in ready:
                    waiting = self._write(waiting)
                    if not waiting:
                        selector.unregister(self.stdin)
                        self._close_stdin()
                if self.stdout in ready and not self._read(output):
                    return True
                if not ready and self.process.poll() is not None:
                    self._drain(output)
                    return True
        return False

    def _drain(self, output: bytearray) -> None:
        """Read what the command wrote between our last look and its end."""
        os.set_blocking(self.stdout.fileno(), False)
        try:
            while self._read(output):
                pass
        except BlockingIOError:
            pass  # something that it started still holds the pipe open

    def _ends(self, timeout_s: float) -> bool:
        try:
            self.process.wait(max(GLANCE_S, self.started + timeout_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _close_stdin(self) -> None:
        try:
            self.stdin.close()
        except BrokenPipeError:
            pass

    def _write(self, waiting: memoryview) -> memoryview:
        try:
            return waiting[os.write(self.stdin.fileno(), waiting[:65536]) :]
        except BrokenPipeError:
            return waiting[:0]

    def _read(self, output: bytearray) -> bool:
        piece = os.read(self.stdout.fileno(), 65536)
        output += piece[: max(0, OUTPUT_BYTES - len(output))]
        return bool(piece)

    def _status(self, output: bytes) -> int:
        """Return the command's exit status, which bubblewrap tells apart from its own."""
        os.set_blocking(self.status_fd, False)
        try:
            said = os.read(self.status_fd, 4096).decode()
        except BlockingIOError:
            said = ""
        for line in said.splitlines():
            if "exit-code" in line:
                return int(json.loads(line)["exit-code"])
        self.require_alive()
        reason = output.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no reason given"]
        raise SandboxFailedError(
            f"the sandbox did not work: {reason[0]}",
            "bubblewrap needs user namespaces; or run your own code with --trust-workspace",
        )


def choose_sandbox(settings: SandboxSettings, trust_workspace: bool) -> Sandbox:
    """Use bubblewrap, or limits only where a person vouches for the workspace.

    Raises SandboxMissingError where there is neither.
    """
    if trust_workspace:
        return Sandbox(settings, is_trusted=True)
    if shutil.which("bwrap") is None:
        raise SandboxMissingError(
            "bubblewrap is not installed, and unknown code does not run without it",
            "apt-get install bubblewrap, or --trust-workspace if the code is your own",
        )
    return Sandbox(settings)
