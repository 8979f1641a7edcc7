# SPDX-License-Identifier: Apache-2.0
"""Pushing an accepted item to a server of ours: proof, restart offset, chunks.

The message is head + raw content + tail, frozen per item and destination, so that an
offset means the same on every attempt (RFC 1845 §3).  Content is read while it still
arrives; only what the server acknowledged counts as progress.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

from maild.delivery.channel import Pending
from maild.delivery.client import Session
from maild.delivery.octets import Octets
from maild.delivery.parcel import NOT_WHOLE_YET, Parcel
from maild.delivery.work import Tally
from maild.mail.envelope import MailFrom, RcptTo
from maild.mail.reply import Reply, ReplyError
from maild.store.changes import Watch
from maild.store.house import Store
from maild.wire import smtp
from maild.wire.smtp_reply import ReplyFormatError, transaction_offset

CHUNK_LEAST = 256 * 1024
"""Octets of a chunk on a slow way: only what is acknowledged counts as progress."""
CHUNK_FIRST = 1024 * 1024
"""Octets of the first chunk, before the rate is known."""
CHUNK_MOST = 64 * 1024 * 1024
"""Octets of a chunk on a fast way; smaller ones cost the receiver CPU (bench)."""
STEP = 4 * 1024 * 1024
"""Octets of a chunk after which the replies to earlier ones are looked at."""
OUTSTANDING = 4
"""Chunks that may be unacknowledged at once."""
REPORT_EVERY = 1.0
"""Seconds in which progress is to be seen: chunks are made small enough for it."""
FINAL_PATIENCE = 2.0
"""Idle times that the last reply may take: RFC 5321 §4.5.3.2.6 asks for 10 minutes."""

NOT_OURS = Reply(
    451, "7.4", "the server does not offer CHECKPOINT, CHUNKING and BINARYMIME any more"
)
ODD_OFFSET = Reply(451, "5.0", "the server asks to go on behind the end of the message")


class Push:
    """One attempt to push one parcel over one session.

    ``report`` is told what has landed, as often as the server acknowledges; ``stall``
    is how many seconds a source that does not grow is waited for; ``may_leave`` says
    between two chunks whether there is a better way to go on by.
    """

    def __init__(
        self,
        session: Session,
        parcel: Parcel,
        store: Store,
        octets: Octets,
        tally: Tally,
        report: Callable[[int], None],
        stall: float,
        may_leave: Callable[[], bool] = lambda: False,
    ) -> None:
        self._channel = session.channel
        self._session = session
        self._parcel = parcel
        self._store = store
        self._octets = octets
        self._tally = tally
        self._report = report
        self._chunks: deque[tuple[Pending, int, float]] = deque()
        self._chunk = CHUNK_FIRST
        self._sealed = parcel.sha256
        self._stall = stall
        self._may_leave = may_leave

    async def begin(self, mail: MailFrom, rcpt: RcptTo) -> int:
        """MAIL with the proof, alone; RCPT unless the server goes on by itself.

        Returns the octets of the message that the server has already.
        """
        if not self._session.takes_pushes:
            raise ReplyError(NOT_OURS)
        reply = await self._channel.ask(smtp.mail_from(mail), "after MAIL")
        if reply.code == 355:  # RFC 1845 §3: envelope and octets are kept
            return self._offset(reply)
        _expect(reply)
        _expect(await self._channel.ask(smtp.rcpt_to(rcpt), "after RCPT"))
        return 0

    def _offset(self, reply: Reply) -> int:
        try:
            offset = transaction_offset(reply)
        except ReplyFormatError as error:
            raise ReplyError(ODD_OFFSET) from error
        if offset > self._parcel.total:
            raise ReplyError(ODD_OFFSET)
        return offset

    async def send(self, offset: int) -> Reply | None:
        """Send the message from ``offset`` and return the reply to its last chunk.

        None when it was left, between two chunks that are all acknowledged.
        """
        if not self._tally.sent:
            self._tally.offset = offset
        self._landed(offset)
        position, total = offset, self._parcel.total
        with self._store.changes.watch(f"blob:{self._parcel.blob}") as watch:
            last = False
            while not last:
                if self._may_leave():
                    await self._acknowledged(most=0)
                    return None
                await self._acknowledged(most=OUTSTANDING - 1)
                ready = await self._more(watch, position)
                count = self._next_chunk(position, ready)
                last = position + count == total
                await self._send_chunk(position, count, last=last)
                position += count
        return await self._last_reply()

    def _next_chunk(self, position: int, ready: int) -> int:
        """Return the octets of the next chunk; the tail gets none of its own."""
        count = min(self._chunk, ready - position)
        rest = self._parcel.total - position - count
        if ready == self._parcel.total and rest <= len(self._parcel.tail):
            count += rest
        return count

    @property
    def sha256(self) -> str | None:
        """The digest of the content, once it is sealed here."""
        return self._sealed

    async def _ready(self, position: int) -> int:
        """Return up to where the message can be sent now."""
        parcel = self._parcel
        if self._sealed is None:
            state = await asyncio.to_thread(self._store.blobs.state, parcel.blob)
            if not state.sealed:
                return max(position, len(parcel.head) + min(state.durable, parcel.size))
            if state.durable != parcel.size:
                raise ReplyError(
                    Reply(554, "6.0", "the item has another size than it announced")
                )
            self._sealed = state.sha256 or ""
        return parcel.total

    async def _more(self, watch: Watch, position: int) -> int:
        """Wait for the source; a stalled one is a checkpoint to come back to."""
        deadline = monotonic() + self._stall
        ready = await self._ready(position)
        while ready <= position < self._parcel.total:
            if monotonic() > deadline:
                await self._acknowledged(most=0)
                raise ReplyError(NOT_WHOLE_YET)
            await watch.wait(REPORT_EVERY)
            await self._acknowledged(most=OUTSTANDING)
            ready = await self._ready(position)
        return ready

    async def _send_chunk(self, start: int, count: int, *, last: bool) -> None:
        pending = self._channel.command(smtp.bdat(count, last=last), owing=True)
        self._chunks.append((pending, start + count, monotonic()))
        rope = self._parcel.rope(self._sealed)
        at, stop = start, start + count
        while at < stop:
            step = min(STEP, stop - at)
            await self._octets.send(self._channel, rope, at, step)
            at += step
            self._tally.sent += step
            if not last or at < stop:
                await self._acknowledged(most=OUTSTANDING)
        self._channel.paid()

    async def _acknowledged(self, *, most: int) -> None:
        """Take the replies that are there; wait until at most ``most`` are missing."""
        while self._chunks and (self._chunks[0][0].done() or len(self._chunks) > most):
            pending, end, began = self._chunks[0]
            _expect(await self._channel.answer(pending, "after a chunk"))
            self._chunks.popleft()
            self._adapt(monotonic() - began)
            self._landed(end)

    def _adapt(self, took: float) -> None:
        """Let a chunk take less than a second, so that progress is seen each second."""
        if took < REPORT_EVERY / 8:
            self._chunk = min(self._chunk * 4, CHUNK_MOST)
        elif took > REPORT_EVERY / 2:
            self._chunk = max(self._chunk // 2, CHUNK_LEAST)

    def _landed(self, position: int) -> None:
        self._tally.landed = max(self._tally.landed, self._parcel.landed(position))
        self._report(self._tally.landed)

    async def _last_reply(self) -> Reply:
        while True:
            pending, end, _ = self._chunks.popleft()
            reply = await self._channel.answer(
                pending, "after the content", patience=FINAL_PATIENCE
            )
            _expect(reply)
            self._landed(end)
            if not self._chunks:
                return reply


def _expect(reply: Reply) -> None:
    if not reply.is_positive:
        raise ReplyError(reply)
