# SPDX-License-Identifier: Apache-2.0
"""A blob that is arriving: held in memory while small, then a file that grows.

The writing thread only writes.  Hashing, early writeback and the watermark (sync, then
the durable length in the index) run behind it in pools that all blobs share.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from maild.store import blob_disk, blob_records
from maild.store.blob_digest import GrowingDigest
from maild.store.blob_disk import Disk
from maild.store.blob_records import Landed, Sealed
from maild.store.errors import StoreBrokenError, StoreError
from maild.store.index import Index

INLINE = 64 * 1024
"""Octets up to which a blob lives in the index: one file each would lose (bench)."""
WATERMARK = 16 * 1024 * 1024
"""Octets after which a growing blob is synced: what a restart may cost."""
WRITEBACK = 8 * 1024 * 1024
"""Octets after which the kernel is asked to begin writing."""


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
    """``incoming/<key>`` behind a writer; ``size`` and ``durable`` in octets."""

    def __init__(self, shop: Workshop, key: str, registered: Future[int]) -> None:
        self.size = 0
        self.durable = 0
        self._shop = shop
        self._key = key
        self._registered = registered
        self._descriptor = shop.disk.create(key)
        self._digest = GrowingDigest(self._descriptor, shop.hashing)
        self._lock = threading.Lock()
        self._marked = 0
        self._marking: Future[None] | None = None
        self._written_back = 0
        self._name_is_durable = False
        self._ending = False
        shop.growing.add(self)

    @property
    def blob_id(self) -> int:
        """The blob's id; waits for its registration."""
        return self._registered.result()

    def append(self, octets: memoryview) -> None:
        """Write at the end; begin a watermark when one is due."""
        self._raise_failure()
        blob_disk.write_at(self._descriptor, octets, self.size)
        with self._lock:
            self.size += len(octets)
            self._digest.grown(self.size)
        if self.size - self._written_back >= WRITEBACK:
            start, self._written_back = self._written_back, self.size
            self._shop.syncing.submit(
                blob_disk.start_writeback, self._descriptor, start, self.size - start
            )
        if self.size - self._marked >= WATERMARK:
            self.begin_mark()

    def begin_mark(self) -> None:
        """Begin to make what has arrived durable, unless that is under way."""
        with self._lock:
            busy = self._marking is not None and not self._marking.done()
            if busy or self._ending or self._marked == self.size or self._failure():
                return
            self._marked = self.size
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
            self._shop.disk.place(self._key, mark.sha256)
        except StoreBrokenError:
            self._shop.index.stop_acknowledging()
            raise
        landed = Landed(
            id=self.blob_id,
            key=self._key,
            size=self.size,
            sha256=mark.sha256,
            expected=expected,
            inline=None,
            path=self._shop.disk.sealed_path(mark.sha256),
            segments=mark.segments,
        )
        self.close()
        return landed

    def close(self) -> None:
        """Stop; what is durable stays."""
        self._end_marks()
        self._shop.growing.discard(self)
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._digest.settle()
            os.close(descriptor)

    def _end_marks(self) -> None:
        """Begin no more watermarks and wait for the one that may be under way."""
        with self._lock:
            self._ending = True
        self.settle()

    def _failure(self) -> BaseException | None:
        if self._marking is None or not self._marking.done():
            return None
        return self._marking.exception()

    def _raise_failure(self) -> None:
        """Raise what ended this blob: a failed watermark is never tried again."""
        failure = self._failure()
        if failure is not None:
            raise failure


class BlobWriter:
    """A blob that is still arriving.  Used by one worker thread at a time, no loop.

    Every octet counted in the durable size of the index is readable and synced.
    """

    def __init__(self, shop: Workshop, expected: int | None) -> None:
        self.size = 0
        """Octets taken so far."""
        self._shop = shop
        self._expected = expected
        self._key = secrets.token_hex(16)
        self._held = bytearray()
        self._file: GrowingFile | None = None
        self._registered: Future[int] | None = None
        self._over = False

    @property
    def id(self) -> int:
        """The blob's id.  Asking for it registers a small one, which costs a commit."""
        return self._register().result()

    def append(self, octets: bytes | bytearray | memoryview) -> None:
        """Add ``octets`` at the end; raise `StoreFullError` when there is no room.

        The buffer may be used again by the caller when this returns.
        """
        self._check_open()
        view = memoryview(octets).cast("B")
        if self._file is None and self.size + len(view) <= INLINE:
            self._held += view
            self.size += len(view)
            return
        file = self._file or self._spill()
        file.append(view)
        self.size = file.size

    def flush(self) -> int:
        """Make what has arrived durable, record it, return the durable size."""
        file = self._file or self._spill()
        file.flush()
        return file.durable

    def seal(self) -> Sealed:
        """Sync, name by digest, drop a duplicate; afterwards a 250 may be given.

        The sealed blob has no references yet: `messages.add_content` takes them; gc
        leaves blobs younger than an hour alone.
        """
        return self._shop.index.submit(
            blob_records.seal, self.land(), self._shop.clock()
        ).result()

    def land(self) -> Landed:
        """Do everything of `seal` but its job.

        For a caller that runs `maild.store.blob_records.seal` in a job of its own,
        together with what refers to the blob: one commit instead of two.
        """
        self._check_open()
        try:
            if self._file is not None:
                landed = self._file.land(self._expected)
            else:
                landed = self._land_inline()
        finally:
            self._over = True
            self._close_file()
        return landed

    def _land_inline(self) -> Landed:
        octets = bytes(self._held)
        return Landed(
            id=None if self._registered is None else self._registered.result(),
            key=self._key,
            size=self.size,
            sha256=hashlib.sha256(octets).hexdigest(),
            expected=self._expected,
            inline=octets,
            path=None,
            segments=(),
        )

    def abandon(self) -> None:
        """Forget the blob and its octets; nothing happens to a sealed one."""
        if self._over:
            return
        self.close()
        if self._file is not None:
            self._shop.disk.discard(self._key)
        if self._registered is not None:
            self._shop.index.submit(blob_records.forget, self._registered.result())

    def close(self) -> None:
        """Stop; what is durable stays until gc finds that nobody wants it."""
        self._over = True
        self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()

    def _register(self) -> Future[int]:
        if self._registered is None:
            self._registered = self._shop.index.submit(
                blob_records.register, self._key, self._expected, self._shop.clock()
            )
        return self._registered

    def _spill(self) -> GrowingFile:
        """Go on in a file: the blob has become too large for the index."""
        self._check_open()
        file = GrowingFile(self._shop, self._key, self._register())
        try:
            file.append(memoryview(self._held))
        except StoreError:
            file.close()
            self._shop.disk.discard(self._key)
            raise
        self._file = file
        self._held = bytearray()
        return file

    def _check_open(self) -> None:
        if self._over:
            raise StoreError("the blob has been sealed or closed")
