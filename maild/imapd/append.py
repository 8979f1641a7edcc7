# SPDX-License-Identifier: Apache-2.0
"""The verb that brings a message: APPEND (RFC 9051 §6.3.12), streamed into the store.

The message passes in pieces through `MessageReader`; its large parts become blobs, and
nothing here grows with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from maild import ids
from maild.imapd.flags import check_flags
from maild.imapd.mailboxes import take_name
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.mail.reply import ReplyError
from maild.store import mailboxes, messages, quota
from maild.store.blobs import Blobs, BlobWriter
from maild.store.errors import OverQuotaError
from maild.store.index import Tx
from maild.store.mailboxes import Mailbox
from maild.store.meaning import MADE_BY_US, SHARE
from maild.store.rope import Base64, Constant, Piece, Raw, Rope
from maild.wire import mime
from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_read import Broken, Command, LiteralHead, Tail
from maild.wire.imap_write import NoError

PIECE = 256 * 1024
"""Octets handed to a worker thread at once."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a message is to go, and how."""

    mailbox: Mailbox
    flags: tuple[str, ...]
    date: float


async def append(session: Session, head: LiteralHead) -> Done:
    """Take a message, or refuse it; in step with the client either way."""
    try:
        wish = await _wish(session, head)
    except (BadError, NoError, OverQuotaError):
        await _skip(session, head)
        raise
    if head.waits:
        await session.send(b"+ go on\r\n")
    filing = Filing(session.store.blobs, binary=head.binary)
    try:
        await _pour(session, filing)
        rope = await asyncio.to_thread(filing.finish)
        code = await session.store.index.write(_file, wish, rope, filing.reader)
    except ReplyError as error:
        await asyncio.to_thread(filing.abandon)
        raise NoError(error.reply.text, "LIMIT") from error
    except BaseException:
        await asyncio.shield(asyncio.to_thread(filing.abandon))
        raise
    return Done("filed", code)


async def without_message(_session: Session, _command: Command) -> Done:
    """Refuse an APPEND that holds no message."""
    raise BadError("the message is missing")


async def _wish(session: Session, head: LiteralHead) -> Wish:
    cursor = Cursor(head.arguments)
    name = take_name(session, cursor)
    cursor.space()
    flags: tuple[str, ...] = ()
    if cursor.peek() == b"(":
        flags = cursor.flag_list()
        check_flags(flags)
        cursor.space()
    date = session.store.clock()
    if not cursor.at_end:
        date = cursor.date_time()
        cursor.space()
    cursor.end()
    if name in MADE_BY_US or name.startswith(SHARE):
        raise NoError("a message is copied there, never brought", "CANNOT")
    mailbox = await session.store.index.read(mailboxes.find, session.owner.id, name)
    if mailbox is None:
        raise NoError("there is no such mailbox", "TRYCREATE")
    if not 0 < head.size <= session.house.settings.append_limit:
        raise NoError("the message is too large, or empty", "TOOBIG")
    if not await session.store.index.read(quota.fits, session.owner.id, head.size):
        raise OverQuotaError  # before any octet of it
    return Wish(mailbox, flags, date)


async def _skip(session: Session, head: LiteralHead) -> None:
    """Get past a message that is not wanted; its octets are no commands."""
    if head.waits:
        session.connection.reader.refuse()
        return
    while await _piece(session):
        pass
    await _tail(session)


async def _pour(session: Session, filing: Filing) -> None:
    """File the message; whatever goes wrong, all of its octets are read first."""
    failure: Exception | None = None
    while octets := await _piece(session):
        if failure is not None:
            continue
        try:
            await asyncio.to_thread(filing.feed, octets)
        except Exception as error:  # noqa: BLE001 - raised below, once in step again
            failure = error
    await _tail(session)
    if failure is not None:
        raise failure


async def _piece(session: Session) -> bytes:
    """Return the next octets of the message; b"" at its end."""
    reader = session.connection.reader
    while (octets := reader.take(PIECE)) is None:
        await session.connection.more(session.patience)
    return octets


async def _tail(session: Session) -> None:
    """Take the end of the command: one message only (no RFC 3502)."""
    event = await session.next_event()
    if isinstance(event, Broken):
        raise BadError(event.text)
    if not isinstance(event, Tail) or event.octets:
        raise BadError("one message at a time")


def _file(tx: Tx, wish: Wish, rope: Rope, reader: mime.MessageReader) -> str:
    """Put the message into its mailbox; return the APPENDUID code (RFC 4315 §3)."""
    content_id = messages.add_content(tx, rope, reader.structure, ids.trace_id())
    uid = messages.append(tx, wish.mailbox.id, content_id, wish.flags, wish.date)
    quota.check(tx, wish.mailbox.account_id)
    return f"APPENDUID {wish.mailbox.uid_validity} {uid}"


class Filing:
    """Turns the octets of one message into a rope; used by one thread at a time."""

    def __init__(self, blobs: Blobs, *, binary: bool) -> None:
        self.reader = mime.MessageReader(binary=binary)
        self._blobs = blobs
        self._pieces: list[Piece] = []
        self._writer: BlobWriter | None = None

    def feed(self, octets: bytes) -> None:
        """Take the next octets."""
        for step in self.reader.feed(memoryview(octets)):
            self._carry_out(step)

    def finish(self) -> Rope:
        """Take the end; every blob is on the device when this returns."""
        for step in self.reader.finish():
            self._carry_out(step)
        return Rope(self._pieces)

    def abandon(self) -> None:
        """Forget a blob that is still open; sealed ones are collected later."""
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None

    def _carry_out(self, step: mime.Step) -> None:
        match step:
            case mime.Constant(octets):
                self._pieces.append(Constant(octets))
            case mime.BlobStart(expected):
                self._writer = self._blobs.create(expected)
            case mime.BlobOctets(octets):
                assert self._writer is not None
                self._writer.append(octets)
            case mime.BlobEnd(as_base64, open_end):
                assert self._writer is not None
                sealed = self._writer.seal()
                self._writer = None
                self._pieces.append(
                    Base64(sealed.id, sealed.size, open_end)
                    if as_base64
                    else Raw(sealed.id, 0, sealed.size)
                )


VERBS: dict[str, Verb] = {"APPEND": without_message}
