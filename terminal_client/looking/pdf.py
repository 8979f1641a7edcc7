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
_TOKEN = re.compile(rb"<<|>>|/Type\s*/Pages\b|/Count\s+(\d{1,8})\b")
"""What tells of the page tree, where dictionaries begin and end (§7.3.7)."""


def pages(file: Readable) -> int | None:
    """Return the number of pages, or None when it is not plain to see."""
    file.seek(0)
    found = _LINEAR.search(file.read(HEAD) or b"")
    if found:
        return _believed(int(found[1]))
    end = size_of(file)
    file.seek(max(0, end - TAIL))
    tail = file.read(TAIL) or b""
    return _believed(_most_counted(tail))


def _most_counted(octets: bytes) -> int:
    """Return the largest count of a page tree; each octet is looked at once.

    The root of the tree counts all leaves, its branches some (§7.7.3.2).
    """
    most = 0
    outer: list[tuple[bool, int]] = []
    is_tree, count = False, 0
    for token in _TOKEN.finditer(octets):
        if token[1]:
            count = max(count, int(token[1]))
        elif token[0] == b"<<":
            outer.append((is_tree, count))
            is_tree, count = False, 0
        elif token[0] == b">>":
            # Of what began before, the beginning is not here.
            is_tree, count = outer.pop() if outer else (False, 0)
        else:
            is_tree = True
        if is_tree:
            most = max(most, count)
    return most


def _believed(count: int) -> int | None:
    return count if 0 < count <= MOST else None
