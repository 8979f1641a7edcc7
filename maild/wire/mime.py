# SPDX-License-Identifier: Apache-2.0
"""Finds the MIME structure of a message while its octets arrive (RFC 2045, RFC 2046).

Sans-I/O: `MessageReader.feed` turns octets into steps; whoever owns the blob carries
them out.  Header blocks, boundaries and small texts are constants of the rendering;
each attachment becomes a blob.  Nothing is held but the current line and header block.
"""

from __future__ import annotations

from maild.mail.offer import MAX_JSON
from maild.mail.reply import ReplyError
from maild.mail.structure import Structure
from maild.wire.mime_content import Decoded, Kept
from maild.wire.mime_delimiter import (
    Buffer,
    Delimiter,
    find,
    judge,
    searchable,
    undecided_tail,
)
from maild.wire.mime_entity import (
    MALFORMED,
    TOO_BIG,
    Entity,
    Header,
    inner_envelope,
    read_entity,
)
from maild.wire.mime_steps import BlobEnd as BlobEnd
from maild.wire.mime_steps import BlobOctets as BlobOctets
from maild.wire.mime_steps import BlobStart as BlobStart
from maild.wire.mime_steps import Constant as Constant
from maild.wire.mime_steps import Page
from maild.wire.mime_steps import Step as Step

MAX_LINE = 64 * 1024
"""Octets of one header line; RFC 5322 §2.1.1 knows 998."""
MAX_BLOCK = 256 * 1024
"""Octets of one header block; Postfix (header_size_limit) takes 100 KiB."""
MAX_BLOCKS = 1024 * 1024
"""Octets of all header blocks of a message."""
MAX_PARTS = 1000
"""Parts of a message, multiparts included; real ones have under 100."""
MAX_DEPTH = 30
"""Parts in parts; deeper ones are not looked into (Postfix: mime_nesting_limit 100)."""
MAX_FALSE = 10_000
"""Lines that begin like a delimiter and are none: each costs a step of Python."""
SMALL = 64 * 1024
"""Octets up to which a text is a constant; as `maild.store.blobs.INLINE`."""
SMALL_FACTS = 2 * MAX_JSON
"""Octets up to which a facts part is a constant: its base64 is larger than it is."""
ALL_SMALL = 1024 * 1024
"""Octets of all constant texts of a message; beyond, texts become blobs."""

_ALWAYS_BLOB = -1


