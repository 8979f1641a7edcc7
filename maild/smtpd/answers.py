# SPDX-License-Identifier: Apache-2.0
"""What one connection answers: in order, written together, never too much at once.

A reply that waits for its commit holds back the later ones, not the next command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from maild.wire.smtp_order import OrderedReplies

MOST_WAITING = 100
"""Replies that may wait for a commit before no further command is read."""
MOST_OCTETS = 2**20
"""Octets of messages that may; one message may be larger."""


class Answers:
    """The replies of one connection; ``write`` takes octets for the peer."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, write: Callable[[bytes], None]
    ) -> None:
        self._loop = loop
        self._write = write
        self._replies = OrderedReplies()
        self._landings: set[asyncio.Task[None]] = set()
        self._octets = 0
        self._flushes = False
        """Whether `flush` is going to be called, at the end of this turn."""
        self._room: asyncio.Future[None] | None = None

    def say(self, octets: bytes) -> None:
        """Answer, behind everything that has not been answered yet."""
        self._replies.add(octets)
        self._flush_soon()

    def later(self, landing: Coroutine[Any, Any, bytes], octets: int) -> None:
        """Answer with what ``landing`` returns; it never raises.

        ``octets``: how much it keeps in memory meanwhile.
        """
        slot = self._replies.reserve()
        self._octets += octets

        async def land() -> None:
            try:
                slot.octets = await landing
            finally:
                self._octets -= octets
                self._flush_soon()

        task = self._loop.create_task(land())
        self._landings.add(task)
        task.add_done_callback(self._landings.discard)

    async def make_room(self) -> None:
        """Wait while too much waits for a commit."""
        if self._is_full():
            self.flush()
        while self._is_full() and self._landings:
            self._room = self._loop.create_future()
            await self._room

    def _is_full(self) -> bool:
        return len(self._replies) > MOST_WAITING or self._octets > MOST_OCTETS

    async def settle(self) -> None:
        """Wait until every reply so far is known and written."""
        if self._landings:
            await asyncio.wait(set(self._landings))
        self.flush()

    def _flush_soon(self) -> None:
        if not self._flushes:
            self._flushes = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is known, in one piece."""
        self._flushes = False
        if octets := self._replies.take():
            self._write(octets)
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
