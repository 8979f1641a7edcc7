# SPDX-License-Identifier: Apache-2.0
"""Octets of a rope on their way out: constants, blob ranges, blobs seen as base64.

Blobs are read by threads of our own (never on the loop, never more than a piece ahead),
or handed to sendfile; nothing here grows with the size of what is sent.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack
from types import TracebackType
from typing import IO

import pybase64

from maild.delivery.channel import Channel
from maild.mail.encoding import CODED_LINE, RAW_LINE
from maild.store.blobs import BlobReader, Blobs
from maild.store.rope import Base64, Constant, Raw, Rope, Span

PIECE = 256 * 1024
"""Octets read and written at a time under TLS: 1-4 MiB pieces are slower (bench)."""
LINES = PIECE // CODED_LINE
"""base64 lines made at a time."""


class Octets:
    """Reads blobs for one attempt; use as a context manager: it keeps them open."""

    def __init__(self, blobs: Blobs, readers: Executor) -> None:
        self._blobs = blobs
        self._readers = readers
        self._open: dict[int, BlobReader] = {}
        self._files: dict[int, IO[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Octets:
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
        for span in rope.spans(start, count):
            if isinstance(span.piece, Raw) and not channel.is_tls:
                file = await self._file(span.piece.blob)
                if file is not None:
                    at = span.piece.start + span.start
                    await channel.send_file(file, at, span.length)
                    continue
            async for piece in self._pieces(span):
                await channel.write(piece)

    async def read(
        self, rope: Rope, *, skip_encoded: bool = False
    ) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield the whole rendering in pieces, and whether each is base64 lines.

        With ``skip_encoded`` those come as empty pieces, and no blob is read for them.
        """
        for span in rope.spans():
            encoded = isinstance(span.piece, Base64)
            if encoded and skip_encoded:
                yield b"", True
                continue
            async for piece in self._pieces(span):
                yield piece, encoded

    async def _pieces(self, span: Span) -> AsyncIterator[bytes]:
        """Read one piece ahead, so that disk and network work at the same time."""
        loop = asyncio.get_running_loop()
        if isinstance(span.piece, Constant):
            yield span.piece.octets[span.start : span.start + span.length]
            return
        reader = await self._reader(span.piece.blob)
        ahead: asyncio.Future[bytes] | None = None
        for read in _reads(reader, span):
            coming = loop.run_in_executor(self._readers, read)
            if ahead is not None:
                yield await ahead
            ahead = coming
        if ahead is not None:
            yield await ahead

    async def _reader(self, blob: int) -> BlobReader:
        if blob not in self._open:
            reader = await asyncio.get_running_loop().run_in_executor(
                self._readers, self._blobs.open, blob
            )
            self._open[blob] = self._stack.enter_context(reader)
        return self._open[blob]

    async def _file(self, blob: int) -> IO[bytes] | None:
        if blob not in self._files:
            descriptor = (await self._reader(blob)).fileno()
            if descriptor is None:
                return None
            file = os.fdopen(descriptor, "rb", buffering=0, closefd=False)
            self._files[blob] = self._stack.enter_context(file)
        return self._files[blob]


def _reads(reader: BlobReader, span: Span) -> Iterator[Callable[[], bytes]]:
    """Yield the reads, each a thread's work, that make up ``span``."""
    if isinstance(span.piece, Raw):
        start = span.piece.start + span.start
        stop = start + span.length
        while start < stop:
            count = min(PIECE, stop - start)
            yield _raw_read(reader, start, count)
            start += count
    elif isinstance(span.piece, Base64):
        start, stop = span.start, span.start + span.length
        while start < stop:
            first = start // CODED_LINE
            end = min(stop, (first + LINES) * CODED_LINE)
            yield _coded_read(reader, span.piece, start, end)
            start = end


def _raw_read(reader: BlobReader, start: int, count: int) -> Callable[[], bytes]:
    def read() -> bytes:
        return _whole(reader, start, count)

    return read


def _coded_read(
    reader: BlobReader, piece: Base64, start: int, stop: int
) -> Callable[[], bytes]:
    """Read ``start : stop`` of the base64 rendering, both in octets of it."""

    def read() -> bytes:
        first = start // CODED_LINE
        last = -(-stop // CODED_LINE)
        raw_start = first * RAW_LINE
        raw_stop = min(last * RAW_LINE, piece.length)
        raw = _whole(reader, raw_start, raw_stop - raw_start)
        lines = pybase64.encodebytes(raw).replace(b"\n", b"\r\n")
        return bytes(lines[start - first * CODED_LINE : stop - first * CODED_LINE])

    return read


def _whole(reader: BlobReader, start: int, count: int) -> bytes:
    """Read all of a range that the store said is there."""
    found = reader.pread(start, count)
    if len(found) == count:
        return found
    parts = [found]
    missing = count - len(found)
    while missing:
        more = reader.pread(start + count - missing, missing)
        if not more:
            raise EOFError("the blob is shorter than the store said")
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)
