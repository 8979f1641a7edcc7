# SPDX-License-Identifier: Apache-2.0
"""Carries out FETCH: one answer after the other, streamed (RFC 9051 §6.4.5, §7.5.2).

A message is *planned* first: whatever may fail or has to be waited for happens before
the first octet of its answer.  Then it is written, large literals piece by piece.  What
one message cannot give does not keep the others from being answered: the command ends
with its ``NO``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import replace

from maild.imapd.arrival import Arrival
from maild.imapd.connection import ClosedError, Writer
from maild.imapd.fetch_plan import Answer, Literal, Planner
from maild.store import messages
from maild.store.errors import NotFoundError, StoreError
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.messages import Content, Line
from maild.wire.imap_fetch import Fact, FetchItems
from maild.wire.imap_write import NoError

_log = logging.getLogger("maild.imapd")
BATCH = 25
"""Messages whose contents are read at once.  Bounds memory and the time of one read: a
hundred clients that look at a hundred messages each would else hold ten thousand."""
GATHERED = 64 * 1024
"""Octets of short answers that are sent together."""


async def run_fetch(
    writer: Writer,
    store: Store,
    lines: Sequence[tuple[int, Line]],
    items: FetchItems,
    *,
    uid: bool,
    rev2: bool,
    read_only: bool,
    mailbox_id: int,
    condstore: bool = False,
    tag: str = "",
) -> list[Line]:
    r"""Answer ``items`` for each (number, line); return the lines set \\Seen.

    ``condstore``: a change of flags is told with its mod-sequence (RFC 7162 §3.2).
    ``tag``: the command's, for INPROGRESS.  Raises `NoError` at the end when something
    asked for could not be given, `StoreError` when the store cannot be read.
    """
    if uid and not items.names("UID"):
        items = replace(items, items=(Fact("UID"), *items.items))
    arrival = Arrival(writer, store, tag)
    answers = _Answers(writer, Planner(store, arrival, rev2=rev2), items, condstore)
    seen: list[Line] = []
    for start in range(0, len(lines), BATCH):
        batch = dict(lines[start : start + BATCH])
        contents = await _contents(store, items, batch.values())
        if items.sets_seen and not read_only:
            changed = await _set_seen(store, mailbox_id, batch.values(), contents)
            seen += changed.values()
            batch = {n: changed.get(line.uid, line) for n, line in batch.items()}
        await answers.give(batch, contents, {line.uid for line in seen})
    if answers.failure is not None:
        raise answers.failure
    return seen


async def _contents(
    store: Store, items: FetchItems, lines: Collection[Line]
) -> dict[int, Content]:
    if not items.needs_content:
        return {}
    wanted = dict.fromkeys(line.content_id for line in lines)
    return await store.index.read(_read_contents, wanted)


def _read_contents(tx: Tx, wanted: Collection[int]) -> dict[int, Content]:
    found: dict[int, Content] = {}
    for content_id in wanted:
        try:
            found[content_id] = messages.content(tx, content_id)
        except NotFoundError:
            continue  # expunged by another session since
    return found


async def _set_seen(
    store: Store,
    mailbox_id: int,
    lines: Collection[Line],
    contents: dict[int, Content],
) -> dict[int, Line]:
    r"""Set \\Seen where it is not, and return the changed lines by UID.

    What still arrives is left alone: its octets are refused (INUSE), nobody saw them.
    """
    unseen = [
        line.uid
        for line in lines
        if "\\Seen" not in line.flags
        and line.content_id in contents
        and contents[line.content_id].complete
    ]
    if not unseen:
        return {}
    changed = await store.index.write(
        messages.store_flags, mailbox_id, unseen, "+", ("\\Seen",)
    )
    return {line.uid: line for line in changed}


class TornError(ClosedError):
    """A literal was announced and cannot be completed: the connection has to end."""


class _Answers:
    """The answers of one FETCH on their way out."""

    def __init__(
        self, writer: Writer, planner: Planner, items: FetchItems, condstore: bool
    ) -> None:
        self._writer = writer
        self._planner = planner
        self._items = items
        told = [Fact("FLAGS"), Fact("MODSEQ")] if condstore else [Fact("FLAGS")]
        self._with_flags = (
            *items.items,
            *(fact for fact in told if fact not in items.items),
        )
        self._gathered = bytearray()
        self.failure: NoError | None = None
        """The first thing that could not be given."""

    async def give(
        self, batch: dict[int, Line], contents: dict[int, Content], seen: set[int]
    ) -> None:
        """Answer for each message; ``seen``: UIDs whose flags have just changed."""
        for number, line in batch.items():
            content = contents.get(line.content_id)
            if content is None and self._items.needs_content:
                self._failed(NoError("some messages are gone", "EXPUNGEISSUED"))
                continue
            await self._message(number, line, content, changed=line.uid in seen)
        await self._send_gathered()
        await asyncio.sleep(0)  # others have their turn, however many messages

    async def _message(
        self, number: int, line: Line, content: Content | None, *, changed: bool
    ) -> None:
        items = self._with_flags if changed else self._items.items
        try:
            planned = [
                await self._planner.answer(item, line, content) for item in items
            ]
        except NoError as error:
            self._failed(error)
            return
        self._gathered += b"* %d FETCH (" % number
        for place, answer in enumerate(planned):
            if place:
                self._gathered += b" "
            await self._put(answer)
        self._gathered += b")\r\n"
        if len(self._gathered) >= GATHERED:
            await self._send_gathered()

    async def _put(self, answer: Answer) -> None:
        if isinstance(answer, bytes):
            self._gathered += answer
            return
        self._gathered += answer.head
        await self._stream(answer)

    async def _stream(self, literal: Literal) -> None:
        """Send a literal's octets; exactly as many as were announced, or fail."""
        await self._send_gathered()
        left = literal.size
        try:
            async with aclosing(literal.pieces) as pieces:
                async for piece in pieces:
                    left -= len(piece)
                    if left < 0:
                        break
                    await self._writer.send(piece)
        except StoreError as error:
            _log.exception("a literal cannot be completed, %d octets are missing", left)
            raise TornError from error
        if left:
            _log.error("a literal of %d octets is off by %d", literal.size, left)
            raise TornError

    async def _send_gathered(self) -> None:
        if self._gathered:
            await self._writer.send(bytes(self._gathered))
            self._gathered.clear()

    def _failed(self, error: NoError) -> None:
        self.failure = self.failure or error
