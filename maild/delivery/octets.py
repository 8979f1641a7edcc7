# SPDX-License-Identifier: Apache-2.0
"""Octets of a rope on their way out: written to a channel, or handed to sendfile."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import ExitStack, aclosing
from types import TracebackType
from typing import IO

from maild.delivery.channel import Channel
from maild.store.blobs import Blobs
from maild.store.open_blobs import OpenBlobs
from maild.store.reading import range_of
from maild.store.rope import Base64, Raw, Rope


class Octets:
    """Reads blobs for one attempt; use as a context manager: it keeps them open."""

    def __init__(self, blobs: Blobs, readers: Executor) -> None:
        self._opened = OpenBlobs(blobs)
        self._readers = readers
        self._files: dict[int, IO[bytes] | None] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Octets:
        self._stack.enter_context(self._opened)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    async def send(self, channel: Channel, rope: Rope, start: int, count: int) -> None:
        """Write ``start : start + count`` of the rendering to the peer."""
        if channel.is_tls:
            await self._write(channel, rope, start, count)
            return
        for span in rope.spans(start, count):
            file = None
            if isinstance(span.piece, Raw):
                file = await self._file(span.piece.blob)
            if isinstance(span.piece, Raw) and file is not None:
                at = span.piece.start + span.start
                await channel.send_file(file, at, span.length)
            else:
                await self._write(channel, rope, start, span.length)
            start += span.length

    async def _write(
        self, channel: Channel, rope: Rope, start: int, count: int
    ) -> None:
        pieces = range_of(self._opened, rope, start, count, self._readers)
        async with aclosing(pieces):
            async for piece in pieces:
                await channel.write(piece)

    async def read(
        self, rope: Rope, *, skip_encoded: bool = False
    ) -> AsyncIterator[tuple[bytes | bytearray, bool]]:
        """Yield the whole rendering in pieces, and whether each is base64 lines.

        With ``skip_encoded`` those come as empty pieces, and no blob is read for them.
        """
        start = 0
        for span in rope.spans():
            encoded = isinstance(span.piece, Base64)
            if encoded and skip_encoded:
                yield b"", True
            else:
                pieces = range_of(self._opened, rope, start, span.length, self._readers)
                async with aclosing(pieces):
                    async for piece in pieces:
                        yield piece, encoded
            start += span.length

    async def _file(self, blob: int) -> IO[bytes] | None:
        if blob not in self._files:
            await self._opened.ready([blob], self._readers)
            descriptor = self._opened.reader(blob).fileno()
            file = None
            if descriptor is not None:
                file = os.fdopen(descriptor, "rb", buffering=0, closefd=False)
                self._stack.enter_context(file)
            self._files[blob] = file
        return self._files[blob]
