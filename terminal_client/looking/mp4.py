# SPDX-License-Identifier: GPL-3.0-only
"""What the boxes of MP4, MOV, HEIF and AVIF tell (ISO/IEC 14496-12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from terminal_client.looking.octets import (
    OddError,
    Readable,
    big,
    exactly,
    exactly_at,
    size_of,
    word,
)
from terminal_client.looking.seen import Facts

MOST_BOXES = 2000
"""Boxes looked at in one file; fragments are not counted by anybody."""
_INSIDE = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"iprp", b"ipco"}
_SKIPPED = {b"meta": 4}
"""Boxes with boxes inside, behind so many octets."""
_UNKNOWN = (0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""Durations that mean: nobody knows."""


@dataclass(frozen=True, slots=True)
class _Box:
    type: bytes
    start: int
    """Offset of what is in it."""
    end: int


@dataclass(slots=True)
class _Found:
    facts: Facts = field(default_factory=Facts)
    scale: int = 0
    handler: bytes = b""
    boxes: int = 0


def read(file: Readable) -> Facts:
    """Return what is found; the index may stand before or behind the content."""
    found = _Found()
    for box in _boxes(file, 0, size_of(file), found):
        if box.type in _INSIDE or box.type in _SKIPPED:
            _walk(file, box, found)
        if box.type == b"moov" or (found.facts.width and box.type == b"meta"):
            break
    return found.facts


def _boxes(file: Readable, start: int, end: int, found: _Found) -> Iterator[_Box]:
    """Yield the boxes in a range, by their headers alone (§4.2)."""
    at = start
    while at + 8 <= end:
        found.boxes += 1
        if found.boxes > MOST_BOXES:
            raise OddError("it has too many boxes")
        head = exactly_at(file, at, 8)
        size, header = big(head[:4]), 8
        if size == 1:
            size, header = big(exactly(file, 8)), 16
        stop = end if size == 0 else at + size
        if stop < at + header or stop > end:
            raise OddError("a box of it is longer than what it stands in")
        yield _Box(head[4:], at + header, stop)
        at = stop


def _walk(file: Readable, box: _Box, found: _Found, depth: int = 0) -> None:
    start = box.start + _SKIPPED.get(box.type, 0)
    for inner in _boxes(file, start, box.end, found):
        if inner.type in _INSIDE and depth < len(_INSIDE):
            _walk(file, inner, found, depth + 1)
        else:
            _take(file, inner, found)


def _take(file: Readable, box: _Box, found: _Found) -> None:
    match box.type:
        case b"mvhd":
            _movie_header(file, box, found)
        case b"mehd":  # fragments: the whole is told here (§8.8.2)
            version = exactly_at(file, box.start, 4)[0]
            _set_duration(found, big(exactly(file, 8 if version else 4)))
        case b"hdlr":
            found.handler = exactly_at(file, box.start + 8, 4)
        case b"ispe":  # ISO/IEC 23008-12 §6.5.3: the largest is the picture
            octets = exactly_at(file, box.start + 4, 8)
            _set_size(found, big(octets[:4]), big(octets[4:]))
        case b"stsd" if found.handler in (b"vide", b"soun"):
            _sample_entry(file, box, found)
        case _:
            pass


def _movie_header(file: Readable, box: _Box, found: _Found) -> None:
    """Read time scale and duration (§8.2.2)."""
    version = exactly_at(file, box.start, 4)[0]
    octets = exactly(file, 28 if version else 16)
    times = octets[16:] if version else octets[8:]
    found.scale = big(times[:4])
    _set_duration(found, big(times[4:]))


def _set_duration(found: _Found, units: int) -> None:
    if found.scale and units not in _UNKNOWN:
        found.facts = replace(found.facts, duration=round(units / found.scale, 3))


def _set_size(found: _Found, width: int, height: int) -> None:
    before = (found.facts.width or 0) * (found.facts.height or 0)
    if width * height > before:
        found.facts = replace(found.facts, width=width, height=height)


def _sample_entry(file: Readable, box: _Box, found: _Found) -> None:
    """Read the first description: codec, and what goes with it (§8.5.2, §12)."""
    octets = exactly_at(file, box.start + 8, 8 + 28)
    codec, body = word(octets[4:8]), octets[8:]
    facts = found.facts
    found.facts = replace(facts, codecs=(*facts.codecs, codec)[:8])
    if found.handler == b"vide":
        _set_size(found, big(body[24:26]), big(body[26:28]))
    else:
        rate = big(body[24:26])
        found.facts = replace(
            found.facts, channels=big(body[16:18]) or None, rate=rate or None
        )
