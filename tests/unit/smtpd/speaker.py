# SPDX-License-Identifier: Apache-2.0
"""Speaks SMTP by hand, for tests of what a conversation leaves behind."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl

from maild.mail.address import Address
from maild.mail.compose import Facts, ItemFacts, push_frame, upload_head, with_digest
from maild.mail.reply import Reply
from maild.wire.smtp_reply import ReplyReader
from tests.unit.smtpd.live import ALICE, NOW, PASSWORD, STRANGER, Live, Streams

PATIENCE = 30.0


class Speaker:
    """One connection; replies come back as values."""

    def __init__(self, streams: Streams) -> None:
        self.reader, self.writer = streams
        self._replies = ReplyReader()
        self._waiting: list[Reply] = []

    @classmethod
    async def hello(cls, live: Live, listener: str = "smtp") -> Speaker:
        """Connect and say EHLO."""
        speaker = cls(await live.connect(listener))
        assert (await speaker.reply()).code == 220
        await speaker.says("EHLO peer.example", 250)
        return speaker

    @classmethod
    async def secure(cls, live: Live) -> Speaker:
        """Connect as another server, by STARTTLS."""
        speaker = await cls.hello(live)
        await speaker.says("STARTTLS", 220)
        await speaker.start_tls(live.tls)
        return speaker

    @classmethod
    async def alice(cls, live: Live, who: Address = ALICE) -> Speaker:
        """Connect as alice's terminal (or somebody else's), logged in."""
        speaker = await cls.hello(live, "submissions")
        secret = base64.b64encode(f"\0{who}\0{PASSWORD}".encode()).decode()
        await speaker.says(f"AUTH PLAIN {secret}", 235)
        return speaker

    async def start_tls(self, tls: ssl.SSLContext) -> None:
        await self.writer.start_tls(tls, server_hostname="a.example")
        await self.says("EHLO peer.example", 250)

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.writer.write(octets)

    async def reply(self) -> Reply:
        """Return the next reply."""
        while not self._waiting:
            octets = await asyncio.wait_for(self.reader.read(65536), PATIENCE)
            assert octets, "the server has closed"
            self._waiting += self._replies.feed(octets)
        return self._waiting.pop(0)

    async def says(self, command: str, code: int) -> Reply:
        """Send a command that has to be answered with ``code``."""
        self.send(command.encode() + b"\r\n")
        reply = await self.reply()
        assert reply.code == code, f"{command}: {reply}"
        return reply

    async def chunk(self, octets: bytes, code: int, *, last: bool = True) -> Reply:
        """Send one chunk that has to be answered with ``code``."""
        self.send(b"BDAT %d%s\r\n" % (len(octets), b" LAST" if last else b""))
        self.send(octets)
        await self.writer.drain()
        reply = await self.reply()
        assert reply.code == code, reply
        return reply

    async def envelope(self, to: str, sender: str = "", parameters: str = "") -> None:
        """MAIL and RCPT, both of which have to be taken."""
        sender = sender or str(STRANGER)
        await self.says(f"MAIL FROM:<{sender}> {parameters}", 250)
        await self.says(f"RCPT TO:<{to}>", 250)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return


def content(size: int) -> bytes:
    """Return octets that nothing compresses or repeats.

    Wherever they are cut, their end cannot be the beginning of a boundary.
    """
    return os.urandom(size).replace(b"\r", b"\n")


def push_of(octets: bytes, sha256: str, *, name: str = "film.mov") -> bytes:
    """Return the message that brings ``octets`` to another server."""
    item = ItemFacts(
        "item-1", name, "video/quicktime", len(octets), None, STRANGER, "look"
    )
    facts = Facts("push@b.example", NOW, "0123456789abcdef")
    head, tail = push_frame(item, "=_boundary", facts)
    return head + octets + with_digest(tail, sha256)


def upload_of(octets: bytes, *, name: str = "film.mov", number: str = "001") -> bytes:
    """Return the message that brings ``octets`` into alice's Library."""
    item = ItemFacts("", name, "video/quicktime", len(octets), None, None)
    head = upload_head(
        item,
        number=number,
        code="Aaa123",
        account=ALICE,
        facts=Facts("upload@a.example", NOW, "fedcba9876543210"),
        terminal="terminal-1",
    )
    return head + octets
