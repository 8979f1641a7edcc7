# SPDX-License-Identifier: Apache-2.0
"""The file of a growing blob: written in one thread, hashed and synced behind it.

The writing thread only writes, and waits for the hash when it is too far ahead.
Hashing, early writeback and the watermark (sync, then the durable length in the index)
run in pools that all blobs share.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from maild.store import blob_disk, blob_records
from maild.store.blob_digest import GrowingDigest
from maild.store.blob_disk import Disk
from maild.store.blob_prefix import FileDigest, Prefix
from maild.store.blob_records import Landed
from maild.store.errors import StoreBrokenError
from maild.store.index import Index

WATERMARK = 16 * 1024 * 1024
"""Octets at most that have been taken and are not durable: what a restart may cost."""
MARK_MOST = WATERMARK // 2
"""Octets after which a growing blob is synced; as many again may come meanwhile."""
MARK_FIRST = 256 * 1024
"""Octets after which it is synced first, then twice as many each time: who reads behind
the writer sees the beginning at once."""
WRITEBACK = 8 * 1024 * 1024
"""Octets after which the kernel is asked to begin writing."""
AHEAD = 3 * 1024 * 1024
"""Octets that all growing blobs together may hold for their hashes; one piece each, in
any case."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all writers of one store share."""

    disk: Disk
    index: Index
    clock: Callable[[], float]
    hashing: Executor
    syncing: Executor
    growing: set[GrowingFile]
    """Files whose watermark has to follow even when their source stalls."""


class GrowingFile:
    """``incoming/<key>`` behind a writer; ``size`` and ``durable`` in octets.

    With a ``prefix``, the file of a blob that grew before: it goes on at that length.
    """

    def __init__(
        self,
        shop: Workshop,
        key: str,
        registered: Future[int],
        prefix: Prefix | None = None,
    ) -> None:
        start = 0 if prefix is None else prefix.length
        self.size = start
        self.durable = start
        self._shop = shop
        self._key = key
        self._registered = registered
        self._whole: FileDigest | None = None
        """The SHA-256 of a file that had octets before."""
        if prefix is None:
            self._descriptor = shop.disk.create(key)
            self._digest = GrowingDigest(shop.hashing)
        else:
            self._reopen(prefix)
        self._lock = threading.Lock()
        self._marked = start
        self._step = MARK_FIRST
        self._marking: Future[None] | None = None
        self._written_back = start
        self._name_is_durable = start > 0
        self._ending = False
        shop.growing.add(self)

    def _reopen(self, prefix: Prefix) -> None:
        self._descriptor = self._shop.disk.reopen(self._key, prefix.length)
        try:
            segment = prefix.last_segment(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise
        pool = self._shop.hashing
        self._digest = GrowingDigest(pool, prefix.length, segment)
        if prefix.length:
            self._whole = FileDigest(pool, self._descriptor, prefix)

    @property
    def blob_id(self) -> int:
        """The blob's id; waits for its registration."""
        return self._registered.result()

    def append(self, octets: memoryview) -> None:
        """Write at the end; begin a watermark when one is due."""
        self._raise_failure()
        blob_disk.write_at(self._descriptor, octets, self.size)
        # What may change at once is copied for the hash.
        kept = octets if octets.readonly else memoryview(bytes(octets))
        with self._lock:
            self.size += len(octets)
            self._digest.take(kept, AHEAD // max(1, len(self._shop.growing)))
        if self._whole is not None:
            self._whole.follow(self.size)
        if self.size - self._written_back >= WRITEBACK:
            start, self._written_back = self._written_back, self.size
            self._shop.syncing.submit(
                blob_disk.start_writeback, self._descriptor, start, self.size - start
            )
        if self.size - self._marked >= self._step:
            self.begin_mark()
        while self.size - self.durable >= WATERMARK:  # the device is slower
            self.settle()
            self._raise_failure()
            self.begin_mark()

    def begin_mark(self) -> None:
        """Begin to make what has arrived durable, unless that is under way."""
        with self._lock:
            busy = self._marking is not None and not self._marking.done()
            if busy or self._ending or self._marked == self.size or self._failure():
                return
            self._marked = self.size
            self._step = min(2 * self._step, MARK_MOST)
            self._digest.mark_at(self.size)
            self._marking = self._shop.syncing.submit(self._mark, self.size)

    def _mark(self, length: int) -> None:
        try:
            blob_disk.sync(self._descriptor, data_only=True)
            self._make_name_durable()
            mark = self._digest.wait()
            self._shop.index.submit(
                blob_records.grow,
                self.blob_id,
                length,
                mark.segments,
                self._shop.clock(),
            ).result()
        except StoreBrokenError:
            self._shop.index.stop_acknowledging()
            raise
        self.durable = length

    def _make_name_durable(self) -> None:
        if not self._name_is_durable:
            blob_disk.sync_directory(self._shop.disk.incoming)
            self._name_is_durable = True

    def flush(self) -> None:
        """Make everything durable, in the calling thread's time."""
        while True:
            self.settle()
            self._raise_failure()
            if self.durable == self.size:
                return
            self.begin_mark()

    def settle(self) -> None:
        """Wait until no watermark is under way, whatever came of it."""
        if self._marking is not None:
            self._marking.exception()

    def land(self, expected: int | None) -> Landed:
        """Sync the whole file and give it its final name."""
        self._end_marks()
        self._raise_failure()
        self._digest.mark_at(self.size)
        try:
            blob_disk.sync(self._descriptor)
            mark = self._digest.wait()
            sha256 = mark.sha256 if self._whole is None else self._whole.wait()
            if self.durable:  # somebody may read it, or count on it after a kill
                self._record_name(sha256, mark.segments)
            self._shop.disk.place(self._key, sha256)
        except StoreBrokenError:
            self._shop.index.stop_acknowledging()
            raise
        landed = Landed(
            id=self.blob_id,
            key=self._key,
            size=self.size,
            sha256=sha256,
            expected=expected,
            inline=None,
            path=self._shop.disk.sealed_path(sha256),
            segments=mark.segments,
        )
        self.close()
        return landed

    def _record_name(
        self, sha256: str, segments: tuple[tuple[int, bytes], ...]
    ) -> None:
        self._shop.index.submit(
            blob_records.name,
            self.blob_id,
            self.size,
            sha256,
            segments,
            self._shop.clock(),
        ).result()

    def close(self) -> None:
        """Stop; what is durable stays."""
        self._end_marks()
        self._shop.growing.discard(self)
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._digest.settle()
            if self._whole is not None:
                self._whole.settle()
            os.close(descriptor)

    def _end_marks(self) -> None:
        """Begin no more watermarks and wait for the one that may be under way."""
        with self._lock:
            self._ending = True
        self.settle()

    def _failure(self) -> BaseException | None:
        if self._whole is not None and self._whole.failure is not None:
            return self._whole.failure
        if self._marking is None or not self._marking.done():
            return None
        return self._marking.exception()

    def _raise_failure(self) -> None:
        """Raise what ended this blob: a failed watermark is never tried again."""
        failure = self._failure()
        if failure is not None:
            raise failure
