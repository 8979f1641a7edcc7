# SPDX-License-Identifier: Apache-2.0
"""How IMAP commands are read: octets into commands, with their literals (RFC 9051 §9).

Sans-I/O.  A command is kept as it stood on the wire, literals included, so that an
error anywhere in it has already swallowed them: their octets can never run as commands.
`maild.wire.imap_cursor` takes the arguments apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maild.wire.imap_cursor import BadError, Cursor

__all__ = [
    "BadError",
    "Broken",
    "Command",
    "CommandReader",
    "Continue",
    "Cursor",
    "LiteralHead",
    "LiteralNext",
    "Misread",
    "Tail",
]

LONGEST_TEXT = 64 * 1024
"""Octets of one command without its literals (RFC 7162 §4 asks for 8192)."""
LONGEST_PLUS = 4096
"""Octets of a literal that is sent without being asked for (RFC 7888 §5: LITERAL-)."""
MOST_LITERALS = 256 * 1024
"""Octets of all literals of one command, but for the message of APPEND."""
LITERAL_BEFORE_LOGIN = 1024
"""Octets of one literal from somebody nobody knows: user names and passwords."""

_LITERAL = re.compile(rb"(~?)\{([0-9]+)(\+?)\}\r\n$")
_START = re.compile(
    rb"([!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,100}) ([A-Za-z]+)( |$)"
)
_TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,100}(?= )")
_MESSAGE = re.compile(
    rb"[^ ]+ (?:(APPEND) |((?:UID )?REPLACE) (?:[0-9]{1,10}|\*) )(?=.)",
    re.IGNORECASE | re.DOTALL,
)
"""Commands that bring a message, up to its mailbox (RFC 9051 §6.3.12, RFC 8508)."""
_MAILBOX_LITERAL = re.compile(rb"~?\{[0-9]+\+?\}\r\n$")


@dataclass(frozen=True, slots=True)
class Command:
    """One whole command; ``verb`` in upper case, ``arguments`` as on the wire."""

    tag: str
    verb: str
    arguments: bytes

    def cursor(self) -> Cursor:
        """Return a cursor at the first argument."""
        return Cursor(self.arguments)


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for ``+`` before it sends a literal (RFC 9051 §7.6).

    Or for a refusal: after `CommandReader.refuse` the command is over.
    """

    tag: str
    verb: str


