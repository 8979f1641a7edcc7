# SPDX-License-Identifier: GPL-3.0-only
"""How many pages a PDF has, where that is cheap to see."""

from __future__ import annotations

import re

from terminal_client.looking.octets import Readable, size_of

HEAD = 1 << 10
"""Octets in which a linearized file says it (ISO 32000-1 §F.3.3)."""
TAIL = 64 << 10
"""Octets at the end in which the page tree is looked for."""
MOST = 10_000_000
"""Pages that anybody believes in."""

_LINEAR = re.compile(rb"/Linearized\b[^>]{0,400}?/N\s+(\d{1,8})\b")
_COUNT = re.compile(rb"/Count\s+(\d{1,8})\b")


def pages(file: Readable) -> int | None:
    """Return the number of pages, or None when it is not plain to see."""
    file.seek(0)
    found = _LINEAR.search(file.read(HEAD) or b"")
    if found:
        return _believed(int(found[1]))
    end = size_of(file)
    file.seek(max(0, end - TAIL))
    tail = file.read(TAIL) or b""
    counts = [
        int(count[1])
        for tree in re.finditer(rb"/Type\s*/Pages\b", tail)
        for count in _COUNT.finditer(tail, *_dictionary(tail, tree.start()))
    ]
    # The root of the tree counts all leaves, its branches some (§7.7.3.2).
    return _believed(max(counts, default=0))


def _dictionary(octets: bytes, at: int) -> tuple[int, int]:
    """Return the range of the dictionary around an offset."""
    start = octets.rfind(b"<<", 0, at)
    end = octets.find(b">>", at)
    return max(start, 0), end if end >= 0 else len(octets)


def _believed(count: int) -> int | None:
    return count if 0 < count <= MOST else None
