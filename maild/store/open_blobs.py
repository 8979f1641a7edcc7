# SPDX-License-Identifier: Apache-2.0
"""Blobs that are being read: opened once each, closed together.

What lies in the page cache is read without a thread: going to one and back costs more
than the octets of a piece.  The device is only ever waited for in threads.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from concurrent.futures import Executor
from contextlib import ExitStack
from types import TracebackType

from maild.store.blobs import BlobReader, Blobs
from maild.store.errors import DamagedError, InUseError


class OpenBlobs:
    """Use it as a context manager; by one task or thread at a time."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.readings = blobs.readings
        self._open: dict[int, BlobReader] = {}
        self._stack = ExitStack()

    def __enter__(self) -> OpenBlobs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the blobs."""
        self._stack.close()
        self._open.clear()

    async def ready(self, blobs: Iterable[int], threads: Executor | None) -> None:
        """Open, in a thread, those of ``blobs`` that are not open yet."""
        missing = {blob for blob in blobs if blob not in self._open}
        if not missing:
            return
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(threads, self._open_all, missing)
        try:
            await asyncio.shield(opening)
        finally:  # a thread must not be left alone with what will be closed
            await asyncio.wait([opening])
            if not opening.cancelled():
                opening.exception()

    def _open_all(self, blobs: Iterable[int]) -> None:
        for blob in blobs:
            self.reader(blob)

    def reader(self, blob: int) -> BlobReader:
        """Return an open blob; waits for the device when it has to be opened."""
        found = self._open.get(blob)
        if found is None:
            found = self._stack.enter_context(self._blobs.open(blob))
            self._open[blob] = found
        return found

    def read(self, blob: int, start: int, count: int) -> bytes:
        """Return exactly ``count`` octets of a blob, as they are."""
        reader = self.reader(blob)
        octets = reader.pread(start, count)
        if len(octets) != count:
            if reader.is_sealed:
                raise DamagedError("a blob is shorter than its rendering says")
            raise InUseError("these octets have not arrived yet")
        return octets

    def at_hand(self, blob: int, start: int, count: int) -> bytes | bytearray | None:
        """Return exactly ``count`` octets if nothing has to be waited for."""
        reader = self._open.get(blob)
        if reader is None or start + count > reader.durable:
            return None
        descriptor = reader.fileno()
        if descriptor is None:
            return reader.pread(start, count)
        octets = bytearray(count)
        try:
            got = os.preadv(descriptor, [octets], start, os.RWF_NOWAIT)
        except OSError:  # not in the page cache, or a file system that cannot say
            return None
        return octets if got == count else None
