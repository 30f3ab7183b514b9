"""Servers and workers as a user starts them: processes that can be told to stop, and be killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

AGORA = Path(sys.executable).with_name("agora")
START_S = 150  # on a busy machine
_held: list[socket.socket] = []


@dataclass
class Process:
    """One `agora` command that goes on until it is told to stop."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    executable: tuple[str, ...] = (str(AGORA),)
    popen: "subprocess.Popen[bytes] | None" = None
    stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        with self.log.open("a") as log:
            self.popen = subprocess.Popen(
                [*self.executable, *self.command],
                env=self.env,
                cwd=self.log.parent,
                stdout=log,
                stderr=log,
            )

    @property
    def running(self) -> "subprocess.Popen[bytes]":
        assert self.popen
        return self.popen

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.running.pid).children())

    def stop(self) -> int:
        """Tell it to stop and return its exit code."""
        if self.running.poll() is None:
            self.running.send_signal(signal.SIGTERM)
        return self.running.wait(60)

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()

    def said(self) -> str:
        return self.log.read_text()


@dataclass
class Server(Process):
    """`agora serve` on a port of its own, and the SDK's client for it."""

    port: int = field(default=0)
    token: str | None = None

    @cached_property
    def client(self) -> SyncLangGraphClient:
        """Return a client that lasts as long as this object's process."""
        made = get_sync_client(url=self.url, api_key=self.token)
        return self.stack.enter_context(made)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        super().start()
        until(self._is_ready, START_S, self.said)

    def _is_ready(self) -> bool:
        assert self.running.poll() is None, self.said()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    def worker(self) -> psutil.Process:
        """Return its worker, once that works."""
        until(lambda: bool(self.children()), START_S, self.said)
        return self.children()[0]


def until(happened: Callable[[], Any], seconds: float, said: Callable[[], str] = str) -> None:
    """Wait until something has happened; fail with what was said by then."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, said()[-3000:]
        time.sleep(0.05)  # noqa: TID251


def environment(url: str, folder: Path, **more: str) -> dict[str, str]:
    """Return what a process of a test may see."""
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder), "AGORA_HOME": str(folder / "home")}
    return plain | {"DATABASE_URL": url} | more


def new_server(folder: Path, env: Mapping[str, str], name: str = "server") -> Server:
    """Return a server that is yet to be started."""
    port = free_port()
    return Server(("serve", "--port", str(port)), env, folder / f"{name}.log", port=port)


def new_worker(folder: Path, env: Mapping[str, str]) -> Process:
    """Return a worker that is yet to be started."""
    return Process(("worker",), env, folder / "worker.log")


@contextmanager
def ending(*processes: Process) -> Iterator[None]:
    """Kill in the end what still runs; what dies of that are also the children."""
    try:
        yield
    finally:
        for process in processes:
            process.stack.close()
            if process.popen and process.popen.poll() is None:
                process.kill()


def free_port() -> int:
    """Return a port that no other process is given until a server of ours listens there.

    It stays bound here as long as this process lives; who reuses addresses may listen all the same.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])
