# SPDX-License-Identifier: Apache-2.0
"""A message as a rope: constants, raw blob ranges, and blobs seen as base64.

Any octet range of the rendering is found by arithmetic, so a slice at 40 GB costs what
a slice at 0 costs, and no octet of it exists until it is asked for.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from maild.mail.encoding import base64_size


@dataclass(frozen=True, slots=True)
class Constant:
    """Octets that stand in the index."""

    octets: bytes

    @property
    def size(self) -> int:
        """Octets in the rendering."""
        return len(self.octets)


@dataclass(frozen=True, slots=True)
class Raw:
    """The octets ``start : start + length`` of a blob, as they are."""

    blob: int
    start: int
    length: int

    @property
    def size(self) -> int:
        """Octets in the rendering."""
        return self.length


@dataclass(frozen=True, slots=True)
class Base64:
    """The whole of a blob of ``length`` octets as base64 in lines of 76 characters.

    Every line ends with CRLF, the last one too unless ``open_end``.
    """

    blob: int
    length: int
    open_end: bool = False

    @property
    def size(self) -> int:
        """Octets in the rendering."""
        return base64_size(self.length, open_end=self.open_end)


Piece = Constant | Raw | Base64


def whole_blob(blob: int, size: int, *, as_base64: bool, open_end: bool) -> Piece:
    """Return the piece that shows all ``size`` octets of a blob, as they were sent."""
    return Base64(blob, size, open_end) if as_base64 else Raw(blob, 0, size)


@dataclass(frozen=True, slots=True)
class Span:
    """The octets ``start : start + length`` of one piece's rendering."""

    piece: Piece
    start: int
    length: int


class Rope:
    """The pieces of one rendering, end to end."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)
        self._ends = list(accumulate(piece.size for piece in self.pieces))

    @property
    def size(self) -> int:
        """Octets of the whole rendering."""
        return self._ends[-1] if self._ends else 0

    @property
    def stored(self) -> int:
        """Octets that are kept for it: of a blob, not of its base64."""
        return sum(
            piece.length if isinstance(piece, Base64) else piece.size
            for piece in self.pieces
        )

    def spans(self, start: int = 0, length: int | None = None) -> Iterator[Span]:
        """Yield what makes up ``length`` octets from ``start``; clipped to the end."""
        stop = self.size if length is None else min(self.size, start + length)
        number = bisect_right(self._ends, start)
        while start < stop:
            piece = self.pieces[number]
            begin = self._ends[number] - piece.size
            count = min(stop, self._ends[number]) - start
            if count:
                yield Span(piece, start - begin, count)
            start += count
            number += 1

    def to_columns(self) -> tuple[str, bytes]:
        """Return the form kept in the index: (pieces as JSON, constants)."""
        listed: list[list[object]] = []
        for piece in self.pieces:
            match piece:
                case Constant(octets):
                    listed.append(["c", len(octets)])
                case Raw(blob, start, length):
                    listed.append(["r", blob, start, length])
                case Base64(blob, length, open_end):
                    listed.append(["b", blob, length, open_end])
        constants = b"".join(p.octets for p in self.pieces if isinstance(p, Constant))
        return json.dumps(listed, separators=(",", ":")), constants


def rope_from_columns(pieces: str, constants: bytes) -> Rope:
    """Read back what `Rope.to_columns` wrote."""
    found: list[Piece] = []
    at = 0
    for kind, *facts in json.loads(pieces):
        match kind:
            case "c":
                found.append(Constant(constants[at : at + facts[0]]))
                at += facts[0]
            case "r":
                found.append(Raw(*facts))
            case _:
                found.append(Base64(*facts))
    return Rope(found)
