# SPDX-License-Identifier: Apache-2.0
"""What each item of a FETCH will be answered with, settled before anything is written.

Once a literal is announced its octets must follow, all of them.  So here is everything
that can fail or has to be waited for: missing parts, unknown encodings, content that
has not arrived (`NoError`).
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.imapd.arrival import Arrival
from maild.imapd.decoding import IDENTITY, decoder
from maild.imapd.fetch_facts import of_line, of_structure
from maild.imapd.fetch_octets import (
    NUL_STAND_IN,
    constant_octets,
    count,
    cut,
    decoded,
    joined,
    octets,
    without_nul,
)
from maild.imapd.fetch_preview import preview
from maild.imapd.sections import Range, find_part, range_of, selected_fields
from maild.mail.structure import Part
from maild.store.house import Store
from maild.store.messages import Content, Line
from maild.store.reading import Pieces
from maild.store.rope import Base64, Raw, Rope
from maild.wire.imap_fetch import Binary, BinarySize, Fact, Item, Section
from maild.wire.imap_write import NoError, literal_head, string

SMALL = 64 * 1024
"""Octets up to which a literal made of constants is written as one piece."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal that is streamed: ``size`` octets, which ``pieces`` give."""

    head: bytes
    """Label, origin and ``{n}`` with its line end."""
    size: int
    pieces: Pieces


Answer = bytes | Literal


class Planner:
    """Settles the answers of one FETCH."""

    def __init__(self, store: Store, arrival: Arrival, *, rev2: bool) -> None:
        self._store = store
        self._arrival = arrival
        self._rev2 = rev2

    async def answer(self, item: Item, line: Line, content: Content | None) -> Answer:
        """Return the answer to one item; raise `NoError` when there is none."""
        if isinstance(item, Fact):
            known = of_line(item.name, line, rev2=self._rev2)
            if known is not None:
                return known
        assert content is not None
        match item:
            case Fact(name="PREVIEW"):
                text = await preview(self._store, content)
                return b"PREVIEW " + string(text.encode())
            case Fact(name=name):
                return of_structure(name, content.structure, rev2=self._rev2)
            case Section():
                return await self._section(item, content)
            case Binary():
                return await self._binary(item, content)
            case BinarySize():
                return await self._binary_size(item, content)

    async def _section(self, item: Section, content: Content) -> Answer:
        found = range_of(content.structure, item)
        if found is None:
            return item.label.encode() + b" NIL"
        if item.fields:
            await self._arrival.has_landed(content, found)
            block = await joined(octets(self._store, content.rope, found))
            kept = selected_fields(block, item)
            part = Range(0, len(kept)).cut(item.partial)
            return _whole(item, kept[part.start : part.end])
        found = found.cut(item.partial)
        if not content.complete and not item.part and item.text in {"", "TEXT"}:
            raise NoError("the message is still arriving", "INUSE")
        await self._arrival.has_landed(content, found)
        if found.size <= SMALL:
            known = constant_octets(content.rope, found)
            if known is not None:
                return _whole(item, known)
        pieces = octets(self._store, content.rope, found)
        return Literal(_head(item, found.size), found.size, without_nul(pieces))

    async def _binary(self, item: Binary, content: Content) -> Answer:
        part = find_part(content.structure, item.part) if item.part else None
        if item.part and part is None:
            return item.label.encode() + b" NIL"
        if part is None or part.type in {"multipart", "message"}:
            return await self._as_rendered(item, content, part)
        blob = raw_blob(content.rope, part)
        if blob is not None:
            wanted = Range(0, blob.length).cut(item.partial)
            await self._arrival.wait_for(content, blob.blob, blob.start + wanted.end)
            raw = Rope([Raw(blob.blob, blob.start, blob.length)])
            return self._literal8(item, wanted.size, octets(self._store, raw, wanted))
        if part.encoding in IDENTITY:
            return await self._as_rendered(item, content, part)
        size = await self._decoded_size(content, part)
        wanted = Range(0, size).cut(item.partial)
        pieces = cut(self._decoded(content, part), wanted)
        return self._literal8(item, wanted.size, pieces)

    async def _binary_size(self, item: BinarySize, content: Content) -> bytes:
        part = find_part(content.structure, item.part) if item.part else None
        if item.part and part is None:
            raise NoError("there is no such part")
        label = item.label.encode()
        if part is None:
            return b"%b %d" % (label, content.structure.size)
        blob = raw_blob(content.rope, part)
        if blob is not None:
            return b"%b %d" % (label, blob.length)
        if part.encoding in IDENTITY or part.type in {"multipart", "message"}:
            return b"%b %d" % (label, part.size)
        return b"%b %d" % (label, await self._decoded_size(content, part))

    async def _as_rendered(
        self, item: Binary, content: Content, part: Part | None
    ) -> Answer:
        """Answer what has no encoding of its own: messages, multiparts, plain text."""
        if part is None:
            found = Range(0, content.structure.size)
        else:
            found = Range(part.body_start, part.body_end)
        found = found.cut(item.partial)
        await self._arrival.has_landed(content, found)
        pieces = octets(self._store, content.rope, found)
        return self._literal8(item, found.size, pieces)

    async def _decoded_size(self, content: Content, part: Part) -> int:
        if decoder(part.encoding) is None:
            raise NoError("the part's encoding is not known", "UNKNOWN-CTE")
        await self._arrival.has_landed(content, _body(part))
        if part.decoded_size is not None:
            return part.decoded_size
        return await count(self._decoded(content, part))

    def _decoded(self, content: Content, part: Part) -> Pieces:
        bare = decoder(part.encoding)
        assert bare is not None
        return decoded(octets(self._store, content.rope, _body(part)), bare)

    @staticmethod
    def _literal8(item: Binary, size: int, pieces: Pieces) -> Literal:
        return Literal(_head(item, size), size, pieces)


def _body(part: Part) -> Range:
    return Range(part.body_start, part.body_end)


def raw_blob(rope: Rope, part: Part) -> Raw | None:
    """Return the blob that holds a part's decoded octets, if one does."""
    piece = rope.pieces[part.blob] if part.blob is not None else None
    match piece:
        case Base64(blob, length):
            return Raw(blob, 0, length)
        case Raw() if part.encoding in IDENTITY:
            return piece
        case _:
            return None


def _head(item: Section | Binary, size: int) -> bytes:
    origin = b"" if item.partial is None else b"<%d>" % item.partial.start
    binary = isinstance(item, Binary)
    return item.label.encode() + origin + b" " + literal_head(size, binary=binary)


def _whole(item: Section, octets_: bytes) -> bytes:
    return _head(item, len(octets_)) + octets_.replace(b"\0", NUL_STAND_IN)
