# SPDX-License-Identifier: Apache-2.0
"""Reads any octet range of a rope, or of a blob, in pieces that bound the memory.

A slice at 40 GB costs what a slice at 0 costs: base64 is made line by line from the
raw octets, found by arithmetic.  Every station that hands out content reads here.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain, islice
from types import TracebackType

import pybase64

from maild.mail.encoding import CODED_LINE, RAW_LINE
from maild.store.blobs import MOST, Blobs
from maild.store.house import Store
from maild.store.open_blobs import OpenBlobs
from maild.store.rope import Base64, Constant, Piece, Raw, Rope

PIECE = MOST
"""Octets of one piece, at most."""
PIECES = 4
"""Pieces that a thread reads at a time; as many again may wait to be taken.  One, while
so many ranges are read that they share the memory."""
_LINES = PIECE // CODED_LINE
"""Lines of base64 made at once."""
_CHARACTERS = CODED_LINE - 2
_lines = struct.Struct(f"{_CHARACTERS}s" * _LINES)
"""Cuts characters into lines: 1.5 times as fast as inserting the ends afterwards."""


class RopeReader:
    """A rope's octets, in the calling thread; keeps its blobs open until it is closed.

    Use it as a context manager.  `pieces` may be called again and again.
    """

    def __init__(self, blobs: Blobs, rope: Rope) -> None:
        self._opened = OpenBlobs(blobs)
        self._rope = rope

    def __enter__(self) -> RopeReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        """Yield ``length`` octets of the rendering from ``start``, clipped to its end.

        Raises `InUseError` where octets have not arrived yet.
        """
        for cut in _cuts(self._opened, self._rope, start, length):
            yield cut.read(self._opened)


@dataclass(frozen=True, slots=True)
class _Cut:
    """The octets of one piece of a rendering: ``count`` from ``start`` of a piece."""

    piece: Piece
    start: int
    count: int

    def at_hand(self, opened: OpenBlobs) -> bytes | bytearray | None:
        """Return the octets if they need neither the device nor much work."""
        match self.piece:
            case Constant():
                return self.read(opened)
            case Raw(blob, first, _):
                return opened.at_hand(blob, first + self.start, self.count)
            case Base64():
                return None

    def read(self, opened: OpenBlobs) -> bytes:
        """Return the octets; waits for the device."""
        start, count = self.start, self.count
        match self.piece:
            case Constant(octets):
                return octets[start : start + count]
            case Raw(blob, first, _):
                return opened.read(blob, first + start, count)
            case Base64(blob, length):
                first_line = start // CODED_LINE
                last_line = (start + count - 1) // CODED_LINE
                raw_start = first_line * RAW_LINE
                raw_end = min((last_line + 1) * RAW_LINE, length)
                raw = opened.read(blob, raw_start, raw_end - raw_start)
                skipped = start - first_line * CODED_LINE
                return base64_lines(raw)[skipped : skipped + count]


def _cuts(opened: OpenBlobs, rope: Rope, start: int, length: int) -> Iterator[_Cut]:
    """Cut a range of a rendering into pieces; base64 is cut at the ends of lines."""
    for span in rope.spans(start, length):
        at, end = span.start, span.start + span.length
        while at < end:
            size = opened.readings.size
            stop = at + size
            if isinstance(span.piece, Base64):
                lines = size // CODED_LINE
                stop = (at // CODED_LINE + lines) * CODED_LINE
            stop = min(stop, end)
            yield _Cut(span.piece, at, stop - at)
            at = stop


def base64_lines(raw: bytes) -> bytes:
    """Return ``raw``, at most one piece, as CRLF-ended lines (RFC 2045 §6.8)."""
    characters = pybase64.b64encode(raw)
    if len(raw) == _LINES * RAW_LINE:
        lines = list(_lines.unpack(characters))
    else:
        lines = [
            characters[at : at + _CHARACTERS]
            for at in range(0, len(characters), _CHARACTERS)
        ]
    lines.append(b"")
    return b"\r\n".join(lines)


Pieces = AsyncGenerator[bytes | bytearray, None]
"""Octets one after the other; whoever begins to take them closes them at the end."""


async def pieces_of(
    store: Store,
    rope: Rope,
    start: int = 0,
    length: int | None = None,
    *,
    threads: Executor | None = None,
) -> Pieces:
    """Yield a range of a rendering, read off the event loop; see `range_of`."""
    count = rope.size if length is None else length
    with OpenBlobs(store.blobs) as opened:
        async with aclosing(range_of(opened, rope, start, count, threads)) as pieces:
            async for piece in pieces:
                yield piece


async def range_of(
    opened: OpenBlobs,
    rope: Rope,
    start: int,
    length: int,
    threads: Executor | None = None,
) -> Pieces:
    """Yield a range of a rendering, whose blobs are opened and stay open.

    What is not at hand, and base64, comes from ``threads``, which then read ahead.
    Close the iterator (``contextlib.aclosing``) when it is not run out.
    """
    spans = (span.piece for span in rope.spans(start, length))
    blobs = (piece.blob for piece in spans if not isinstance(piece, Constant))
    await opened.ready(blobs, threads)
    with opened.readings.one_more():
        cuts = _cuts(opened, rope, start, length)
        for cut in cuts:
            octets = cut.at_hand(opened)
            if octets is None:
                ahead = _read_ahead(opened, chain([cut], cuts), threads)
                async with aclosing(ahead):
                    async for piece in ahead:
                        yield piece
                return
            yield octets
            del octets  # what a connection has sent is not held for the next turn
            await asyncio.sleep(0)  # others have their turn


async def _read_ahead(
    opened: OpenBlobs, cuts: Iterator[_Cut], threads: Executor | None
) -> AsyncGenerator[bytes, None]:
    loop = asyncio.get_running_loop()

    def some() -> list[bytes]:
        count = 1 if opened.readings.is_crowded else PIECES
        return [cut.read(opened) for cut in islice(cuts, count)]

    ahead = loop.run_in_executor(threads, some)
    try:
        while pieces := await asyncio.shield(ahead):
            ahead = loop.run_in_executor(threads, some)
            for piece in pieces:
                yield piece
    finally:
        await asyncio.wait([ahead])  # a thread may still use the descriptors
        if not ahead.cancelled():
            ahead.exception()
