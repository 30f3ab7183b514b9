"""A webhook and a mail server on this machine, which keep what they are told or refuse it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any, TypeVar


@dataclass
class Hook:
    """What was posted so far, and the status of the next answer."""

    port: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/T000/B000/secret-path"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        if self.status == 200:
            self.told.append(body)
        answer = f"HTTP/1.1 {self.status} ok\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
        writer.write(answer.encode())
        await writer.drain()
        writer.close()


@dataclass
class Mailbox:
    """The letters so far; while it is `unwell` every recipient is refused for now."""

    port: int = 0
    letters: list[Message] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    unwell: bool = False

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        say("220 mailbox")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                say("250-mailbox")
                say("250 AUTH PLAIN")
            elif verb == "AUTH":
                user = base64.b64decode(line.split(" ")[2]).split(b"\0")[1].decode()
                self.users.append(user)
                say("235 welcome")
            elif verb == "RCPT" and self.unwell:
                say("451 come back later")
            elif verb == "DATA":
                say("354 go on")
                await writer.drain()
                text = await reader.readuntil(b"\r\n.\r\n")
                self.letters.append(message_from_bytes(text[:-5], policy=default))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                break
            else:
                say("250 well")
            await writer.drain()
        writer.close()


One = TypeVar("One", Hook, Mailbox)


@asynccontextmanager
async def opened(one: One) -> AsyncIterator[One]:
    """Serve on a free port for as long as the block lasts."""
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one
