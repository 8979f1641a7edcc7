# SPDX-License-Identifier: GPL-3.0-only
"""What of a file has changed: ranges of the old one that are kept, and new octets.

Both files are local.  Nothing is held of them but a few blocks and their landmarks, so
a file of any size can be compared; a gigabyte takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from terminal_client.landmarks import (
    BLOCK,
    WINDOW,
    Landmarks,
    Read,
    occurrences,
)

SHORTEST = 512
"""Octets that are worth a reference: naming them takes about a hundred."""
FEW = 64 * 1024
"""Octets that travel sooner than their origin is looked for."""
MOST_KEPT = 1000
"""Ranges of the old file that a plan names; the shortest travel again beyond that."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The octets ``start : start + size`` of the old file."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """The octets ``start : start + size`` of the new file."""

    start: int
    size: int


Range = Kept | Fresh


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long the two files are (octets)."""

    old: int
    new: int


def plan(old: Read, new: Read, sizes: Sizes) -> list[Range]:
    """Return what the new file is made of, in order."""
    front = _common(old, new, 0, 0, min(sizes.old, sizes.new))
    rest = min(sizes.old, sizes.new) - front
    back = _common_before(old, new, sizes.old, sizes.new, rest)
    middle = _middle(old, new, sizes, front, sizes.new - back)
    found = [Kept(0, front), *middle, Kept(sizes.old - back, back)]
    return _worth(found, sizes.new)


def travelling(ranges: Iterable[Range]) -> int:
    """Return how many octets of a plan are new."""
    return sum(one.size for one in ranges if isinstance(one, Fresh))


def _middle(
    old: Read, new: Read, sizes: Sizes, front: int, end: int
) -> Iterator[Range]:
    """Yield what the octets ``front : end`` of the new file are made of."""
    at = follows = front  # of the new file; of the old one, if nothing has moved
    if end - front > FEW and sizes.old:
        known = Landmarks(old, 0, sizes.old)
        for place in occurrences(new, known.mark, front, end, known.apart):
            if place < at:
                continue
            room = Room(at, end, sizes.old)
            here = _match(old, new, place, (place - at + follows, known), room)
            if here is None:
                continue
            begin, kept = here
            yield Fresh(at, begin - at)
            yield kept
            at, follows = begin + kept.size, kept.start + kept.size
    yield Fresh(at, end - at)


@dataclass(frozen=True, slots=True)
class Room:
    """Where a match may lie: ``start : end`` of the new file, ``: old`` of the old."""

    start: int
    end: int
    old: int


def _match(
    old: Read,
    new: Read,
    place: int,
    candidates: tuple[int, Landmarks],
    room: Room,
) -> tuple[int, Kept] | None:
    """Return where octets of the old file begin around ``place``, and which.

    They are looked for where they stand if nothing has moved, then by the landmark.
    """
    window = new(place, WINDOW)
    straight, known = candidates
    for source in (straight, known.find(window)):
        if source is None or old(source, len(window)) != window:
            continue
        most = min(source, place - room.start)
        before = _common_before(old, new, source, place, most)
        most = min(room.old - source, room.end - place)
        after = _common(old, new, source, place, most)
        if before + after >= SHORTEST:
            return place - before, Kept(source - before, before + after)
    return None


def _worth(ranges: Sequence[Range], size: int) -> list[Range]:
    """Leave out references that are not worth it; what is new is one range again."""
    shortest = min(SHORTEST, max(1, size))
    kept = [one for one in ranges if isinstance(one, Kept) and one.size >= shortest]
    kept = sorted(kept, key=lambda one: one.size, reverse=True)[:MOST_KEPT]
    worth = set(map(id, kept))
    found: list[Range] = []
    at = 0
    for one in ranges:
        last = found[-1] if found else None
        if id(one) in worth and isinstance(one, Kept):
            if isinstance(last, Kept) and last.start + last.size == one.start:
                found[-1] = Kept(last.start, last.size + one.size)
            else:
                found.append(one)
        elif isinstance(last, Fresh) and one.size:
            found[-1] = Fresh(last.start, last.size + one.size)
        elif one.size:
            found.append(Fresh(at, one.size))
        at += one.size
    return found


def _common(old: Read, new: Read, source: int, place: int, most: int) -> int:
    """Return how many octets from two places on are the same, at most ``most``."""
    done = 0
    step = 4096
    while done < most:
        count = min(step, most - done)
        one, other = old(source + done, count), new(place + done, count)
        if one != other:
            return done + _same(one, other)
        done += count
        step = min(2 * step, BLOCK)
    return most


def _common_before(old: Read, new: Read, source: int, place: int, most: int) -> int:
    """Return how many octets in front of two places are the same."""
    done = 0
    step = 4096
    while done < most:
        count = min(step, most - done)
        one = old(source - done - count, count)
        other = new(place - done - count, count)
        if one != other:
            return done + _same(one[::-1], other[::-1])
        done += count
        step = min(2 * step, BLOCK)
    return most


def _same(one: bytes, other: bytes) -> int:
    """Return how many octets two texts have in common at the beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
