"""A real Redis of a test's own, which can be killed and started again."""

import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import redis

START_S = 60  # on a busy machine


@dataclass
class RedisServer:
    """A server on a socket in a folder; what it holds goes with it."""

    folder: TemporaryDirectory[str]
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def started(cls) -> "RedisServer":
        """Return a server that is up. A socket's path must be short: pytest's folders are not."""
        server = cls(TemporaryDirectory(prefix="agora-redis-"))
        server.start()
        return server

    @property
    def url(self) -> str:
        return f"unix://{self.folder.name}/redis.sock"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True, protocol=2)

    def start(self) -> None:
        socket = Path(self.folder.name, "redis.sock")
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            ["redis-server", *options, "--dir", self.folder.name], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with suppress(redis.RedisError), self.client() as client:
                if client.ping():
                    return
            time.sleep(0.01)  # noqa: TID251
        raise AssertionError("redis-server does not start")

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()
        self.folder.cleanup()
