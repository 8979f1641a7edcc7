# SPDX-License-Identifier: GPL-3.0-only
"""How large an image is, by its header; nothing is decoded."""

from __future__ import annotations

from collections.abc import Callable

from terminal_client.looking.octets import (
    OddError,
    Readable,
    big,
    exactly,
    exactly_at,
    little,
)

MOST_MARKERS = 500
"""Segments of a JPEG before its frame header."""
MOST_TAGS = 200
"""Entries of a TIFF directory."""

Size = tuple[int, int]
"""Width and height in pixels."""
_NO_FRAME = {0xC4, 0xC8, 0xCC}
"""Markers among the SOFn of ITU-T T.81 table B.1 that begin no frame."""


def _png(file: Readable) -> Size:
    """Read IHDR (PNG §11.2.1)."""
    octets = exactly_at(file, 16, 8)
    return big(octets[:4]), big(octets[4:])


def _gif(file: Readable) -> Size:
    octets = exactly_at(file, 6, 4)
    return little(octets[:2]), little(octets[2:])


def _bmp(file: Readable) -> Size:
    """Read the info header; a negative height is a picture from top to bottom."""
    octets = exactly_at(file, 18, 8)
    height = int.from_bytes(octets[4:], "little", signed=True)
    return little(octets[:4]), abs(height)


def _webp(file: Readable) -> Size:
    """Read VP8X, VP8L or VP8 (RFC 9649 §2.7, §3.4; RFC 6386 §9.1)."""
    octets = exactly_at(file, 12, 18)
    kind, body = octets[:4], octets[8:]
    if kind == b"VP8X":
        return little(exactly_at(file, 24, 3)) + 1, little(exactly(file, 3)) + 1
    if kind == b"VP8L":
        bits = little(body[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return little(body[6:8]) & 0x3FFF, little(body[8:10]) & 0x3FFF


def _jpeg(file: Readable) -> Size:
    """Go from marker to marker up to the frame header (ITU-T T.81 §B.1.1)."""
    at = 2
    for _ in range(MOST_MARKERS):
        octets = exactly_at(file, at, 4)
        if octets[0] != 0xFF:
            raise OddError("it has no frame")
        marker = octets[1]
        if marker == 0xFF:  # fill
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            frame = exactly_at(file, at + 5, 4)
            return big(frame[2:]), big(frame[:2])
        else:
            at += 2 + big(octets[2:])
    raise OddError("it has no frame")


def _tiff(file: Readable) -> Size:
    """Read tags 256 and 257 of the first directory (TIFF 6.0 §2)."""
    head = exactly_at(file, 0, 8)
    number: Callable[[bytes], int] = little if head[:2] == b"II" else big
    count = number(exactly_at(file, number(head[4:]), 2))
    found: dict[int, int] = {}
    for _ in range(min(count, MOST_TAGS)):
        field = exactly(file, 12)
        tag, kind = number(field[:2]), number(field[2:4])
        if tag in (256, 257):
            found[tag] = number(field[8:10] if kind == 3 else field[8:12])
    if len(found) < 2:
        raise OddError("it does not say its size")
    return found[256], found[257]


_READERS: tuple[tuple[bytes, bytes, str, Callable[[Readable], Size]], ...] = (
    (b"\x89PNG\r\n\x1a\n", b"", "PNG", _png),
    (b"\xff\xd8\xff", b"", "JPEG", _jpeg),
    (b"GIF87a", b"", "GIF", _gif),
    (b"GIF89a", b"", "GIF", _gif),
    (b"RIFF", b"WEBP", "WebP", _webp),
    (b"II*\0", b"", "TIFF", _tiff),
    (b"MM\0*", b"", "TIFF", _tiff),
    (b"BM", b"", "BMP", _bmp),
)


def reader(head: bytes) -> tuple[str, Callable[[Readable], Size]] | None:
    """Return the format that a beginning tells, and what reads its size."""
    for first, eighth, name, read in _READERS:
        if head.startswith(first) and head[8:].startswith(eighth):
            if name == "BMP" and head[6:10] != bytes(4):
                continue  # two letters prove little: reserved octets are 0
            return name, read
    return None
