# SPDX-License-Identifier: Apache-2.0
"""A whole message as it has arrived, and what its header says of an item."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maild.mail.structure import Part, Structure
from maild.store.blobs import Sealed
from maild.store.rope import Constant, Piece, Rope
from maild.wire.mime import MessageReader

MOST_HOPS = 50
"""Received fields from which a message is in a loop (RFC 5321 §6.3)."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole message; its blobs are sealed, nothing refers to them yet."""

    rope: Rope
    structure: Structure
    facts: bytes | None
    """Its application/vnd.maild+json part."""
    trace: str | None
    """Of its Maild-Trace field, if it can be one of ours."""
    share: dict[str, str]
    """Its Share- fields: number, code, terminal, type, confirm, via."""
    blobs: dict[int, Sealed]
    """By place in the rope."""
    landed: tuple[int, str]
    """Octets and SHA-256 (hex) of the largest part; of the message if all small."""

    def blob_of(self, part: Part) -> Sealed | None:
        """Return the blob that holds the body of ``part``, if one does."""
        return None if part.blob is None else self.blobs.get(part.blob)

    def text(self, start: int, end: int) -> bytes:
        """Return octets ``start:end`` of the rendering; what is a blob is left out."""
        found = (
            span.piece.octets[span.start : span.start + span.length]
            for span in self.rope.spans(start, end - start)
            if isinstance(span.piece, Constant)
        )
        return b"".join(found)

    @property
    def hops(self) -> int:
        """How many servers it says to have passed."""
        header = b"\n" + self.text(0, self.structure.root.body_start).lower()
        return header.count(b"\nreceived:")


def arrived_as(
    reader: MessageReader, pieces: Sequence[Piece], blobs: dict[int, Sealed]
) -> Arrived:
    """Return what a reader that has come to its end has read."""
    rope = Rope(pieces)
    return Arrived(
        rope=rope,
        structure=reader.structure,
        facts=reader.facts,
        trace=trace_in(reader.header),
        share=share_fields(reader.header),
        blobs=blobs,
        landed=_landed(rope, blobs),
    )


def share_fields(header: Callable[[str], str | None]) -> dict[str, str]:
    """Return what a terminal says of its upload: number, code, terminal, type.

    Or of what it sends: in how many seconds go has to be said ("confirm"), and by
    which rendezvous its offer goes ("via").
    """
    names = ("Number", "Code", "Terminal", "Type", "Confirm", "Via")
    return {name: (header(f"Share-{name}") or "").strip() for name in names}


def trace_in(header: Callable[[str], str | None]) -> str | None:
    """Return a Maild-Trace field's value if it can be one of ours."""
    found = (header("Maild-Trace") or "").strip()
    is_one = 8 <= len(found) <= 64 and found.isascii() and found.isalnum()
    return found if is_one else None


def _landed(rope: Rope, blobs: dict[int, Sealed]) -> tuple[int, str]:
    if blobs:
        largest = max(blobs.values(), key=lambda sealed: sealed.size)
        return largest.size, largest.sha256
    digest = hashlib.sha256()
    for piece in rope.pieces:
        assert isinstance(piece, Constant)
        digest.update(piece.octets)
    return rope.size, digest.hexdigest()
