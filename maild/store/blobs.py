# SPDX-License-Identifier: Apache-2.0
"""Blobs in local files: they grow at their end, are sealed, and are read while growing.

``incoming/<key>`` grows in place.  A watermark (fdatasync every 8 MiB or second) is
recorded in the index with an XXH3 digest per 4 MiB segment: that durable length is
what any process may read and what a restart may answer.  Sealing syncs the file,
renames it to ``blobs/ab/cd/<sha256>`` and syncs the directories; a blob of at most
64 KiB lives in the index and has no file.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from maild.store import blob_records, fsck, gc
from maild.store.blob_digest import SEGMENT
from maild.store.blob_disk import Disk
from maild.store.blob_growing import WATERMARK, Workshop
from maild.store.blob_prefix import Prefix
from maild.store.blob_records import BlobState, Landed, Place, Sealed
from maild.store.blob_writer import INLINE, BlobWriter, WholeWriter
from maild.store.changes import Changes
from maild.store.errors import DamagedError
from maild.store.index import Index, Tx
from maild.store.sharing import Shared

__all__ = [
    "INLINE",
    "SEGMENT",
    "WATERMARK",
    "BlobReader",
    "BlobState",
    "BlobWriter",
    "Blobs",
    "Landed",
    "Sealed",
]

SYNCERS = 8
"""Threads that sync: they mostly wait for the device."""
READING = 1024 * 1024
"""Octets that all who read together take at once, a piece each."""
MOST = 256 * 1024
"""Octets of a piece (bench: larger ones are slower under TLS)."""
LEAST = 16 * 1024
"""Octets of a piece, however many read."""
PULSE = 1.0
"""Seconds after which growth is made durable even when its source stalls."""


class BlobReader:
    """An open blob: reads in any thread; sees a growing blob's durable octets."""

    def __init__(
        self,
        state: Callable[[], BlobState],
        locate: Callable[[], tuple[bytes | None, int]],
    ) -> None:
        self._state_now = state
        self._locate = locate
        self._lock = threading.Lock()
        self._octets, self._descriptor = locate()
        self._state = state()

    @property
    def durable(self) -> int:
        """Octets that could be read when the blob was last looked at."""
        return self._state.durable

    @property
    def is_sealed(self) -> bool:
        """Whether the blob was whole when it was last looked at."""
        return self._state.sealed

    def pread(self, start: int, count: int) -> bytes:
        """Return up to ``count`` octets; short only at the end of what is durable."""
        if start + count > self._state.durable and not self._state.sealed:
            self._look_again()
        if self._octets is not None:
            return self._octets[start : start + count]
        count = max(0, min(count, self._state.durable - start))
        pieces: list[bytes] = []
        while count:
            piece = os.pread(self._descriptor, count, start)
            if not piece:
                raise DamagedError("the file of a blob is too short")
            pieces.append(piece)
            start += len(piece)
            count -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _look_again(self) -> None:
        with self._lock:
            self._state = self._state_now()
            if self._descriptor < 0 and self._octets is None:
                self._octets, self._descriptor = self._locate()

    def fileno(self) -> int | None:
        """Return a descriptor for sendfile, or None when the blob is inline."""
        return None if self._descriptor < 0 else self._descriptor

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Blobs:
    """All blobs below ``root``."""

    def __init__(
        self,
        root: Path,
        index: Index,
        changes: Changes,
        clock: Callable[[], float],
        *,
        pulse: float = PULSE,
    ) -> None:
        self._index = index
        self._changes = changes
        self._clock = clock
        self._disk = Disk(root)
        self._shop = Workshop(
            disk=self._disk,
            index=index,
            clock=clock,
            hashing=ThreadPoolExecutor(max(2, os.cpu_count() or 1), "blob-hash"),
            syncing=ThreadPoolExecutor(SYNCERS, "blob-sync"),
            growing=set(),
        )
        self.readings = Shared(READING, LEAST, MOST)
        """How much of a blob is read at once: all who read share the memory."""
        self._pulse = pulse
        self._stopping = threading.Event()
        self._pulsing = threading.Thread(
            target=self._beat, name="blob-pulse", daemon=True
        )

    def start(self) -> None:
        """Create what is missing and begin to follow growing blobs."""
        self._disk.open()
        self._pulsing.start()

    def close(self) -> None:
        """Stop; growing blobs keep what is durable."""
        self._stopping.set()
        self._pulsing.join()
        for file in self._shop.growing.copy():
            file.close()
        self._shop.syncing.shutdown()
        self._shop.hashing.shutdown()

    def create(self, expected: int | None = None) -> BlobWriter:
        """Begin a blob; blocks (a thread's call)."""
        return BlobWriter(self._shop, expected)

    def reopen(self, blob_id: int) -> BlobWriter:
        """Go on with a blob at its durable length; blocks (a thread's call).

        What was written beyond is dropped.  Raises `DamagedError` when what should be
        there is not, and removes the blob unless somebody refers to it; where that
        takes long to see, appending or sealing raises it.
        Raises `InUseError` while somebody else writes the blob, `NotFoundError`.
        """
        place, segments = self._index.read_here(_whereabouts, blob_id)
        if place.sealed:
            assert place.sha256 is not None
            return WholeWriter(self._shop, Sealed(blob_id, place.durable, place.sha256))
        prefix = Prefix(place.durable, segments)
        try:
            if place.sha256 is not None:
                return WholeWriter(self._shop, self._seal_again(blob_id, place))
            return BlobWriter.reopened(self._shop, blob_id, place, prefix)
        except DamagedError:
            self._index.submit(self._forget, blob_id).result()
            raise

    def _seal_again(self, blob_id: int, place: Place) -> Sealed:
        """Seal what had been landed, and not sealed, when its process was killed."""
        assert place.sha256 is not None
        landed = Landed(
            id=blob_id,
            key=place.key,
            size=place.durable,
            sha256=place.sha256,
            expected=place.expected,
            inline=None,
            path=self._disk.place_again(place),
            segments=(),
        )
        return self._index.submit(blob_records.seal, landed, self._clock()).result()

    def forget(self, blob_id: int) -> None:
        """Remove a blob that will not grow and that nobody refers to; returns at once.

        A sealed one is left to gc: another may share its file.
        """
        self._index.submit(self._forget, blob_id)

    def _forget(self, tx: Tx, blob_id: int) -> None:
        key = tx.value("SELECT key FROM blob WHERE id = ?1 AND sealed = 0", blob_id)
        if key is not None and blob_records.forget(tx, blob_id):
            self._disk.discard(key)

    def drop(self, blob_id: int) -> None:
        """Remove a sealed blob that nobody refers to at once; returns at once.

        For what was refused after its last octet: a quota does not count it, so nobody
        may fill the device with it.  Whoever has just sealed the same octets, and not
        said so yet, has to begin again.
        """
        self._index.submit(gc.remove, self._disk, [blob_id], math.inf)

    def open(self, blob_id: int) -> BlobReader:
        """Open a blob for reading; blocks.  Raises `NotFoundError`."""
        return BlobReader(lambda: self.state(blob_id), lambda: self._locate(blob_id))

    def _locate(self, blob_id: int) -> tuple[bytes | None, int]:
        """Return (octets, -1) of an inline blob, (None, descriptor) of another.

        (None, -1) is one that has no octet yet.
        """
        for _ in range(3):  # it may be renamed between the look-up and the open
            place = self._index.read_here(blob_records.place, blob_id)
            if place.inline is not None:
                return place.inline, -1
            try:
                return None, os.open(self._disk.path(place), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                if not place.sealed and not place.durable:
                    return None, -1
        raise DamagedError("the file of a blob is missing")

    def state(self, blob_id: int) -> BlobState:
        """Return how far a blob has come; blocks.  Topic: ``blob:<id>``."""
        return self._index.read_here(blob_records.state, blob_id)

    def room(self, promised: int) -> int:
        """Octets that can be promised to a message, beside what is ``promised``.

        A little is nobody's: without room the index can record nothing, not even that
        something is removed.
        """
        return max(0, self._disk.free() - self._disk.spare() - promised)

    def free_space(self, promised: int = 0, redeemed: int = 0) -> int:
        """Octets that can still be written by whom nothing is promised.

        That is less what is ``promised`` to those who are sending and what accepted
        offers reserve, of which ``redeemed`` is being sent now.  The last tenth is
        nobody's: one large promise must not refuse everything.
        """
        free = self._disk.free()
        reserved = self._index.read_here(blob_records.reserved)
        kept = promised + max(0, reserved - redeemed)
        return max(0, free - min(kept, free * 9 // 10))

    def collect(self, now: float, *, older_than: float = 3600.0) -> gc.Collected:
        """Remove unreferenced blobs, stale incoming files and orphan files (gc)."""
        return gc.collect(self._disk, self._index, now, older_than)

    def check(self, *, repair: bool = False) -> Iterator[fsck.Finding]:
        """Compare index and files, digests included (fsck); yields findings."""
        return fsck.check(self._disk, self._index, self._clock(), repair=repair)

    def _beat(self) -> None:
        while not self._stopping.wait(self._pulse):
            for file in self._shop.growing.copy():
                file.begin_mark()


def _whereabouts(tx: Tx, blob_id: int) -> tuple[Place, list[bytes]]:
    return blob_records.place(tx, blob_id), blob_records.segments(tx, blob_id)