class MessageReader:
    """Reads one message.  ``binary``: BODY=BINARYMIME, raw octets are allowed."""

    def __init__(self, *, binary: bool) -> None:
        self._binary = binary
        self._page = Page()
        self._open: list[Entity] = []
        """From the message itself to the part that is being read."""
        self._content: Kept | Decoded | None = None
        """Where the body that is being read goes; None inside a header block."""
        self._block = bytearray()
        self._at_start = True
        """Whether nothing of the current body has been read."""
        self._pending = b""
        self._taken = 0
        """Octets of the message that have been fed."""
        self._body_at = 0
        """Where in the message the current body begins."""
        self._blocks = self._parts = self._false = self._small = 0
        self.first_raw: int | None = None
        """Octets of the message in front of its first raw blob, once that begins."""
        self._finished: Structure | None = None
        self._facts: bytes | None = None
        self._header: Header | None = None

    def feed(self, octets: memoryview) -> list[Step]:
        """Take the next octets, any number of them; raise `ReplyError` on a bomb.

        A read-only view that shows the whole of its buffer is not copied.
        """
        self._taken += len(octets)
        self._run(self._pending + octets if self._pending else searchable(octets))
        return self._page.take()

    def finish(self) -> list[Step]:
        """Return the last steps: nothing more comes.  Then `structure` is set."""
        self._run(self._pending, last=True)
        self._end_content(open_end=False)
        self._close_above(0)
        root = self._open.pop()
        part = root.part(self._page.offset, self._page.lines)
        self._finished = Structure(part, self._page.offset, inner_envelope(root.header))
        return self._page.take(last=True)

    @property
    def structure(self) -> Structure:
        """The structure, once finished."""
        if self._finished is None:
            raise ValueError("the message is not finished")
        return self._finished

    @property
    def boundary(self) -> str:
        """The boundary of the message's own parts; "" when it has none."""
        return self._open[0].needle[4:].decode("ascii") if self._open else ""

    @property
    def raw_start(self) -> int | None:
        """Octets of the message in front of the raw blob that is growing, if one is.

        Who keeps that many octets, and knows how long the blob has become, can go on
        after a restart (RFC 1845): feed them to a new reader, then `skip`.
        """
        content = self._content
        growing = isinstance(content, Kept) and content.is_raw_blob
        return self._body_at if growing else None

    def skip(self, octets: int) -> None:
        """Count ``octets`` of the raw blob's content without having them again.

        Right after the octets in front of the blob have been fed, or not at all.
        """
        if self.raw_start is None or self._pending:
            raise ValueError("no raw blob is growing")
        assert isinstance(self._content, Kept)
        self._content.skip(octets)
        self._taken += octets
        self._at_start = self._at_start and not octets

    @property
    def facts(self) -> bytes | None:
        """The decoded body of the first application/vnd.maild+json part, if any.

        Parts of an attached message are not meant: forwarding an offer offers nothing.
        """
        return self._facts

    def header(self, name: str) -> str | None:
        """Return a top-level field's unfolded text, once its header has passed."""
        return None if self._header is None else self._header.get(name)

    def _run(self, data: Buffer, *, last: bool = False) -> None:
        """Read ``data`` as far as it can be judged; the rest waits for more."""
        self._pending = b""
        at: int | None = 0
        while at is not None:
            if self._content is None:
                at = self._read_header(data, at, last=last)
                self._body_at = self._taken - len(data) + (at or 0)
                if self.first_raw is None:
                    self.first_raw = self.raw_start
            else:
                at = self._read_body(data, at, self._content, last=last)

    # A header block

    def _read_header(self, data: Buffer, at: int, *, last: bool) -> int | None:
        """Read header lines; return where the body begins, None when more is needed."""
        while True:
            end = data.find(b"\r\n", at, at + MAX_LINE)
            if end < 0:
                if len(data) - at >= MAX_LINE:
                    raise ReplyError(TOO_BIG)
                if not last:
                    self._pending = bytes(data[at:])
                    return None
            stop = len(data) if end < 0 else end + 2
            if data.startswith(b"--", at) and isinstance(
                judge(data[:stop], at, self._needles(), skip=2, last=True), Delimiter
            ):
                self._begin_body()  # a part without a body; the delimiter is its end
                return at
            self._block += data[at:stop]
            if len(self._block) > MAX_BLOCK:
                raise ReplyError(TOO_BIG)
            if end in (at, -1):
                self._begin_body()
                return stop
            at = stop

    def _needles(self) -> list[bytes]:
        return [entity.needle for entity in self._open]

    def _begin_body(self) -> None:
        """Decide what part a whole header block begins, and where its body goes."""
        block = bytes(self._block)
        self._block.clear()
        self._blocks += len(block)
        self._parts += 1
        if self._blocks > MAX_BLOCKS or self._parts > MAX_PARTS:
            raise ReplyError(TOO_BIG)
        parent = self._open[-1] if self._open else None
        entity = read_entity(block, self._page.offset, parent)
        if self._header is None:
            self._header = entity.header
        if len(self._open) < MAX_DEPTH:
            entity.needle = entity.delimiter()
            entity.is_message = entity.wants_message
        if self._binary and entity.encoding == "binary":
            inside = entity.needle or entity.is_message
            entity.rendered_encoding = "8bit" if inside else "base64"
            block = entity.header.with_encoding(entity.rendered_encoding.encode())
        self._page.constant(block)
        entity.body_start = self._page.offset
        entity.body_line = self._page.lines
        self._open.append(entity)
        self._at_start = True
        if not entity.is_message:
            self._content = self._place_for(entity)

    def _place_for(self, entity: Entity) -> Kept | Decoded:
        """Return where a body goes: constants, a raw blob, or a decoded one."""
        raw = self._binary and entity.encoding == "binary" and not entity.needle
        if entity.is_text:
            limit = SMALL_FACTS if entity.is_facts else SMALL
            return Kept(self._page, self._room(limit), as_base64=raw)
        if raw:
            expected = entity.expected()
            return Kept(self._page, _ALWAYS_BLOB, as_base64=True, expected=expected)
        if entity.encoding == "base64":
            return Decoded(self._page, self._room(SMALL), entity.expected())
        return Kept(self._page, self._room(SMALL))

    def _room(self, most: int) -> int:
        return max(min(most, ALL_SMALL - self._small), 0)

    # A body

    def _read_body(
        self, data: Buffer, at: int, content: Kept | Decoded, *, last: bool
    ) -> int | None:
        """Read to the next delimiter; return where that ends, None for more octets."""
        needles = self._needles()
        if self._at_start:
            found = judge(data, at, needles, skip=2, last=last)
            if found is True:
                self._pending = bytes(data[at:])
                return None
            self._at_start = False
            if isinstance(found, Delimiter):
                return self._pass_delimiter(found, data[at : found.end])
        view = memoryview(data).toreadonly()
        place = find(data, at, needles)
        while place >= 0:
            found = judge(data, place, needles, skip=0, last=last)
            if isinstance(found, Delimiter):
                content.take(view[at:place])
                return self._pass_delimiter(found, data[place : found.end])
            if found:
                break
            self._false += 1
            if self._false > MAX_FALSE:
                raise ReplyError(MALFORMED)
            place = find(data, place + 2, needles)
        if place < 0:
            place = len(data) if last else undecided_tail(data, at, needles)
        content.take(view[at:place])
        self._pending = bytes(data[place:])
        return None

    def _pass_delimiter(self, found: Delimiter, octets: Buffer) -> int:
        """End what the delimiter ends, begin what it begins; return where it ends."""
        self._end_content(open_end=True)
        self._close_above(found.level)
        self._page.constant(octets)
        if found.closes:
            self._open[-1].needle = b""
            self._content = Kept(self._page, self._room(SMALL))  # the epilogue
        return found.end

    def _end_content(self, *, open_end: bool) -> None:
        """End the body that is being read, and note what is now known of its part."""
        content, self._content = self._content, None
        if content is None:
            return
        content.finish(open_end=open_end)
        self._small += content.kept
        entity = self._open[-1]
        if entity.type == "multipart":
            return
        entity.blob = content.blob
        entity.decoded_size = content.decoded_size(entity.encoding)
        if entity.is_facts and not entity.inner and self._facts is None:
            self._facts = content.decoded(entity.encoding)

    def _close_above(self, level: int) -> None:
        """Close the parts inside the one at ``level``; their bodies end here."""
        while len(self._open) > level + 1:
            entity = self._open.pop()
            parent = self._open[-1]
            parent.children.append(entity.part(self._page.offset, self._page.lines))
            if parent.is_message:
                parent.child_envelope = inner_envelope(entity.header)
