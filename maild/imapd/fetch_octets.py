# SPDX-License-Identifier: Apache-2.0
"""The octets that literals are made of, in pieces, read off the event loop."""

from __future__ import annotations

from contextlib import aclosing

from maild.imapd.decoding import Decoder
from maild.imapd.sections import Range
from maild.store.house import Store
from maild.store.reading import PIECE, Pieces, pieces_of
from maild.store.rope import Constant, Rope

NUL_STAND_IN = b"\x80"
"""What a NUL becomes where none may be (RFC 9051 §4.3.1); Dovecot does the same."""


def constant_octets(rope: Rope, wanted: Range) -> bytes | None:
    """Return a range that stands in the index alone; None when a blob is in it."""
    found: list[bytes] = []
    for span in rope.spans(wanted.start, wanted.size):
        if not isinstance(span.piece, Constant):
            return None
        found.append(span.piece.octets[span.start : span.start + span.length])
    return b"".join(found)


async def octets(store: Store, rope: Rope, wanted: Range) -> Pieces:
    """Yield a range of the rendering in pieces."""
    known = constant_octets(rope, wanted) if wanted.size <= PIECE else None
    if known is not None:
        yield known
        return
    async with aclosing(pieces_of(store, rope, wanted.start, wanted.size)) as pieces:
        async for piece in pieces:
            yield piece


async def without_nul(pieces: Pieces) -> Pieces:
    """Replace each NUL, which only a literal8 may hold."""
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece.replace(b"\0", NUL_STAND_IN) if b"\0" in piece else piece


async def decoded(pieces: Pieces, bare: Decoder) -> Pieces:
    """Remove a transfer encoding."""
    async with aclosing(pieces):
        async for piece in pieces:
            yield bare.feed(bytes(piece))
    yield bare.finish()


async def cut(pieces: Pieces, wanted: Range) -> Pieces:
    """Yield the octets ``wanted`` of what ``pieces`` are, end to end."""
    at = 0
    async with aclosing(pieces):
        async for piece in pieces:
            low, high = max(wanted.start - at, 0), min(wanted.end - at, len(piece))
            if low < high:
                yield piece[low:high]
            at += len(piece)
            if at >= wanted.end:
                return


async def count(pieces: Pieces) -> int:
    """Return how many octets ``pieces`` are."""
    async with aclosing(pieces):
        return sum([len(piece) async for piece in pieces])


async def joined(pieces: Pieces) -> bytes:
    """Return ``pieces`` as one; for header blocks, whose size is bounded."""
    async with aclosing(pieces):
        return b"".join([piece async for piece in pieces])
