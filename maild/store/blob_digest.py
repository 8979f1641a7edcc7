# SPDX-License-Identifier: Apache-2.0
"""Digests of a growing file, computed beside its writer: SHA-256, XXH3 by segment.

The octets are handed over, not read back (measured: that costs the hash 14 %).  All
blobs share one pool of threads, and each may have only a little waiting, so that memory
does not grow with a file.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass

from xxhash import xxh3_128

from maild.store.errors import StoreError

SEGMENT = 4 * 1024 * 1024
"""Octets of one segment digest."""
STEP = 1024 * 1024
"""Octets hashed at once by one after the other: more would leave the cache between."""
WORTH = 256 * 1024
"""Octets that are worth waking a thread for."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The digests at one length: of the whole, and of segments new since the last."""

    length: int
    sha256: str
    """Empty when the digest did not begin with the file."""
    segments: tuple[tuple[int, bytes], ...]
    """(number, digest); the last segment may be short and comes again when it grows."""


class GrowingDigest:
    """Follows one file.  One thread calls `take`; the rest, any.

    ``start``: octets of the file that were there before, ``segment`` the digest of
    those that belong to a segment which is not full.
    """

    def __init__(
        self, pool: Executor, start: int = 0, segment: xxh3_128 | None = None
    ) -> None:
        self._pool = pool
        self._turn = threading.Condition()
        self._running = False
        self._waiting: deque[memoryview] = deque()
        self._ahead = 0
        """Octets taken that are not hashed yet."""
        self._done = start
        self._stop: int | None = None
        self._mark: Mark | None = None
        self._error: Exception | None = None
        self._over = False
        self._whole = None if start else hashlib.sha256()
        self._segment = xxh3_128() if segment is None else segment
        self._finished: list[tuple[int, bytes]] = []

    def take(self, octets: memoryview, lag: int) -> None:
        """Hash the next octets of the file: nobody changes them while there is a view.

        Waits while there would be more than ``lag`` octets waiting, not only these.
        """
        with self._turn:
            self._turn.wait_for(lambda: self._has_room(lag - len(octets)))
            if self._error is None and not self._over:
                self._waiting.append(octets)
                self._ahead += len(octets)
                if self._ahead >= WORTH:
                    self._start()

    def _has_room(self, lag: int) -> bool:
        """Whether there is room, or no need of any; let the hash go on if not."""
        if self._ahead <= max(lag, 0) or self._error is not None or self._over:
            return True
        self._start()
        return False

    def mark_at(self, size: int) -> None:
        """Ask for the digests at ``size``, the octets taken so far.

        One mark at a time: `wait` for it before asking for the next.
        """
        with self._turn:
            self._stop = size
            self._mark = None
            self._start()

    def wait(self) -> Mark:
        """Return the mark asked for, once the hash has come that far."""
        with self._turn:
            self._turn.wait_for(lambda: self._mark or self._error or self._over)
            if self._mark is None:
                raise StoreError("a blob could not be hashed") from self._error
            return self._mark

    def settle(self) -> None:
        """Stop hashing: what waits is forgotten."""
        with self._turn:
            self._over = True
            self._waiting.clear()
            self._turn.notify_all()
            self._turn.wait_for(lambda: not self._running)

    def _start(self) -> None:
        """Put one turn into the pool unless one is there (the lock is held)."""
        if not (self._running or self._over) and self._error is None:
            self._running = True
            self._pool.submit(self._take_turn)

    def _take_turn(self) -> None:
        """Hash about one segment at most, then queue again behind the other blobs."""
        until = self._done + SEGMENT
        try:
            while self._done < until:
                with self._turn:
                    self._reach()
                    if not self._waiting:
                        self._running = False
                        self._turn.notify_all()
                        return
                    octets = self._waiting.popleft()
                self._hash(octets)
                count = len(octets)
                del octets  # its buffer may be used again
                with self._turn:
                    self._ahead -= count
                    self._done += count
                    self._turn.notify_all()
            self._pool.submit(self._take_turn)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the mark
            with self._turn:
                self._error = error
                self._running = False
                self._turn.notify_all()

    def _reach(self) -> None:
        """Take the mark if it has been reached (the lock is held)."""
        if self._stop is None or self._done < self._stop:
            return
        segments = list(self._finished)
        if self._done % SEGMENT:
            segments.append((self._done // SEGMENT, self._segment.digest()))
        self._finished.clear()
        self._stop = None
        whole = "" if self._whole is None else self._whole.hexdigest()
        self._mark = Mark(self._done, whole, tuple(segments))
        self._turn.notify_all()

    def _hash(self, octets: memoryview) -> None:
        """Hash octets that follow those that are done."""
        at = self._done
        while octets:
            count = min(STEP, SEGMENT - at % SEGMENT)
            step, octets = octets[:count], octets[count:]
            if self._whole is not None:
                self._whole.update(step)
            self._segment.update(step)
            at += len(step)
            if at % SEGMENT == 0:
                self._finished.append((at // SEGMENT - 1, self._segment.digest()))
                self._segment = xxh3_128()