@dataclass(frozen=True, slots=True)
class Misread:
    """A command that cannot be understood; ``tag`` is "*" when it has none."""

    tag: str
    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The client can no longer be kept in step (or means harm): say BYE and close."""

    tag: str
    text: str


@dataclass(frozen=True, slots=True)
class LiteralHead:
    """The message of an APPEND comes next: `CommandReader.take` or `refuse` it.

    ``arguments`` is what stands before the literal, of ``size`` octets.  Or the first
    part of one that is put together (CATENATE, RFC 4469).
    """

    tag: str
    verb: str
    """APPEND, REPLACE or UID REPLACE."""
    arguments: bytes
    size: int
    waits: bool
    """The client waits for ``+``; when False the octets come whatever is answered."""
    binary: bool
    """``~{n}``: the octets may hold NUL (RFC 3516 §4.4)."""


@dataclass(frozen=True, slots=True)
class LiteralNext:
    """What followed the streamed literal, up to another one: take or refuse that."""

    octets: bytes
    size: int
    waits: bool


@dataclass(frozen=True, slots=True)
class Tail:
    """What followed the last streamed literal, without its line end."""

    octets: bytes


Event = Command | Continue | Misread | Broken | LiteralHead | LiteralNext | Tail


class CommandReader:
    """Cuts the octets of one connection into commands."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._parts = bytearray()
        self._text = 0
        self._wanted = 0
        self._literals = 0
        self._streaming = 0
        self._in_tail = False
        self.known = False
        """Set at login: larger literals are taken, APPEND is streamed."""

    @property
    def held(self) -> int:
        """Octets that wait here; the owner stops reading when they are many."""
        return len(self._buffer)

    def feed(self, octets: bytes | memoryview) -> None:
        """Take octets from the connection."""
        self._buffer += octets

    def drop(self) -> None:
        """Forget what was sent in clear before TLS began (CVE-2011-0411)."""
        self._buffer.clear()
        self._over()

    def next(self) -> Event | None:
        """Return what has happened next, or None: more octets are needed."""
        while True:
            if self._wanted:
                if len(self._buffer) < self._wanted:
                    return None
                self._parts += self._buffer[: self._wanted]
                del self._buffer[: self._wanted]
                self._wanted = 0
            line = self._line()
            if line is None:
                return self._too_long()
            self._parts += line
            self._text += len(line)
            event = self._after(line)
            if event is not None:
                return event

    def line(self) -> bytes | Broken | None:
        """Return a line that is no command (SASL, DONE), without its line end."""
        line = self._line()
        if line is not None:
            return line[:-2]
        return self._too_long()

    def refuse(self) -> None:
        """Forget the announced literal, which the client has not sent (it waits)."""
        self._over()

    def take(self, most: int) -> bytes | None:
        """Return up to ``most`` octets of the literal; b"" at its end, None: feed."""
        if not self._streaming:
            return b""
        if not self._buffer:
            return None
        octets = bytes(self._buffer[: min(most, self._streaming)])
        del self._buffer[: len(octets)]
        self._streaming -= len(octets)
        return octets

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        self._searched = 0
        line = bytes(self._buffer[:end]).removesuffix(b"\r") + b"\r\n"
        del self._buffer[: end + 1]
        return line

    def _too_long(self) -> Broken | None:
        if self._text + len(self._buffer) > LONGEST_TEXT:
            return self._broken("the line is too long")
        return None

    def _after(self, line: bytes) -> Event | None:
        """Look at a line that was added: a literal may follow it, or it is the last."""
        if self._text > LONGEST_TEXT:
            return self._broken("the command is too long")
        found = _LITERAL.search(line)
        if found is None:
            return self._whole()
        if len(found[2]) > 19:
            return self._broken("the literal is too large")
        size, waits = int(found[2]), not found[3]
        if self._in_tail:
            return self._next_literal(found, size, waits=waits)
        head = self._streamed(found, size, waits=waits)
        return head or self._held(size, waits=waits)

    def _held(self, size: int, *, waits: bool) -> Event | None:
        most = MOST_LITERALS - self._literals
        if not self.known:
            most = min(most, LITERAL_BEFORE_LOGIN)
        if size > most or (size > LONGEST_PLUS and not waits):
            if not waits:
                return self._broken("[TOOBIG] the literal is too large")
            tag = self._tag()
            self._over()
            return Misread(tag, "[TOOBIG] the literal is too large")
        self._wanted = size
        self._literals += size
        if not waits:
            return None
        start = _START.match(self._parts)
        return Continue(self._tag(), start[2].decode().upper() if start else "")

    def _streamed(
        self, found: re.Match[bytes], size: int, *, waits: bool
    ) -> Event | None:
        """Return the head of an APPEND when its message is what comes next."""
        verb = _MESSAGE.match(self._parts) if self.known else None
        if verb is None:
            return None
        if _MAILBOX_LITERAL.fullmatch(self._parts, verb.end()):
            return None  # the mailbox's name is a literal, too
        if size > LONGEST_PLUS and not waits:
            return self._broken("[TOOBIG] the literal is too large")
        which = 1 if verb[1] else 2
        arguments = bytes(self._parts[verb.end(which) + 1 : -len(found[0])])
        name, tag = verb[which].decode().upper(), self._tag()
        self._over()
        self._streaming, self._in_tail = size, True
        return LiteralHead(tag, name, arguments, size, waits, bool(found[1]))

    def _next_literal(self, found: re.Match[bytes], size: int, *, waits: bool) -> Event:
        """Return what leads to another literal of a message that is put together."""
        if size > LONGEST_PLUS and not waits:
            return self._broken("[TOOBIG] the literal is too large")
        octets = bytes(self._parts[: -len(found[0])])
        self._over()
        self._streaming, self._in_tail = size, True
        return LiteralNext(octets, size, waits)

    def _whole(self) -> Event:
        if self._in_tail:
            return self._tail()
        octets = bytes(self._parts[:-2])
        tag = self._tag()
        self._over()
        start = _START.match(octets)
        if start is None:
            return Misread(tag, "a command is a tag and a verb")
        verb = start[2].decode().upper()
        return Command(start[1].decode(), verb, octets[start.end() :])

    def _tail(self) -> Tail:
        octets = bytes(self._parts[:-2])
        self._over()
        return Tail(octets)

    def _broken(self, text: str) -> Broken:
        return Broken(self._tag(), text)

    def _tag(self) -> str:
        tag = _TAG.match(self._parts)
        return tag[0].decode() if tag else "*"

    def _over(self) -> None:
        self._parts.clear()
        self._text = self._wanted = self._literals = self._streaming = 0
        self._searched = 0
        self._in_tail = False
