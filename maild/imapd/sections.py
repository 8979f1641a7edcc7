# SPDX-License-Identifier: Apache-2.0
"""Which octets of a rendering a FETCH section means (RFC 9051 §6.4.5.1).

Pure arithmetic over the stored `Structure`: a section is a half open range of the
rendering, found without looking at any octet of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from maild.mail.structure import Part, Structure
from maild.wire.imap_fetch import Partial, Section


@dataclass(frozen=True, slots=True)
class Range:
    """The octets ``start : end`` of a rendering."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Octets in the range."""
        return self.end - self.start

    def cut(self, partial: Partial | None) -> Range:
        """Return what ``partial`` leaves; past the end it leaves nothing."""
        if partial is None:
            return self
        start = min(self.start + partial.start, self.end)
        return Range(start, min(start + partial.count, self.end))


def is_message(part: Part) -> bool:
    """Whether ``part`` is a message whose inner parts can be named."""
    return part.type == "message" and len(part.children) == 1


def find_part(structure: Structure, numbers: Iterable[int]) -> Part | None:
    """Return the part that ``numbers`` name, or None when there is none.

    A message that is not multipart has itself as part 1, and so has the message inside
    of a message/rfc822 part.
    """
    at = structure.root
    entered = False  # whether `at` was itself named by a number
    for number in numbers:
        if entered and is_message(at):
            at, entered = at.children[0], False
        if at.type == "multipart":
            if number > len(at.children):
                return None
            at = at.children[number - 1]
        elif number != 1 or entered:
            return None
        entered = True
    return at


def range_of(structure: Structure, section: Section) -> Range | None:
    """Return the range of ``section``, header blocks whole; None: no such part."""
    if not section.part:
        return _of_message(structure.root, structure.size, section.text)
    part = find_part(structure, section.part)
    if part is None:
        return None
    if section.text == "":
        return Range(part.body_start, part.body_end)
    if section.text == "MIME":
        return Range(part.header_start, part.body_start)
    if not is_message(part):
        return None
    inner = part.children[0]
    return _of_message(inner, inner.body_end, section.text)


def _of_message(root: Part, end: int, text: str) -> Range | None:
    match text:
        case "":
            return Range(root.header_start, end)
        case "TEXT":
            return Range(root.body_start, end)
        case "MIME":
            return None
        case _:
            return Range(root.header_start, root.body_start)


_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_END = re.compile(rb"\r?\n")


def selected_fields(block: bytes, section: Section) -> bytes:
    """Return the fields of a header block that HEADER.FIELDS[.NOT] keeps.

    They come in the block's order, as they stand, with the empty line at the end.
    """
    wanted = {name.lower() for name in section.fields}
    inverted = section.text == "HEADER.FIELDS.NOT"
    kept = [
        field.octets
        for field in fields_of(block)
        if (field.name in wanted) is not inverted
    ]
    return b"".join(kept) + b"\r\n"


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field as it stands, folded lines and line end included."""

    name: bytes
    """In lower case."""
    octets: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon, unfolded (RFC 5322 §2.2.3)."""
        return re.sub(rb"\r?\n(?=[ \t])", b"", self.octets.partition(b":")[2]).strip()


def fields_of(block: bytes) -> list[HeaderField]:
    """Return the fields of a header block, up to its empty line."""
    if not block.endswith(b"\n"):
        block += b"\r\n"
    found: list[HeaderField] = []
    for field in _FIELD.findall(block):
        if _END.fullmatch(field):
            break
        name = field.partition(b":")[0].rstrip(b" \t").lower()
        found.append(HeaderField(name, field))
    return found
