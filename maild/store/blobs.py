# SPDX-License-Identifier: Apache-2.0
"""Blobs in local files: they grow at their end, are sealed, and are read while growing.

``incoming/<key>`` grows in place.  A watermark (fdatasync every 16 MiB or second) is
recorded in the index with a BLAKE3 digest per 4 MiB segment: that durable length is
what any process may read and what a restart may answer.  Sealing syncs the file,
renames it to ``blobs/ab/cd/<sha256>`` and syncs the directories; a blob of at most
64 KiB lives in the index and has no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from maild.store.changes import Changes
from maild.store.index import Index

INLINE = 64 * 1024
"""Octets up to which a blob lives in the index: one file each would lose (bench)."""
WATERMARK = 16 * 1024 * 1024
"""Octets after which a growing blob is synced: what a restart may cost."""
SEGMENT = 4 * 1024 * 1024
"""Octets of one digest."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished blob.  ``id`` may be an older blob's with the same content."""

    id: int
    size: int
    sha256: str


class BlobWriter:
    """A blob that is still arriving.  Used by one worker thread at a time, no loop.

    Every octet counted in the durable size of the index is readable and synced.
    """

    id: int
    size: int
    """Octets taken so far."""

    def append(self, octets: bytes | bytearray | memoryview) -> None:
        """Add ``octets`` at the end; raise `StoreFullError` when there is no room.

        The buffer may be used again by the caller when this returns.
        """
        raise NotImplementedError

    def flush(self) -> int:
        """Make what has arrived durable, record it, return the durable size."""
        raise NotImplementedError

    def seal(self) -> Sealed:
        """Sync, name by digest, drop a duplicate; afterwards a 250 may be given.

        The sealed blob has no references yet: `messages.add_content` takes them; gc
        leaves blobs younger than an hour alone.
        """
        raise NotImplementedError

    def abandon(self) -> None:
        """Forget the blob and its octets."""
        raise NotImplementedError


class BlobReader:
    """An open blob: reads in any thread; sees a growing blob's durable octets."""

    def pread(self, start: int, count: int) -> bytes:
        """Return up to ``count`` octets; short only at the end of what is durable."""
        raise NotImplementedError

    def fileno(self) -> int | None:
        """Return a descriptor for sendfile, or None when the blob is inline."""
        raise NotImplementedError

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class BlobState:
    """How far a blob has come, as any process sees it (octets)."""

    id: int
    durable: int
    sealed: bool
    expected: int | None
    sha256: str | None


class Blobs:
    """All blobs below ``root``."""

    def __init__(
        self, root: Path, index: Index, changes: Changes, clock: Callable[[], float]
    ) -> None:
        raise NotImplementedError

    def create(self, expected: int | None = None) -> BlobWriter:
        """Begin a blob; blocks (a thread's call)."""
        raise NotImplementedError

    def open(self, blob_id: int) -> BlobReader:
        """Open a blob for reading; blocks.  Raises `NotFoundError`."""
        raise NotImplementedError

    def state(self, blob_id: int) -> BlobState:
        """Return how far a blob has come; blocks.  Topic: ``blob:<id>``."""
        raise NotImplementedError

    def free_space(self) -> int:
        """Octets that can still be written, less what accepted offers reserve."""
        raise NotImplementedError

    def collect(self, now: float, *, older_than: float = 3600.0) -> Any:
        """Remove unreferenced blobs, stale incoming files and orphan files (gc)."""
        raise NotImplementedError

    def check(self, *, repair: bool = False) -> Any:
        """Compare index and files, digests included (fsck); yields findings."""
        raise NotImplementedError
