# SPDX-License-Identifier: GPL-3.0-only
"""The SHA-256 of content that goes on in the middle.

A hash cannot be saved and taken up again (hashlib keeps its state to itself), so what
was there before is read again from the local file: beside the octets that move, never
in their way.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import Lock
from typing import ParamSpec, TypeVar

from terminal_client.errors import LocalInputOutputError, TerminalError

P = ParamSpec("P")
T = TypeVar("T")
PIECE = 1 << 20
"""Octets read at a time."""
STEP = 16 << 20
"""Octets read in one thread hop; a lag below it is made up for on the way."""


class GrowingHash:
    """Hashes octets in order, whatever offset they come from; safe between threads.

    ``read(offset, count)`` gives octets of the local file that nobody hands over.
    """

    def __init__(self, read: Callable[[int, int], bytes] | None = None) -> None:
        self.octets = 0
        """Hashed so far, from the beginning."""
        self._passed = 0
        self._hash = hashlib.sha256()
        self._read = read
        self._lock = Lock()

    def add(self, offset: int, octets: bytes | memoryview) -> None:
        """Take octets of the file that pass by; call it in a thread.

        Those known already are passed over.  Those too far ahead are left, to be read
        from the file when their turn comes: all before ``offset`` is there.
        """
        self._passed = max(self._passed, offset)
        if not self._lock.acquire(blocking=False):
            return  # what came before is still being read
        try:
            if offset - self.octets < STEP:
                self._read_up_to(offset)
                fresh = memoryview(octets)[self.octets - offset :]
                self._hash.update(fresh)
                self.octets += len(fresh)
        finally:
            self._lock.release()

    def digest_at(self, octets: int) -> str | None:
        """Return the digest, in hex, if exactly the first ``octets`` are hashed."""
        if self.octets != octets or not self._lock.acquire(blocking=False):
            return None
        try:
            return self._hash.hexdigest() if self.octets == octets else None
        finally:
            self._lock.release()

    @asynccontextmanager
    async def catching_up(self, end: int) -> AsyncIterator[None]:
        """Read meanwhile, in the background, what lies before ``end``."""
        self._passed = max(self._passed, end)
        reading = asyncio.ensure_future(self._catch_up())
        try:
            yield
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, OSError, TerminalError):
                await reading  # what went wrong goes wrong again in `finish`

    async def finish(self, end: int) -> str:
        """Return the digest, in hex, of the file's first ``end`` octets."""
        self._passed = max(self._passed, end)
        await self._catch_up()
        return self._hash.hexdigest()

    async def _catch_up(self) -> None:
        while self.octets < self._passed:
            await in_thread(self._read_some)

    def _read_some(self) -> None:
        with self._lock:
            self._read_up_to(min(self._passed, self.octets + STEP))

    def _read_up_to(self, end: int) -> None:
        while self.octets < end:
            count = min(PIECE, end - self.octets)
            octets = self._read(self.octets, count) if self._read else b""
            if not octets:
                raise LocalInputOutputError("a local file became shorter meanwhile")
            self._hash.update(octets)
            self.octets += len(octets)


async def in_thread(
    function: Callable[P, T], *arguments: P.args, **named: P.kwargs
) -> T:
    """Call ``function`` in a thread; whoever cancels waits until it has returned.

    Nothing then writes to, or reads from, a file that its owner has closed.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # the cancellation is what counts
        raise
