"""A mail server on this machine that keeps what it is sent, and can be told to be unwell."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default


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


@asynccontextmanager
async def opened() -> AsyncIterator[Mailbox]:
    """Run a mail server for as long as the block lasts."""
    mailbox = Mailbox()
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", 0)
    mailbox.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mailbox
