# SPDX-License-Identifier: Apache-2.0
"""Reads any range of a rope, in pieces, in the calling thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType

import pybase64

from maild.mail.encoding import CODED_LINE, RAW_LINE
from maild.store.blobs import BlobReader, Blobs
from maild.store.errors import DamagedError
from maild.store.rope import Base64, Constant, Raw, Rope, Span

PIECE = 256 * 1024
"""Octets of one piece, at most (bench: larger pieces are slower under TLS)."""


class RopeReader:
    """A rope's octets; keeps its blobs open while it is used as a context manager."""

    def __init__(self, blobs: Blobs, rope: Rope) -> None:
        self._blobs = blobs
        self._rope = rope
        self._open: dict[int, BlobReader] = {}
        self._stack = ExitStack()

    def __enter__(self) -> RopeReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the octets ``start : end`` of the rendering."""
        for span in self._rope.spans(start, end - start):
            for at in range(span.start, span.start + span.length, PIECE):
                count = min(PIECE, span.start + span.length - at)
                yield self._read(Span(span.piece, at, count))

    def _read(self, span: Span) -> bytes:
        match span.piece:
            case Constant(octets):
                return octets[span.start : span.start + span.length]
            case Raw(blob, start, _):
                return self._pread(blob, start + span.start, span.length)
            case Base64():
                return self._coded(span.piece, span.start, span.length)

    def _coded(self, piece: Base64, start: int, count: int) -> bytes:
        first = start // CODED_LINE
        last = -(-(start + count) // CODED_LINE)
        raw_start, raw_end = first * RAW_LINE, min(last * RAW_LINE, piece.length)
        raw = self._pread(piece.blob, raw_start, raw_end - raw_start)
        coded = pybase64.encodebytes(raw).replace(b"\n", b"\r\n")
        skipped = start - first * CODED_LINE
        return coded[skipped : skipped + count]

    def _pread(self, blob: int, start: int, count: int) -> bytes:
        reader = self._open.get(blob)
        if reader is None:
            reader = self._stack.enter_context(self._blobs.open(blob))
            self._open[blob] = reader
        octets = reader.pread(start, count)
        if len(octets) != count:
            raise DamagedError("a blob is shorter than its record says")
        return octets
