# SPDX-License-Identifier: GPL-3.0-only
"""One attempt at uploading what still grows: BDAT without LAST until it is closed.

A session that waits for the next octets is kept alive with NOOP, between two chunks
(RFC 5321 §4.1.1.9 allows it at any time).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

from maild.mail.address import Address
from maild.mail.reply import Reply
from maild.wire import smtp
from terminal_client import errors
from terminal_client.attempts import Progress
from terminal_client.chunks import Chunks, Landed
from terminal_client.hashing import in_thread
from terminal_client.journal import Begun
from terminal_client.live_file import LiveFile, Look, Mark
from terminal_client.matching import Shape
from terminal_client.session_smtp import SubmissionConnection
from terminal_client.upload_attempt import Attempt, Receipt

POLL = 0.5
"""Seconds between two looks at a file that does not grow now."""
NOOP_EVERY = 60.0
"""Seconds of silence after which the server is told that we are there."""
PIECE = 1 << 20
"""Octets read, hashed and sent at a time."""

Check = Callable[[Reply], Reply]


class LiveChunks(Chunks):
    """Chunks of a message that grows; ``known``: octets of it that there are."""

    def __init__(self, connection: SubmissionConnection, check: Check) -> None:
        super().__init__(connection, check, smtp.MAX_OCTETS)
        self.known = 0

    def _begin_chunk(self) -> None:
        self._left = min(self._size, self.known - self._sent)
        # Nothing is left only at the end: BDAT 0 without LAST is never sent.
        self._ended = not self._left
        self._connection.write(smtp.bdat(self._left, last=self._ended))
        self._unanswered.append((self._sent + self._left, monotonic()))

    async def settle(self, landed: Landed) -> None:
        """Wait until every chunk is acknowledged."""
        while self._unanswered:
            await self._take(landed)


class LiveAttempt(Attempt):
    """One transaction; ``before`` is what an earlier run has read of the file.

    ``noted`` is told what the server has acknowledged, and its digest, if it is known.
    """

    def __init__(
        self,
        connection: SubmissionConnection,
        file: LiveFile,
        begun: Begun,
        before: Mark | None,
        noted: Callable[[Mark], None],
    ) -> None:
        super().__init__(connection, file, begun)
        self._file = file
        self._before = before
        self._noted = noted
        self._chunks = self._live = LiveChunks(connection, self.must_be_positive)
        self._marks: deque[Mark] = deque()
        self._spoke = monotonic()

    async def run(self, sender: Address, progress: Progress) -> Receipt:
        """Upload until the file is closed; cut the connection if anything is wrong."""
        await self.open(sender)
        try:
            reply = await self._stream(progress)
        except errors.CutError:
            await self.last_words()
            self._connection.abort()
            raise
        except BaseException:
            self._connection.abort()
            raise
        return self.receipt(reply)

    def must_be_positive(self, reply: Reply) -> Reply:
        """Return a positive reply; raise what another one means."""
        if reply.code == 552:  # would not fit if it began anew, either
            raise errors.from_reply(reply, "upload")
        return super().must_be_positive(reply)

    async def _stream(self, progress: Progress) -> Reply:
        head = self._begun.head
        sent = max(0, self._offset - len(head))
        head_sent, recorded = self._offset, 0

        def landed(octets: int) -> None:
            done = max(0, octets - len(head))
            self._note(done)
            progress(done, max(done, recorded))

        async with self._file.hash.catching_up(sent):
            checked: Shape | None = None
            while True:
                look = await self._look(sent)
                recorded = look.size
                self._live.known = len(head) + look.size
                await self._chunks.send(head[head_sent:], landed)
                head_sent = len(head)
                if look.size > sent:
                    sent = await self._send(sent, look.size, landed)
                    continue
                await self._live.settle(landed)
                landed(len(head) + sent)
                if not look.closed:
                    await self._pause()
                elif checked == look.shape:
                    break
                else:
                    await self._check(sent)
                    checked = look.shape
        self._file.digest = await self._file.hash.finish(sent)
        self._size = sent
        return await self._chunks.last_reply(landed)

    async def _look(self, sent: int) -> Look:
        look = await in_thread(self._file.look)
        if look.size < sent:
            raise errors.ContentError(
                f"{self._file.path} is shorter than what was uploaded of it; "
                "run the command again"
            )
        return look

    async def _send(self, at: int, end: int, landed: Landed) -> int:
        """Send what there is; the next piece is read while one is sent."""
        ahead = asyncio.ensure_future(in_thread(self._read, at, end))
        try:
            while at < end:
                piece, digest = await ahead
                at += len(piece)
                ahead = asyncio.ensure_future(in_thread(self._read, at, end))
                await self._chunks.send(piece, landed)
                if digest is not None:
                    self._marks.append(Mark(at, digest))
            await ahead
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
        self._spoke = monotonic()
        return at

    def _read(self, at: int, end: int) -> tuple[bytes, str | None]:
        if at == end:
            return b"", None
        piece = self._file.read(at, min(PIECE, end - at))
        return piece, self._file.hash.digest_at(at + len(piece))

    def _note(self, acknowledged: int) -> None:
        """Tell the last mark that lies in what the server has."""
        mark = None
        while self._marks and self._marks[0].octets <= acknowledged:
            mark = self._marks.popleft()
        if mark is not None:
            self._noted(mark)

    async def _check(self, end: int) -> None:
        """Read what was sent once more: it may take long."""
        checking = asyncio.ensure_future(self._file.check(end, self._before))
        try:
            while not (await asyncio.wait({checking}, timeout=POLL))[0]:
                await self._stay()
            await checking
        finally:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)

    async def _pause(self) -> None:
        await asyncio.sleep(POLL)
        await self._stay()

    async def _stay(self) -> None:
        """Keep the session; raise when it is over."""
        connection = self._connection
        if not connection.is_open or connection.replies_waiting():
            # Nothing was asked, so it says goodbye.
            raise errors.from_reply(await connection.reply(), "upload")
        if monotonic() - self._spoke >= NOOP_EVERY:
            self.must_be_positive(await connection.command(b"NOOP\r\n"))
            self._spoke = monotonic()
