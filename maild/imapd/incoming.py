# SPDX-License-Identifier: Apache-2.0
"""The message of an APPEND or REPLACE as it comes: one literal, or parts (CATENATE).

Whatever is wrong with it, `Incoming.skip` gets past the rest, so that no octet of a
message ever runs as a command.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from maild.imapd.connection import ClosedError, OutOfStepError
from maild.imapd.session import Session
from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_read import Broken, LiteralHead, LiteralNext, Tail
from maild.wire.imap_write import NoError, status_line

PIECE = 256 * 1024
"""Octets handed on at once."""
MOST_PARTS = 5000
"""Parts of one message; an edit of a file seldom needs a hundred."""
LONGEST_URL = 4096
"""Octets of the URL of one part."""
MOST_DROPPED = 64 * 1024 * 1024
"""Octets of a refused message that are read and dropped; then the connection ends."""
_CATENATE = b"CATENATE ("


@dataclass(frozen=True, slots=True)
class Text:
    """``TEXT {size}``, or a message in one piece: take `Incoming.octets`."""

    size: int


@dataclass(frozen=True, slots=True)
class Reference:
    """``URL``: octets that the server has (RFC 4469 §3)."""

    url: str


class Incoming:
    """One message that a client brings; ``cursor`` is at what stands before it."""

    def __init__(
        self, session: Session, arguments: bytes, head: LiteralHead | None
    ) -> None:
        self.cursor = Cursor(arguments)
        self.binary = head is not None and head.binary
        """Whether its first literal may hold any octets (RFC 3516 §4.4)."""
        self._session = session
        self._reader = session.connection.reader
        self._ahead: LiteralHead | LiteralNext | None = head
        """A literal that is announced, and neither asked for nor refused."""
        self._whole = head is None
        """Whether nothing of the command is to come."""

    @property
    def is_in_parts(self) -> bool:
        """Whether what comes next is CATENATE."""
        return self.cursor.peek(len(_CATENATE)).upper() == _CATENATE

    async def parts(self) -> AsyncGenerator[Text | Reference, None]:
        """Yield what the message is made of; all of a `Text` has to be taken."""
        if not self.cursor.accept(_CATENATE):
            message = self._text()
            if not message.size:  # RFC 9051 §6.3.12: not an APPEND that is cancelled
                raise NoError("the message is empty", "TOOBIG")
            yield message
            await self._advance()
        else:
            for _ in range(MOST_PARTS):
                if self.cursor.accept(b"TEXT "):
                    yield self._text()
                    await self._advance()
                else:
                    self.cursor.expect(b"URL ")
                    yield Reference(await self._url())
                if self.cursor.accept(b")"):
                    break
                self.cursor.space()
            else:
                raise NoError("the message has too many parts", "LIMIT")
        if self._ahead is not None or not self.cursor.at_end:
            raise BadError("one message at a time")  # no RFC 3502

    async def octets(self) -> AsyncGenerator[bytes, None]:
        """Ask for the literal that is announced, and yield its octets."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.waits:
            await self._session.send(b"+ go on\r\n")
        while octets := await self._piece():
            yield octets

    async def skip(self) -> None:
        """Get past a message that is not wanted."""
        dropped = 0
        while True:
            if self._ahead is not None and self._ahead.waits:
                self._reader.refuse()
                return
            self._ahead = None
            while octets := await self._piece():
                dropped += len(octets)
                if dropped > MOST_DROPPED:
                    bye = status_line("*", "BYE", "too much of what is refused")
                    self._session.connection.farewell(bye)
                    raise ClosedError
            if self._whole:
                return
            await self._advance()

    def _text(self) -> Text:
        self.cursor.end()
        if self._ahead is None:
            raise BadError("the message is missing")
        return Text(self._ahead.size)

    async def _url(self) -> str:
        if (
            self.cursor.at_end and self._ahead is not None
        ):  # an astring may be a literal
            if self._ahead.size > LONGEST_URL:
                raise BadError("the URL is too long")
            octets = b"".join([piece async for piece in self.octets()])
            await self._advance()
        else:
            octets = self.cursor.astring()
        if len(octets) > LONGEST_URL or not octets.isascii():
            raise BadError("that is no URL")
        return octets.decode("ascii")

    async def _piece(self) -> bytes:
        """Return the next octets of the literal; b"" at its end."""
        while (octets := self._reader.take(PIECE)) is None:
            await self._session.connection.more(self._session.patience)
        return octets

    async def _advance(self) -> None:
        """Go on behind the literal that was taken."""
        match await self._session.next_event():
            case Tail(octets):
                self.cursor, self._whole = Cursor(octets), True
            case LiteralNext(octets) as ahead:
                self.cursor, self._ahead = Cursor(octets), ahead
            case Broken(_, text):
                self._whole = True
                raise OutOfStepError(text)
            case _:
                raise BadError("one message at a time")
