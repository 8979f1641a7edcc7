# SPDX-License-Identifier: GPL-3.0-only
"""Landmarks: places of a file that are found again wherever its octets have moved.

A rolling hash costs Python half a microsecond an octet: minutes for a gigabyte.  So the
file says itself what marks it: a short string that occurs in it about as often as is
wanted, found by `bytes.find`.  What follows an occurrence tells the landmarks apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

Read = Callable[[int, int], bytes]
"""Gives octets of a file: (offset, count); fewer only at its end."""

WINDOW = 64
"""Octets from a landmark on by which it is known again."""
MOST = 1 << 16
"""Landmarks that are remembered, however large the file."""
CLOSEST = 4096
"""Octets that should lie between two landmarks, on average; more in a large file."""
SLICES = 64
"""Places at which a file is looked at to choose what marks it."""
SLICE = 2048
"""Octets looked at in each."""
LENGTHS = (2, 3, 4, 6, 8, 12)
"""Octets of a string that may mark a file."""
BLOCK = 1 << 20
"""Octets read at a time."""


def distance(size: int) -> int:
    """Return how many octets should lie between two landmarks of a file."""
    return max(CLOSEST, size // MOST)


def mark_of(read: Read, start: int, end: int) -> bytes:
    """Return a string that marks ``start : end`` of a file, which is not empty.

    One that occurs about as often as is wanted.  Where everything is rarer than that,
    or more frequent, that is much of one thing: then what is in the most places.
    """
    size = end - start
    step = max(SLICE, size // SLICES)
    slices = [read(at, min(SLICE, end - at)) for at in range(start, end, step)]
    wanted = max(1, sum(map(len, slices)) // distance(size))
    frequent = slices[0][:1]
    for length in LENGTHS:
        often: Counter[bytes] = Counter()
        places: Counter[bytes] = Counter()
        for octets in slices:
            here = Counter(_strings(octets, length))
            often.update(here)
            places.update(here.keys())
        fit = [mark for mark, count in often.items() if count <= 2 * wanted]
        found = max(fit, key=places.__getitem__, default=b"")
        if 4 * places[found] >= min(wanted, len(slices)):
            return found
        frequent = max(often, key=places.__getitem__, default=frequent)
    return frequent


def _strings(octets: bytes, length: int) -> Iterator[bytes]:
    return (octets[at : at + length] for at in range(len(octets) - length + 1))


def occurrences(
    read: Read, mark: bytes, start: int, end: int, apart: int
) -> Iterator[int]:
    """Yield where ``mark`` stands from ``start`` on, in order.

    Of those that are closer together than ``apart`` octets some are left out.
    """
    at, overlap = start, len(mark) - 1
    least = 0
    while at < end:
        block = read(at, min(BLOCK, end - at) + overlap)
        found = block.find(mark, max(0, least - at))
        while found >= 0:
            yield at + found
            least = at + found + apart
            found = block.find(mark, found + apart)
        at += BLOCK


class Landmarks:
    """The landmarks of ``start : end`` of a file, by what follows each."""

    def __init__(self, read: Read, start: int, end: int) -> None:
        self.mark = mark_of(read, start, end)
        self.apart = distance(end - start) // 8
        """Octets between two places that are worth a look."""
        self._known: dict[int, int] = {}
        self._mask = 0
        for at in occurrences(read, self.mark, start, end, self.apart):
            name = hash(read(at, WINDOW))
            if name & self._mask == 0:
                self._known.setdefault(name, at)
                if len(self._known) >= MOST:
                    self._thin_out()

    def _thin_out(self) -> None:
        """Forget every second one; which, its octets say, in any file the same."""
        self._mask = 2 * self._mask + 1
        self._known = {n: at for n, at in self._known.items() if n & self._mask == 0}

    def find(self, window: bytes) -> int | None:
        """Return where such octets (nearly certainly) are; None: nowhere known."""
        return self._known.get(hash(window))
