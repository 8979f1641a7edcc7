# SPDX-License-Identifier: Apache-2.0
"""Any slice of a rope equals the slice of the whole, whatever it is made of."""

from __future__ import annotations

import base64
from types import TracebackType
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.store.blobs import LEAST, MOST, READING, Blobs
from maild.store.errors import DamagedError, InUseError
from maild.store.reading import PIECE, RopeReader
from maild.store.rope import Base64, Constant, Raw, Rope, rope_from_columns
from maild.store.sharing import Shared

BLOBS = {
    1: b"",
    2: b"\xff",
    3: bytes(range(57)),
    4: bytes(range(58)),
    5: bytes(range(256)) * 3,
    6: bytes(range(251)) * 4000,
}


class Shelf:
    """Blobs in memory, as a rope reader sees them."""

    def __init__(self, *, is_sealed: bool = True) -> None:
        self._is_sealed = is_sealed
        self.readings = Shared(READING, LEAST, MOST)

    def open(self, blob: int) -> Book:
        return Book(BLOBS[blob], is_sealed=self._is_sealed)


class Book:
    """One of them."""

    def __init__(self, octets: bytes, *, is_sealed: bool) -> None:
        self._octets = octets
        self.is_sealed = is_sealed

    def pread(self, start: int, count: int) -> bytes:
        return self._octets[start : start + count]

    def __enter__(self) -> Book:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


def rendered(piece: Constant | Raw | Base64) -> bytes:
    """Render a piece in the plainest way."""
    match piece:
        case Constant(octets):
            return octets
        case Raw(blob, start, length):
            return BLOBS[blob][start : start + length]
        case Base64(blob, _, open_end):
            lines = base64.encodebytes(BLOBS[blob]).replace(b"\n", b"\r\n")
            return lines.removesuffix(b"\r\n") if open_end else lines


small = st.sampled_from([1, 2, 3, 4, 5])


@st.composite
def raw_pieces(draw: st.DrawFn) -> Raw:
    blob = draw(small)
    start = draw(st.integers(0, len(BLOBS[blob])))
    return Raw(blob, start, draw(st.integers(0, len(BLOBS[blob]) - start)))


pieces = st.one_of(
    st.binary(max_size=100).map(Constant),
    raw_pieces(),
    st.builds(
        lambda blob, open_end: Base64(blob, len(BLOBS[blob]), open_end),
        small,
        st.booleans(),
    ),
)
ropes = st.lists(pieces, max_size=6).map(Rope)


def reader(rope: Rope, **facts: Any) -> RopeReader:
    return RopeReader(cast(Blobs, Shelf(**facts)), rope)


@given(ropes, st.data())
def test_any_slice_is_the_slice_of_the_whole(rope: Rope, data: st.DataObject) -> None:
    whole = b"".join(rendered(piece) for piece in rope.pieces)
    assert rope.size == len(whole)
    start = data.draw(st.integers(0, len(whole) + 5))
    length = data.draw(st.integers(0, len(whole) + 5))
    with reader(rope) as opened:
        assert b"".join(opened.pieces(start, length)) == whole[start : start + length]


@given(ropes)
def test_a_rope_survives_the_index(rope: Rope) -> None:
    assert rope_from_columns(*rope.to_columns()).pieces == rope.pieces


@given(ropes, st.data())
def test_spans_are_whole_and_clipped(rope: Rope, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, rope.size + 5))
    length = data.draw(st.none() | st.integers(0, rope.size + 5))
    stop = rope.size if length is None else min(rope.size, start + length)
    spans = list(rope.spans(start, length))
    assert sum(span.length for span in spans) == max(0, stop - start)
    for span in spans:
        assert span.length > 0
        assert span.start + span.length <= span.piece.size


big = Rope([Constant(b"head"), Base64(6, len(BLOBS[6])), Raw(6, 1, 900_000)])
big_whole = b"".join(rendered(piece) for piece in big.pieces)


@settings(max_examples=30)
@given(st.integers(0, big.size), st.integers(0, big.size))
def test_large_pieces_are_cut(start: int, length: int) -> None:
    with reader(big) as opened:
        cut = list(opened.pieces(start, length))
    assert all(0 < len(piece) <= PIECE for piece in cut)
    assert b"".join(cut) == big_whole[start : start + length]


@pytest.mark.parametrize(
    ("is_sealed", "error"), [(True, DamagedError), (False, InUseError)]
)
def test_missing_octets_are_damage_or_yet_to_come(
    is_sealed: bool, error: type[Exception]
) -> None:
    longer = Rope([Raw(5, 0, len(BLOBS[5]) + 1)])
    with reader(longer, is_sealed=is_sealed) as opened:
        assert b"".join(opened.pieces(0, len(BLOBS[5]))) == BLOBS[5]
        with pytest.raises(error):
            list(opened.pieces(0, longer.size))
