# SPDX-License-Identifier: GPL-3.0-only
"""Servers with a script, behind TLS on loopback, and profiles that lead to them."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from maild.certificates import Authority
from maild.mail.address import parse_address
from terminal_client.profile import Place, Profile

PASSWORD = "correct horse"
PLAIN = base64.b64encode(f"\0alice@a.example\0{PASSWORD}".encode()).decode()


@dataclass
class Talk:
    """The server's side of one connection; ``heard`` is every line of the client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[str] = field(default_factory=list)

    async def say(self, *lines: str) -> None:
        """Send lines."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def hear(self, beginning: str = "") -> str:
        """Return the client's next line, which must begin so."""
        line = (await self.reader.readuntil(b"\r\n")).decode().removesuffix("\r\n")
        self.heard.append(line)
        assert line.startswith(beginning), (line, beginning)
        return line

    async def smtp_login(self, *keywords: str) -> None:
        """Greet, and let alice in by PLAIN."""
        await self.say("220 a.example ESMTP")
        await self.hear("EHLO [127.0.0.1]")
        offers = ["250-a.example", *(f"250-{k}" for k in keywords)]
        await self.say(*offers, "250 AUTH PLAIN")
        await self.hear(f"AUTH PLAIN {PLAIN}")
        await self.say("235 2.7.0 authenticated")

    async def imap_login(self, capabilities: str = "IMAP4rev1") -> None:
        """Greet, and let alice in by PLAIN."""
        offers = f"{capabilities} SASL-IR AUTH=PLAIN"
        await self.say(f"* OK [CAPABILITY {offers}] a.example")
        tag = await self.command(f"AUTHENTICATE PLAIN {PLAIN}")
        await self.say(f"{tag} OK in")

    async def command(self, beginning: str = "") -> str:
        """Take an IMAP command that begins so; return its tag."""
        tag, _, command = (await self.hear()).partition(" ")
        assert command.startswith(beginning), (command, beginning)
        return tag


def landed(content: bytes, size: int | None = None) -> str:
    """Return the reply that takes responsibility for a file."""
    digest = hashlib.sha256(content).hexdigest()
    octets = len(content) if size is None else size
    return f"250 2.0.0 4Zx1cQ0b9Rz0 {octets} octets sha-256 {digest}"


Script = Callable[[Talk], Awaitable[None]]


async def refuse(talk: Talk) -> None:
    """Hang up at once."""
    talk.writer.close()


@dataclass
class Servers:
    """Both servers of alice, each with a script; ``failures`` of the scripts."""

    profile: Profile
    failures: list[BaseException] = field(default_factory=list)


@asynccontextmanager
async def servers(
    folder: Path,
    *,
    smtp: Script = refuse,
    imap: Script = refuse,
    names: tuple[str, ...] = ("127.0.0.1",),
) -> AsyncIterator[Servers]:
    """Serve scripts; at the end a script that failed fails the test."""
    authority = Authority("test", datetime.datetime.now(datetime.UTC))
    pair = authority.issue(list(names))
    (folder / "server.pem").write_bytes(pair.certificate + pair.key)
    (folder / "ca.pem").write_bytes(authority.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem")
    failures: list[BaseException] = []
    running: set[asyncio.Task[None]] = set()

    async def play(
        script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await script(Talk(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client may leave when it has heard enough
        except AssertionError as error:
            failures.append(error)
        finally:
            writer.transport.abort()

    def begin(
        script: Script,
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def connected(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            task = asyncio.ensure_future(play(script, reader, writer))
            running.add(task)

        return connected

    places = []
    listeners = []
    for script in (smtp, imap):
        listener = await asyncio.start_server(
            begin(script), "127.0.0.1", 0, ssl=tls, limit=2**20
        )
        listeners.append(listener)
        places.append(Place("127.0.0.1", listener.sockets[0].getsockname()[1]))
    directory = folder / "profile"
    directory.mkdir(mode=0o700)
    profile = Profile(
        directory=directory,
        address=parse_address("alice@a.example"),
        submission=places[0],
        imap=places[1],
        ca=folder / "ca.pem",
    )
    try:
        yield Servers(profile, failures)
        for task in running:
            await asyncio.wait_for(task, 10)
    finally:
        for listener in listeners:
            listener.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert failures == []
