# SPDX-License-Identifier: Apache-2.0
"""How a multipart's delimiter lines are found in octets that may be cut anywhere.

A delimiter is CRLF, ``--``, the boundary, ``--`` at the end, blanks, CRLF (RFC 2046
§5.1.1).  Lines that merely begin like one are content, as in Python's email package.
``needles`` are the open multiparts' CRLF and delimiter, outermost first; b"" for what
is no multipart.  Everything here runs at the speed of ``bytes.find``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PADDING = 64
"""Blanks behind a delimiter (transport padding)."""
WINDOW = 512
"""Octets looked through at first; then doubled, so that many needles cost no more than
each the way to the nearest hit."""
WIDEST = 28 * 1024
"""Octets looked through at most: in more, ``bytes.find`` changes to a way that is half
as fast with needles of this kind (CPython 3.11, measured)."""

Buffer = bytes | bytearray
"""What can be searched."""

_END = re.compile(rb"(?P<close>--)?[ \t]{0,%d}(?P<end>\r\n)?" % MAX_PADDING)
_UNDECIDED = re.compile(rb"-?-?[ \t]{0,%d}\r?" % MAX_PADDING)


@dataclass(frozen=True, slots=True)
class Delimiter:
    """A delimiter found: whose it is, and where it ends.

    An opening one ends behind its CRLF; a closing one in front, because that CRLF may
    begin the next delimiter.
    """

    level: int
    end: int
    closes: bool


def searchable(octets: memoryview) -> Buffer:
    """Return what ``octets`` shows as something that can be searched.

    Without a copy if it is the whole of a buffer, and nobody changes that.
    """
    whole = octets.obj
    if (
        octets.readonly
        and isinstance(whole, bytes | bytearray)
        and len(whole) == len(octets)
    ):
        return whole
    return bytes(octets)


def find(data: Buffer, at: int, needles: Sequence[bytes]) -> int:
    """Return the first place from ``at`` where any needle stands, or -1."""
    wanted = [needle for needle in needles if needle]
    if len(wanted) == 1:
        return _find_one(data, at, wanted[0])
    width = WINDOW
    while wanted and at < len(data):
        stop = at + width
        places = (data.find(n, at, stop + len(n) - 1) for n in wanted)
        best = min((p for p in places if p >= 0), default=-1)
        if best >= 0:
            return best
        at, width = stop, min(width * 2, WIDEST)
    return -1


def _find_one(data: Buffer, at: int, needle: bytes) -> int:
    """Return the first place of the only needle: most of what is large is in one."""
    look, reach = data.find, WIDEST + len(needle) - 1
    for start in range(at, len(data), WIDEST):
        place = look(needle, start, start + reach)
        if place >= 0:
            return place
    return -1


def judge(
    data: Buffer, place: int, needles: Sequence[bytes], *, skip: int, last: bool
) -> Delimiter | bool:
    """Return the delimiter at ``place``; False: there is none; True: more is needed.

    ``skip`` is 2 at the start of a body, where the CRLF belongs to the header block.
    ``last``: no more octets will come.
    """
    for level in range(len(needles) - 1, -1, -1):
        if not needles[level]:
            continue
        needle = needles[level][skip:]
        if not data.startswith(needle, place):
            short = not last and len(data) - place < len(needle)
            if short and needle.startswith(bytes(data[place:])):
                return True
            continue
        after = place + len(needle)
        found = _END.match(data, after)
        if found is None:
            continue
        closes = found["close"] is not None
        if found["end"] is not None:
            return Delimiter(
                level, found.start("end") if closes else found.end(), closes
            )
        if last and found.end() == len(data):
            return Delimiter(level, found.end(), closes)
        if not last and _UNDECIDED.fullmatch(data, after):
            return True
    return False


def undecided_tail(data: Buffer, at: int, needles: Sequence[bytes]) -> int:
    """Return from where on ``data`` may be the beginning of a needle.

    Boundaries hold no CR, so only the last CR can begin one.
    """
    longest = max(map(len, needles), default=0)
    place = data.rfind(b"\r", max(at, len(data) - longest + 1))
    if longest and place >= 0:
        tail = bytes(data[place:])
        if any(needle.startswith(tail) for needle in needles):
            return place
    return len(data)
