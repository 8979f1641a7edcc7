# SPDX-License-Identifier: Apache-2.0
"""Finds the MIME structure of a message while its octets arrive (RFC 2045, RFC 2046).

Sans-I/O: `MessageReader.feed` turns octets into steps; whoever owns the blob carries
them out.  Header blocks, boundaries and small texts are constants of the rendering;
each attachment becomes a blob.  Nothing is held but the current line and header block.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.structure import Structure


@dataclass(frozen=True, slots=True)
class Constant:
    """Octets of the rendering that are kept as they are."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class BlobStart:
    """The octets that follow belong to a new blob; ``expected`` from ``size=``."""

    expected: int | None


@dataclass(frozen=True, slots=True)
class BlobOctets:
    """Decoded content; the view is good until the next `MessageReader.feed`."""

    octets: bytes | memoryview


@dataclass(frozen=True, slots=True)
class BlobEnd:
    """The blob is whole.  It is rendered as base64, or (kept as it came) raw.

    ``open_end``: the base64 rendering's last line has no CRLF of its own (the CRLF in
    front of a boundary belongs to the boundary, RFC 2046 §5.1.1, and is a constant).
    """

    as_base64: bool
    open_end: bool


Step = Constant | BlobStart | BlobOctets | BlobEnd


class MessageReader:
    """Reads one message.  ``binary``: BODY=BINARYMIME, raw octets are allowed."""

    def __init__(self, *, binary: bool) -> None:
        raise NotImplementedError

    def feed(self, octets: memoryview) -> list[Step]:
        """Take the next octets, any number of them; raise `ReplyError` on a bomb."""
        raise NotImplementedError

    def finish(self) -> list[Step]:
        """The message is over: return the last steps.  Afterwards `structure` is set."""
        raise NotImplementedError

    @property
    def structure(self) -> Structure:
        """The structure, once finished."""
        raise NotImplementedError

    @property
    def facts(self) -> bytes | None:
        """The decoded body of the first application/vnd.maild+json part, if any."""
        raise NotImplementedError

    def header(self, name: str) -> str | None:
        """Return a top-level header field's unfolded text, once its block has passed."""
        raise NotImplementedError
