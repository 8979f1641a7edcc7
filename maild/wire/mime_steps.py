# SPDX-License-Identifier: Apache-2.0
"""What a message turns into while it arrives: constants and blobs, step by step.

`Page` also knows where in the rendering it stands, so that the structure's offsets are
right whatever the octets on the wire were.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.encoding import RAW_LINE, base64_size


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


class Page:
    """Takes what is rendered, in order; gives the steps and the place reached."""

    def __init__(self) -> None:
        self.offset = 0
        """Octets of the rendering so far; a blob seen as base64 counts at its end."""
        self.lines = 0
        """Line ends in the rendering so far."""
        self._steps: list[Step] = []
        self._constant = bytearray()
        self._pieces = 0
        self._in_constant = False
        self._blob_size = 0
        self._blob_lines = 0

    def constant(self, octets: bytes | bytearray) -> None:
        """Add octets that are kept as they are."""
        if not octets:
            return
        if not self._in_constant:
            self._pieces += 1
            self._in_constant = True
        self._constant += octets
        self.offset += len(octets)
        self.lines += octets.count(b"\n")

    def blob_start(self, expected: int | None) -> int:
        """Begin a blob and return which piece of the rope it is."""
        self._flush()
        self._steps.append(BlobStart(expected))
        self._in_constant = False
        self._blob_size = self._blob_lines = 0
        self._pieces += 1
        return self._pieces - 1

    def blob_octets(self, octets: bytes | memoryview, lines: int = 0) -> None:
        """Add to the blob; ``lines`` counts its line ends if it is rendered raw."""
        if len(octets):
            self._steps.append(BlobOctets(octets))
            self._blob_size += len(octets)
            self._blob_lines += lines

    def blob_end(self, *, as_base64: bool, open_end: bool) -> None:
        """End the blob."""
        self._steps.append(BlobEnd(as_base64, open_end))
        if not as_base64:
            self.offset += self._blob_size
            self.lines += self._blob_lines
            return
        self.offset += base64_size(self._blob_size, open_end=open_end)
        coded_lines = -(-self._blob_size // RAW_LINE)
        self.lines += coded_lines - 1 if open_end and coded_lines else coded_lines

    def blob_skip(self, octets: int) -> None:
        """Count octets of a blob, to be rendered as base64, that were given before."""
        self._blob_size += octets

    def take(self, *, last: bool = False) -> list[Step]:
        """Return the steps since the last call.

        A constant is held until a blob or the end follows it: one step is one piece of
        the rope.  What can be held is bounded by the reader's limits.
        """
        if last:
            self._flush()
        steps, self._steps = self._steps, []
        return steps

    def _flush(self) -> None:
        if self._constant:
            self._steps.append(Constant(bytes(self._constant)))
            self._constant.clear()
