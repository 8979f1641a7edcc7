# SPDX-License-Identifier: Apache-2.0
"""Whether a text occurs in a message: header fields and text parts, decoded.

Runs in a worker thread.  Reads a part in pieces and holds no more than two of them, so
that a search through a part of any size takes the same memory.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from email.errors import HeaderParseError
from email.header import decode_header

from maild.imapd.decoding import Identity, decoder
from maild.imapd.sections import HeaderField
from maild.mail.structure import Part

Octets = Callable[[int, int], Iterator[bytes]]
"""Gives so many octets of a rendering from an offset, in pieces: (start, length)."""

MAX_TEXT = 64 * 2**20
"""Octets of one part that are looked at: a search does not read 50 GB of log file."""


def in_field(field: HeaderField, needle: str, *, named: bool = False) -> bool:
    """Whether a field's text holds ``needle`` (case-folded), encoded words decoded.

    ``named``: its name is looked at, too.
    """
    value = _decoded(field.value)
    if named:
        value = f"{field.name.decode('latin-1')}: {value}"
    if needle in value.casefold():
        return True
    return "=?" in value and needle in decoded_words(value).casefold()


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def decoded_words(text: str) -> str:
    """Return a header text with its RFC 2047 encoded words decoded, where possible."""
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    found: list[str] = []
    for octets, charset in pieces:
        if isinstance(octets, str):
            found.append(octets)
            continue
        try:
            found.append(octets.decode(charset or "utf-8", "replace"))
        except (LookupError, ValueError):
            found.append(octets.decode("latin-1"))
    return "".join(found)


def text_parts(part: Part) -> Iterator[Part]:
    """Yield the leaf parts of type text below ``part``."""
    if part.children:
        for child in part.children:
            yield from text_parts(child)
    elif part.type == "text":
        yield part


def in_part(part: Part, needle: str, octets: Octets) -> bool:
    """Whether the decoded text of a leaf part holds ``needle`` (case-folded).

    What has an unknown transfer encoding is searched as it stands.
    """
    bare = decoder(part.encoding) or Identity()
    charset = charset_decoder(part)
    if not needle:
        return True
    kept = ""
    for piece in octets(part.body_start, min(part.size, MAX_TEXT)):
        text = kept + charset.decode(bare.feed(piece)).casefold()
        if needle in text:
            return True
        kept = text[-len(needle) :]
    return needle in kept + charset.decode(bare.finish(), final=True).casefold()


def charset_decoder(part: Part) -> codecs.IncrementalDecoder:
    """Return a decoder of a part's charset that never fails; latin-1 when unknown."""
    for name in (dict(part.params).get("charset", "utf-8"), "latin-1"):
        try:
            make = codecs.getincrementaldecoder(name)
            found = make(errors="replace")
            if isinstance(found.decode(b"a"), str):
                found.reset()
                return found
        except (LookupError, ValueError, TypeError, AttributeError):
            continue  # not a charset, or one of Python's codecs that give no text
    raise AssertionError("latin-1 is always there")
