# SPDX-License-Identifier: Apache-2.0
"""Digests of a growing file, computed behind its writer: SHA-256, BLAKE3 by segment.

The file is read again from the page cache (measured: costs the hash 14 %, spares the
writer a copy and works for octets that were spliced into the file unseen).  All blobs
share one pool of threads, so that memory does not grow with their number.
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import Executor
from dataclasses import dataclass

from blake3 import blake3

from maild.store.errors import DamagedError, StoreError

SEGMENT = 4 * 1024 * 1024
"""Octets of one segment digest."""
STEP = 128 * 1024
"""Octets read at once: stays in the processor's cache (measured, as fast as 1 MiB)."""
LAG = 1024 * 1024
"""Octets of growth that are worth waking a thread for."""

_buffers = threading.local()


@dataclass(frozen=True, slots=True)
class Mark:
    """The digests at one length: of the whole, and of segments new since the last."""

    length: int
    sha256: str
    segments: tuple[tuple[int, bytes], ...]
    """(number, digest); the last segment may be short and comes again when it grows."""


class GrowingDigest:
    """Follows one file.  `grown` and `mark_at` may be called from any thread."""

    def __init__(self, descriptor: int, pool: Executor) -> None:
        self._descriptor = descriptor
        self._pool = pool
        self._turn = threading.Condition()
        self._running = False
        self._target = 0
        self._done = 0
        self._stop: int | None = None
        self._mark: Mark | None = None
        self._error: Exception | None = None
        self._whole = hashlib.sha256()
        self._segment = blake3()
        self._finished: list[tuple[int, bytes]] = []

    def grown(self, size: int) -> None:
        """Say that the file now holds ``size`` octets."""
        with self._turn:
            self._target = size
            if size - self._done >= LAG:
                self._start()

    def mark_at(self, size: int) -> None:
        """Ask for the digests at ``size``, the size last given to `grown`.

        One mark at a time: `wait` for it before asking for the next.
        """
        with self._turn:
            self._target = self._stop = size
            self._mark = None
            self._start()

    def wait(self) -> Mark:
        """Return the mark asked for, once the hash has come that far."""
        with self._turn:
            self._turn.wait_for(lambda: self._mark or self._error)
            if self._error is not None:
                raise StoreError("a blob could not be read back") from self._error
            assert self._mark is not None
            return self._mark

    def settle(self) -> None:
        """Stop hashing; afterwards the descriptor may be closed."""
        with self._turn:
            self._target = self._done
            self._stop = None
            self._turn.wait_for(lambda: not self._running)

    def _start(self) -> None:
        """Put one turn into the pool unless one is there (the lock is held)."""
        if not self._running and self._error is None:
            self._running = True
            self._pool.submit(self._take_turn)

    def _take_turn(self) -> None:
        """Hash at most about one segment, then queue again behind the other blobs."""
        try:
            for _ in range(SEGMENT // STEP):
                with self._turn:
                    stop = self._target if self._stop is None else self._stop
                    self._reached(stop)
                    if self._done >= self._target:
                        self._running = False
                        self._turn.notify_all()
                        return
                self._hash(min(STEP, stop - self._done))
            self._pool.submit(self._take_turn)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the mark
            with self._turn:
                self._error = error
                self._running = False
                self._turn.notify_all()

    def _reached(self, stop: int) -> None:
        """Take the mark if it has been reached (the lock is held)."""
        if self._stop is None or self._done < stop:
            return
        segments = list(self._finished)
        if self._done % SEGMENT:
            segments.append((self._done // SEGMENT, self._segment.digest()))
        self._finished.clear()
        self._stop = None
        self._mark = Mark(self._done, self._whole.hexdigest(), tuple(segments))
        self._turn.notify_all()

    def _hash(self, count: int) -> None:
        """Hash up to ``count`` octets, none of them behind the end of a segment."""
        if count == 0:
            return
        buffer: bytearray | None = getattr(_buffers, "step", None)
        if buffer is None:
            buffer = _buffers.step = bytearray(STEP)
        count = min(count, SEGMENT - self._done % SEGMENT)
        view = memoryview(buffer)[:count]
        found = os.preadv(self._descriptor, [view], self._done)
        if found == 0:
            raise DamagedError("the file is shorter than what was written")
        self._whole.update(view[:found])
        self._segment.update(view[:found])
        self._done += found
        if self._done % SEGMENT == 0:
            number = self._done // SEGMENT - 1
            self._finished.append((number, self._segment.digest()))
            self._segment = blake3()
