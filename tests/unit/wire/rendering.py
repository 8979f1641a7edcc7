# SPDX-License-Identifier: Apache-2.0
"""Carries out a reader's steps in memory, as a store would with blobs and a rope."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from maild.mail.structure import Part, Structure
from maild.wire.mime import (
    BlobEnd,
    BlobOctets,
    BlobStart,
    Constant,
    MessageReader,
    Step,
)


@dataclass
class Piece:
    octets: bytearray = field(default_factory=bytearray)
    is_blob: bool = False
    expected: int | None = None
    end: BlobEnd | None = None

    def rendered(self) -> bytes:
        if self.end is None or not self.end.as_base64:
            return bytes(self.octets)
        coded = b64encode(self.octets)
        text = b"".join(coded[i : i + 76] + b"\r\n" for i in range(0, len(coded), 76))
        return text.removesuffix(b"\r\n") if self.end.open_end else text


@dataclass
class Read:
    """What became of a message."""

    pieces: list[Piece]
    structure: Structure
    reader: MessageReader

    @property
    def rendering(self) -> bytes:
        return b"".join(piece.rendered() for piece in self.pieces)

    @property
    def root(self) -> Part:
        return self.structure.root

    def body(self, part: Part) -> bytes:
        return self.rendering[part.body_start : part.body_end]

    def content(self, part: Part) -> bytes:
        assert part.blob is not None
        assert self.pieces[part.blob].is_blob
        return bytes(self.pieces[part.blob].octets)


def carry_out(pieces: list[Piece], steps: Iterable[Step]) -> None:
    for step in steps:
        match step:
            case Constant(octets):
                assert octets
                if not pieces or pieces[-1].is_blob:
                    pieces.append(Piece())
                pieces[-1].octets += octets
            case BlobStart(expected):
                pieces.append(Piece(is_blob=True, expected=expected))
            case BlobOctets(octets):
                assert pieces[-1].is_blob
                assert pieces[-1].end is None
                pieces[-1].octets += octets
            case BlobEnd():
                pieces[-1].end = step


def read(message: bytes, cuts: Iterable[int] = (), *, binary: bool = False) -> Read:
    """Read a message that arrives cut at ``cuts``."""
    reader = MessageReader(binary=binary)
    pieces: list[Piece] = []
    places = [0, *sorted(c for c in cuts if c < len(message)), len(message)]
    for start, stop in pairwise(places):
        buffer = bytearray(message[start:stop])
        with memoryview(buffer) as view:
            carry_out(pieces, reader.feed(view))
        buffer[:] = b"\0" * len(buffer)  # the caller uses its buffer again
    carry_out(pieces, reader.finish())
    return Read(pieces, reader.structure, reader)


def leaves(part: Part) -> list[Part]:
    """Return the parts without parts, in order."""
    if not part.children:
        return [part]
    return [leaf for child in part.children for leaf in leaves(child)]
