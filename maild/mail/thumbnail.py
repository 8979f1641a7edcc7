# SPDX-License-Identifier: Apache-2.0
"""Thumbnails: what may be one, told from its first octets; and as a header field.

An upload brings its thumbnail in ``Share-Thumbnail``, as a ``data:`` URL (RFC 2397)
folded over lines (RFC 5322 §2.2.3): so the file stays the one part that it was, and
whoever goes on with the upload has the same octets in front of it.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode

MOST_OCTETS = 10 * 1024
"""Octets of a thumbnail."""
MOST_SIDE = 1024
"""Pixels of its width, or of its height."""
FIELD = "Share-Thumbnail"

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that begin a frame and say its size (ITU-T T.81 table B.1)."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""JPEG markers that nothing belongs to."""
_URL = re.compile(r"data:image/(?:jpeg|png);base64,([A-Za-z0-9+/]+={0,2})")
_LINE = 76


def media_type(octets: bytes) -> str | None:
    """Return image/jpeg or image/png by the first octets; None for anything else."""
    if octets.startswith(_PNG):
        return "image/png"
    return "image/jpeg" if octets.startswith(_JPEG) else None


def sides(octets: bytes) -> tuple[int, int] | None:
    """Return (width, height) as a PNG or JPEG declares them; None if it does not."""
    if octets.startswith(_PNG):
        if octets[12:16] != b"IHDR" or len(octets) < 24:
            return None
        return int.from_bytes(octets[16:20]), int.from_bytes(octets[20:24])
    return _jpeg_sides(octets) if octets.startswith(_JPEG) else None


def _jpeg_sides(octets: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(octets) and octets[at] == 0xFF:
        marker = octets[at + 1]
        if marker in _FRAMES:
            height = int.from_bytes(octets[at + 5 : at + 7])
            return int.from_bytes(octets[at + 7 : at + 9]), height
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(octets[at + 2 : at + 4])
    return None


def is_one(octets: bytes) -> bool:
    """Whether ``octets`` may be a thumbnail, as far as can be told undecoded."""
    if len(octets) > MOST_OCTETS:
        return False
    found = sides(octets)
    return found is not None and all(0 < side <= MOST_SIDE for side in found)


def field(octets: bytes) -> bytes:
    """Return the header field that brings a thumbnail."""
    url = f"data:{media_type(octets)};base64,{b64encode(octets).decode()}"
    lines = [url[at : at + _LINE] for at in range(0, len(url), _LINE)]
    return f"{FIELD}:\r\n ".encode() + "\r\n ".join(lines).encode() + b"\r\n"


def in_field(text: str | None) -> bytes | None:
    """Return the thumbnail that a header field's text brings, or None.

    Only its form is looked at: whether it can be shown is for who is offered it to
    find out (`maild.mail.monitor`).
    """
    if text is None or len(text) > 2 * MOST_OCTETS:
        return None
    found = _URL.fullmatch(re.sub(r"\s", "", text))
    if found is None:
        return None
    try:
        octets = b64decode(found[1], validate=True)
    except binascii.Error:
        return None
    return octets if len(octets) <= MOST_OCTETS and media_type(octets) else None
