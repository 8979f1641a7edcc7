# SPDX-License-Identifier: Apache-2.0
"""APPEND (RFC 9051 §6.3.12), also of messages that are put together (RFC 4469).

The message passes in pieces through `MessageReader`; its large parts become blobs, and
nothing here grows with it.  Of parts that are here already no octet travels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from maild import ids
from maild.imapd.connection import ClosedError
from maild.imapd.filing import Filing
from maild.imapd.flags import check_flags
from maild.imapd.incoming import Incoming, Reference, Text
from maild.imapd.mailboxes import take_name
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.imapd.url_parts import Source, resolve
from maild.mail.reply import ReplyError
from maild.store import mailboxes, messages, quota
from maild.store.index import Tx
from maild.store.mailboxes import Mailbox
from maild.store.meaning import MADE_BY_US, SHARE
from maild.store.reading import RopeReader
from maild.store.rope import Rope
from maild.wire import mime
from maild.wire.imap_cursor import BadError
from maild.wire.imap_read import Command, LiteralHead
from maild.wire.imap_write import NoError

T = TypeVar("T")

STRIDE = 8 * 1024 * 1024
"""Octets copied at once, between two looks at the clock."""
SIGN_OF_LIFE = 12.0
"""Seconds of copying after which the client is told (RFC 9585 §4 suggests 10 to 15)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a message is to go, how, and how many octets it may have."""

    mailbox: Mailbox
    flags: tuple[str, ...]
    date: float
    limit: int


async def append(session: Session, head: LiteralHead) -> Done:
    """Take a message, or refuse it; in step with the client either way."""
    return await _append(session, Incoming(session, head.arguments, head), head.tag)


async def without_literal(session: Session, command: Command) -> Done:
    """APPEND of URLs alone; or of nothing, which is refused."""
    if b"CATENATE" not in command.arguments.upper():
        raise BadError("the message is missing")
    incoming = Incoming(session, command.arguments, None)
    return await _append(session, incoming, command.tag)


async def _append(session: Session, incoming: Incoming, tag: str) -> Done:
    async with in_step(incoming):
        wish = await take_wish(session, incoming, session.house.settings.append_limit)
        async with filed(session, incoming, wish, tag) as (rope, filing):
            code = await session.store.index.write(file, wish, rope, filing.reader)
    return Done("filed", code)


@asynccontextmanager
async def in_step(incoming: Incoming) -> AsyncIterator[None]:
    """Read the rest of a message that was refused before its error is answered."""
    try:
        yield
    except ReplyError as error:
        await incoming.skip()
        raise NoError(error.reply.text, "LIMIT") from error
    except (ClosedError, TimeoutError):
        raise  # nothing more will come
    except Exception:
        await incoming.skip()
        raise


async def take_wish(
    session: Session, incoming: Incoming, limit: int, *, into: str = ""
) -> Wish:
    """Take a mailbox that exists, flags and date; ``limit`` in octets.

    In some mailboxes a message means something that it does not bring, so none is taken
    there; but for ``into``.
    """
    cursor = incoming.cursor
    name = take_name(session, cursor)
    cursor.space()
    flags: tuple[str, ...] = ()
    if cursor.peek() == b"(":
        flags = cursor.flag_list()
        check_flags(flags)
        cursor.space()
    date = session.store.clock()
    if not (cursor.at_end or incoming.is_in_parts):
        date = cursor.date_time()
        cursor.space()
    if name != into and (name in MADE_BY_US or name.startswith(SHARE)):
        raise NoError("a message is copied there, never brought", "CANNOT")
    mailbox = await session.store.index.read(mailboxes.find, session.owner.id, name)
    if mailbox is None:
        raise NoError("there is no such mailbox", "TRYCREATE")
    return Wish(mailbox, flags, date, limit)


@asynccontextmanager
async def filed(
    session: Session,
    incoming: Incoming,
    wish: Wish,
    tag: str,
    before: bytes = b"",
) -> AsyncIterator[tuple[Rope, Filing]]:
    """Take all of a message, on the device; forget it when it is not kept.

    ``before``: octets of ours in front of the client's.
    """
    filing = Filing(session.store.blobs, binary=incoming.binary)
    pouring = _Pouring(session, filing, wish.limit, tag)
    try:
        if before:
            await _in_thread(filing.feed, before)
        async with aclosing(incoming.parts()) as parts:
            async for part in parts:
                if isinstance(part, Text):
                    await pouring.text(incoming, part)
                else:
                    await pouring.reference(part)
        rope = await _in_thread(filing.finish)
        yield rope, filing
    except BaseException:
        await asyncio.shield(asyncio.to_thread(filing.abandon))
        raise
    finally:
        session.house.promises.give_back(pouring)


class _Pouring:
    """Brings the parts of one message into its `Filing`; its room is promised."""

    def __init__(self, session: Session, filing: Filing, limit: int, tag: str) -> None:
        self.id = ids.queue_id()
        self.size = 0
        """Octets so far, with the part that comes next."""
        self.taken = 0
        """Octets that have been filed."""
        self._session = session
        self._filing = filing
        self._limit = limit
        self._tag = tag
        self._told = asyncio.get_running_loop().time()

    async def text(self, incoming: Incoming, part: Text) -> None:
        """Take what the client sends; it is asked for only if there is room."""
        await self._must_fit(part.size)
        async with aclosing(incoming.octets()) as pieces:
            async for octets in pieces:
                await _in_thread(self._filing.feed, octets)
                self.taken += len(octets)

    async def reference(self, part: Reference) -> None:
        """Take what the store has."""
        raw = self._filing.takes_raw
        source = await resolve(self._session, part.url, raw=raw)
        await self._must_fit(source.size)
        with RopeReader(self._session.store.blobs, source.rope) as reader:
            for at in range(0, source.size, STRIDE):
                count = min(STRIDE, source.size - at)
                start = source.start + at
                await _in_thread(self._filing.copy, reader, start, count)
                self.taken += count
                await self._show_life(at + count, source)

    async def _show_life(self, done: int, source: Source) -> None:
        time = asyncio.get_running_loop().time()
        if time - self._told >= SIGN_OF_LIFE:
            self._told = time
            code = f'INPROGRESS ("{self._tag}" {done} {source.size})'
            await self._session.status("*", "OK", "putting it together", code)

    async def _must_fit(self, more: int) -> None:
        """Promise room for a part before any octet of it, or refuse the message."""
        self.size += more
        if self.size > self._limit:
            raise NoError("the message is too large", "TOOBIG")
        session = self._session
        await session.house.promises.make(self, session.owner.id, self.size)


async def _in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Do it in a thread, to its end even when nobody wants it any more."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait([task])


def file(tx: Tx, wish: Wish, rope: Rope, reader: mime.MessageReader) -> str:
    """Put the message into its mailbox; return the APPENDUID code (RFC 4315 §3)."""
    content_id = messages.add_content(tx, rope, reader.structure, ids.trace_id())
    uid = messages.append(tx, wish.mailbox.id, content_id, wish.flags, wish.date)
    quota.check(tx, wish.mailbox.account_id)
    return f"APPENDUID {wish.mailbox.uid_validity} {uid}"


VERBS: dict[str, Verb] = {"APPEND": without_literal}
