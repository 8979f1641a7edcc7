# SPDX-License-Identifier: Apache-2.0
"""Protocol transcripts as tests: ``*.smtp``, ``*.imap`` played against a live session.

    # comment
    @ submission                which listener to talk to (first line; optional)
    TLS                         begin TLS now (after the server's go-ahead)
    EOF                         we half-close
    AUTH alice@a.example        SMTP: log in by PLAIN with the test password
    C: EHLO peer.example        a line we send
    C+ 5 hello                  5 octets we send as they are (\\r \\n \\0 escapes)
    C* 5000 x                   5000 times the octet x
    S: 250-*                    lines the server must answer; * is a wildcard
    S: 250 *
    S. 250                      any number of reply lines up to the last one, "250 "
    S$                          the server must close the connection

A line of a script ends with CRLF on the wire.  ``<<name>>`` stands for a value that the
test gives.  Several ``C`` lines in a row are sent in one segment.

A transcript says everything that crosses the wire, in order.  What must not be said
(a path, a second reply) therefore fails too: at the end nothing may be left unread.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0
"""Seconds for one answer; only a broken server takes them."""
_ESCAPES = {r"\r": b"\r", r"\n": b"\n", r"\0": b"\0", "\\\\": b"\\"}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[str], Awaitable[Streams]]
"""Connects to a listener by name; "" is the first."""


@dataclass(slots=True)
class Play:
    """One transcript being played; ``where`` says so in a failure."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tls: ssl.SSLContext | None
    password: str
    where: str = ""
    closed: bool = False
    encrypted: bool = False

    async def step(self, kind: str, text: str) -> None:
        """Carry out one line of the script."""
        if kind.startswith("C"):
            self.writer.write(sent(kind, text))
        elif kind.startswith("S"):
            await self._hear(kind, text)
        elif kind == "EOF":
            self.writer.write_eof()
        elif kind == "TLS":
            assert self.tls is not None
            await self.writer.start_tls(self.tls, server_hostname="a.example")
            self.encrypted = True
        elif kind == "AUTH":
            await self._log_in(text)
        else:
            raise AssertionError(f"{self.where}: not a line of a transcript")

    async def _hear(self, kind: str, text: str) -> None:
        if kind == "S:":
            self._expect(await self._line(), text)
        elif kind == "S.":
            while not (line := await self._line()).startswith(f"{text} "):
                assert line, f"{self.where}: closed before {text!r}"
        else:
            assert kind == "S$", f"{self.where}: not a line of a transcript"
            await self._expect_close()

    async def finish(self) -> None:
        """Nothing may be left that the server wanted to say."""
        if not self.closed and not self.encrypted:
            self.writer.write_eof()
            rest = await asyncio.wait_for(self.reader.read(), PATIENCE)
            assert not rest, f"{self.where}: unread at the end: {rest!r}"
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return

    async def _line(self) -> str:
        line = await asyncio.wait_for(self.reader.readline(), PATIENCE)
        assert not line or line.endswith(b"\r\n"), f"{self.where}: {line!r}"
        return line.removesuffix(b"\r\n").decode()

    def _expect(self, line: str, pattern: str) -> None:
        wanted = ".*".join(re.escape(part) for part in pattern.split("*"))
        assert re.fullmatch(wanted, line), f"{self.where}: the server said {line!r}"

    async def _expect_close(self) -> None:
        try:
            rest = await asyncio.wait_for(self.reader.read(), PATIENCE)
        except ConnectionError:
            rest = b""
        assert not rest, f"{self.where}: said instead of closing: {rest!r}"
        self.closed = True

    async def _log_in(self, user: str) -> None:
        secret = base64.b64encode(f"\0{user}\0{self.password}".encode()).decode()
        self.writer.write(f"AUTH PLAIN {secret}\r\n".encode())
        self._expect(await self._line(), "235 *")


def sent(kind: str, text: str) -> bytes:
    """Return the octets of one line that we send."""
    count, _, octets = text.partition(" ")
    match kind:
        case "C:":
            return text.encode() + b"\r\n"
        case "C+":
            found = unescaped(octets)
            assert len(found) == int(count), f"{kind} {text}: {len(found)} octets"
            return found
        case _:
            return unescaped(octets) * int(count)


def unescaped(text: str) -> bytes:
    """Return the octets that a script writes with escapes."""
    return re.sub(
        rb"\\[rn0\\]", lambda m: _ESCAPES[m[0].decode()], text.encode("latin-1")
    )


async def play(
    path: Path,
    connect: Connect,
    *,
    tls: ssl.SSLContext | None = None,
    password: str = "",
    values: Mapping[str, str] | None = None,
) -> None:
    """Play one transcript; raises AssertionError where the server departs from it."""
    script = _script(path, values or {})
    listener = ""
    if script[0][1].startswith("@ "):
        listener = script.pop(0)[1].removeprefix("@ ")
    played = Play(*await connect(listener), tls, password)
    try:
        for number, line in script:
            played.where = f"{path.name}:{number}: {line}"
            kind, _, rest = line.partition(" ")
            await played.step(kind, rest)
        await played.finish()
    finally:
        played.writer.close()


def _script(path: Path, values: Mapping[str, str]) -> list[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"<<{name}>>", value)
    return [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line and not line.startswith("#")
    ]
