# SPDX-License-Identifier: Apache-2.0
"""A blob that is arriving: held in memory while small, then a file that grows."""

from __future__ import annotations

import hashlib
import secrets
from concurrent.futures import Future

from maild.store import blob_records
from maild.store.blob_growing import GrowingFile, Workshop
from maild.store.blob_prefix import Prefix
from maild.store.blob_records import Landed, Place, Sealed
from maild.store.errors import StoreError
from maild.store.index import Tx

INLINE = 64 * 1024
"""Octets up to which a blob lives in the index: one file each would lose (bench)."""


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
        self._failed = False
        """Whether it could not be landed."""

    @property
    def id(self) -> int:
        """The blob's id.  Asking for it registers a small one, which costs a commit."""
        return self._register().result()

    @classmethod
    def reopened(
        cls, shop: Workshop, blob_id: int, place: Place, prefix: Prefix
    ) -> BlobWriter:
        """Return the writer of a blob that grew before; see `Blobs.reopen`."""
        writer = cls(shop, place.expected)
        writer._key = place.key
        registered: Future[int] = Future()
        registered.set_result(blob_id)
        writer._registered = registered
        writer._file = GrowingFile(shop, place.key, registered, prefix)
        writer.size = prefix.length
        return writer

    @property
    def key(self) -> str:
        """What names the blob in the index before its id is known."""
        return self._key

    @property
    def durable(self) -> int:
        """Octets that are synced and recorded: with them `Blobs.reopen` goes on."""
        return 0 if self._file is None else self._file.durable

    @property
    def in_file(self) -> bool:
        """Whether it has become too large for memory, so that it can be reopened."""
        return self._file is not None

    def append(self, octets: bytes | bytearray | memoryview) -> None:
        """Add ``octets`` at the end; raise `StoreFullError` when there is no room.

        A buffer may be used again by the caller when this returns; but what a read-only
        view shows stays as it is until the last view of it is gone: it is not copied.
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
        except BaseException:
            self._failed = True
            raise
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
        if self._over and not self._failed:
            return
        self._failed = False
        self.close()
        if self._registered is not None:
            self._shop.index.submit(self._forget, self._registered.result())

    def _forget(self, tx: Tx, blob_id: int) -> None:
        """Remove record and file, unless somebody refers to them (a job)."""
        if blob_records.forget(tx, blob_id):
            self._shop.disk.discard(self._key)

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


class WholeWriter(BlobWriter):
    """The writer of a blob that had been sealed before it was reopened."""

    def __init__(self, shop: Workshop, sealed: Sealed) -> None:
        super().__init__(shop, sealed.size)
        self.size = sealed.size
        self._sealed = sealed

    @property
    def id(self) -> int:
        """The blob's id."""
        return self._sealed.id

    def append(self, octets: bytes | bytearray | memoryview) -> None:
        """Take nothing: raise `StoreError`."""
        raise StoreError("the blob has been sealed or closed")

    def flush(self) -> int:
        """Return the size: all of it is durable."""
        return self.size

    def land(self) -> Landed:
        """Raise `StoreError`: that has been done."""
        raise StoreError("the blob has been sealed or closed")

    def seal(self) -> Sealed:
        """Return what has been sealed."""
        return self._sealed

    def abandon(self) -> None:
        """Do nothing: it is collected if nothing refers to it."""
