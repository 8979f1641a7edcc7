# SPDX-License-Identifier: GPL-3.0-only
"""Cutting a message into BDAT chunks (RFC 3030) whose replies tell how far it has come.

Octets that were written may be anywhere on the way; only what the server acknowledged
is progress.  So a chunk is as large as the way takes in about half a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

from maild.mail.reply import Reply
from maild.wire import smtp
from terminal_client.session_smtp import (
    LAST_REPLY_TIMEOUT,
    WRITE,
    SubmissionConnection,
)

CHUNK_LEAST = 64 << 10
"""Octets of a BDAT chunk on a slow way: its reply is what progress is known by.
Smaller ones make a busy server slower, and so themselves smaller still."""
CHUNK_FIRST = 256 << 10
"""Octets of the first chunk, before the rate is known."""
CHUNK_MOST = 64 << 20
"""Octets of a chunk on a fast way; smaller ones cost the server CPU."""
PACE = 0.5
"""Seconds between two replies, at most, if the way is not slower than that."""

Landed = Callable[[int], None]
"""Told how many octets of the message the server has acknowledged."""


class Chunks:
    """Cuts a message of known size into BDAT chunks, and watches the replies."""

    def __init__(
        self,
        connection: SubmissionConnection,
        check: Callable[[Reply], Reply],
        total: int,
    ) -> None:
        self._connection = connection
        self._check = check
        self._total = total
        self._sent = 0
        self._left = 0
        self._size = CHUNK_FIRST
        self._unanswered: deque[tuple[int, float]] = deque()
        """Where each of these chunks ends in the message, and when it began."""
        self._answered = 0.0
        """When the latest reply was taken."""
        self._at_once = 0
        """Replies taken since the rate was last looked at."""
        self._ended = False

    def begin_at(self, offset: int) -> None:
        """Take it that the server has what lies before ``offset``."""
        self._sent = offset

    async def send(self, octets: bytes, landed: Landed) -> None:
        """Send the next octets; ``landed`` is told what was acknowledged meanwhile."""
        view = memoryview(octets)
        while view:
            if not self._left:
                self._begin_chunk()
            part = view[: min(self._left, WRITE)]
            await self._connection.send_octets(part)
            self._sent += len(part)
            self._left -= len(part)
            view = view[len(part) :]
            # Before the end, a reply is to an earlier chunk, or refuses this one.
            while self._sent < self._total and self._connection.replies_waiting():
                await self._take(landed)

    def _begin_chunk(self) -> None:
        self._left = min(self._size, self._total - self._sent)
        end = self._sent + self._left
        self._ended = end == self._total
        self._connection.write(smtp.bdat(self._left, last=self._ended))
        self._unanswered.append((end, monotonic()))

    async def last_reply(self, landed: Landed) -> Reply:
        """Return the reply to the chunk that ends the message."""
        if not self._ended:  # the server has all of it, but nobody heard it say so
            self._begin_chunk()
        while len(self._unanswered) > 1:
            await self._take(landed)
        return await self._take(landed)

    async def _take(self, landed: Landed) -> Reply:
        reply = self._check(await self._connection.reply(LAST_REPLY_TIMEOUT))
        end, began = self._unanswered.popleft()
        self._at_once += 1
        if not self._connection.replies_waiting():
            now = monotonic()
            self._adapt((now - max(began, self._answered)) / self._at_once)
            self._answered, self._at_once = now, 0
        landed(end)
        return reply

    def _adapt(self, took: float) -> None:
        """Choose chunks by the seconds that one takes, however far away the server."""
        if took < PACE / 4:
            self._size = min(self._size * 4, CHUNK_MOST)
        elif took > PACE:
            self._size = max(self._size // 4, CHUNK_LEAST)
