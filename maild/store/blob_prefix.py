# SPDX-License-Identifier: Apache-2.0
"""The SHA-256 of a file that goes on growing after a restart, read behind its writer.

A running SHA-256 cannot be saved, so it is made again from the file, in the pool of
the hashes, while new octets are appended.  Each whole segment that was there before is
compared with its recorded digest: what the device damaged is found before it is sealed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from xxhash import xxh3_128

from maild.store.blob_digest import SEGMENT, STEP
from maild.store.errors import DamagedError, StoreError


@dataclass(frozen=True, slots=True)
class Prefix:
    """What of a growing file was durable before a restart."""

    length: int
    """Octets."""
    segments: Sequence[bytes]
    """The digest of each segment; the last one may be short."""

    def last_segment(self, descriptor: int) -> xxh3_128:
        """Return the digest to go on with; raise `DamagedError` if it is not right.

        Reads less than a segment.
        """
        digest = xxh3_128()
        at = self.length - self.length % SEGMENT
        while at < self.length:
            octets = os.pread(descriptor, min(STEP, self.length - at), at)
            if not octets:
                raise DamagedError("the file of a blob is too short")
            digest.update(octets)
            at += len(octets)
        if len(self.segments) != -(-self.length // SEGMENT):
            raise DamagedError("digests of a blob are missing")
        if self.length % SEGMENT and digest.digest() != self.segments[-1]:
            raise DamagedError("a blob does not match its digests any more")
        return digest


class FileDigest:
    """Follows one file from its beginning.  One thread appends; any thread calls."""

    def __init__(self, pool: Executor, descriptor: int, prefix: Prefix) -> None:
        self._pool = pool
        self._descriptor = descriptor
        self._segments = prefix.segments[: prefix.length // SEGMENT]
        self._turn = threading.Condition()
        self._running = False
        self._over = False
        self._there = 0
        """Octets that are in the file."""
        self._done = 0
        self._whole = hashlib.sha256()
        self._segment = xxh3_128()
        self._error: Exception | None = None
        self.follow(prefix.length)

    @property
    def failure(self) -> Exception | None:
        """What ended it, so far."""
        return self._error

    def follow(self, size: int) -> None:
        """Know that ``size`` octets are in the file; returns at once."""
        with self._turn:
            self._there = size
            if not (self._running or self._over or self._error):
                self._running = True
                self._pool.submit(self._take_turn)

    def wait(self) -> str:
        """Return the SHA-256 (hex) of everything in the file."""
        with self._turn:
            self._turn.wait_for(lambda: not self._running)
            if self._error is not None:
                raise self._error
            if self._done < self._there:
                raise StoreError("a blob could not be hashed")
            return self._whole.hexdigest()

    def settle(self) -> None:
        """Stop: the descriptor is not used any more when this returns."""
        with self._turn:
            self._over = True
            self._turn.wait_for(lambda: not self._running)

    def _take_turn(self) -> None:
        """Hash about one segment, then queue again behind the other blobs."""
        until = self._done + SEGMENT
        try:
            while self._done < until:
                with self._turn:
                    count = min(STEP, self._there - self._done)
                    if self._over or not count:
                        self._running = False
                        self._turn.notify_all()
                        return
                self._hash(os.pread(self._descriptor, count, self._done))
            self._pool.submit(self._take_turn)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            with self._turn:
                self._error = error
                self._running = False
                self._turn.notify_all()

    def _hash(self, octets: bytes) -> None:
        if not octets:
            raise DamagedError("the file of a blob is too short")
        self._whole.update(octets)
        number = self._done // SEGMENT
        if number < len(self._segments):
            rest = SEGMENT - self._done % SEGMENT
            self._segment.update(octets[:rest])
            if len(octets) >= rest:
                if self._segment.digest() != self._segments[number]:
                    raise DamagedError("a blob does not match its digests any more")
                self._segment = xxh3_128(octets[rest:])
        self._done += len(octets)
