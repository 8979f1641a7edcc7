# SPDX-License-Identifier: GPL-3.0-only
"""What the elements of Matroska and WebM tell (RFC 8794, RFC 9559)."""

from __future__ import annotations

import struct
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

MOST_ELEMENTS = 2000
"""Elements looked at in one file."""
LONGEST_VALUE = 256
"""Octets of a value that is read."""

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
SEEK_HEAD, SEEK, SEEK_ID, SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
INFO, SCALE, DURATION = 0x1549A966, 0x2AD7B1, 0x4489
TRACKS, TRACK, TRACK_CODEC = 0x1654AE6B, 0xAE, 0x86
VIDEO, WIDTH, HEIGHT = 0xE0, 0xB0, 0xBA
AUDIO, FREQUENCY, CHANNELS = 0xE1, 0xB5, 0x9F
_INSIDE = {SEEK_HEAD, SEEK, INFO, TRACKS, TRACK, VIDEO, AUDIO}
_NUMBERS = {SEEK_ID, SEEK_POSITION, SCALE, WIDTH, HEIGHT, CHANNELS}
_DEPTH = 8


@dataclass(frozen=True, slots=True)
class _Element:
    id: int
    start: int
    """Offset of what is in it."""
    end: int


@dataclass(slots=True)
class _Found:
    facts: Facts = field(default_factory=Facts)
    scale: int = 1_000_000
    """Nanoseconds of a unit of time (RFC 9559 §5.1.2.9)."""
    units: float = 0.0
    places: dict[int, int] = field(default_factory=dict)
    """Where elements are, by the seek head (§5.1.1)."""
    seeking: int = 0
    seen: set[int] = field(default_factory=set)
    elements: int = 0


def read(file: Readable) -> Facts:
    """Return what Info and Tracks tell; they may stand before or behind the content."""
    found, end = _Found(), size_of(file)
    top = _elements(file, 0, end, found)
    segment = next((e for e in top if e.id == SEGMENT), None)
    if segment is None:
        raise OddError("it has no segment")
    for element in _elements(file, segment.start, segment.end, found):
        if element.id == CLUSTER or {INFO, TRACKS} <= found.seen:
            break
        _top(file, element, found)
    for wanted in (INFO, TRACKS):
        place = found.places.get(wanted)
        if wanted not in found.seen and place is not None:
            for element in _elements(file, segment.start + place, segment.end, found):
                _top(file, element, found)
                break
    if found.units:
        seconds = found.units * found.scale / 1e9
        found.facts = replace(found.facts, duration=round(seconds, 3))
    return found.facts


def _top(file: Readable, element: _Element, found: _Found) -> None:
    found.seen.add(element.id)
    if element.id in _INSIDE:
        _walk(file, element, found)


def _elements(
    file: Readable, start: int, end: int, found: _Found
) -> Iterator[_Element]:
    """Yield the elements in a range, by their headers alone (RFC 8794 §6)."""
    at = start
    while at < end:
        found.elements += 1
        if found.elements > MOST_ELEMENTS:
            raise OddError("it has too many elements")
        id_, length = _number(file, at, 4, keeps_marker=True)
        size, width = _number(file, at + length, 8, keeps_marker=False)
        begin = at + length + width
        unknown = size == (1 << 7 * width) - 1  # until its parent ends (§6.2)
        stop = end if unknown else begin + size
        if stop > end:
            raise OddError("an element of it is longer than what it stands in")
        yield _Element(id_, begin, stop)
        at = stop


def _number(
    file: Readable, at: int, longest: int, *, keeps_marker: bool
) -> tuple[int, int]:
    """Return a number of variable length, and its length (RFC 8794 §4)."""
    first = exactly_at(file, at, 1)[0]
    length = 9 - first.bit_length()
    if length > longest:
        raise OddError("it has a number that is too long")
    value = big(bytes([first]) + exactly(file, length - 1))
    return (value if keeps_marker else value & ((1 << 7 * length) - 1)), length


def _walk(file: Readable, element: _Element, found: _Found, depth: int = 0) -> None:
    for inner in _elements(file, element.start, element.end, found):
        if inner.id in _INSIDE and depth < _DEPTH:
            _walk(file, inner, found, depth + 1)
        elif inner.end - inner.start <= LONGEST_VALUE:
            value = exactly_at(file, inner.start, inner.end - inner.start)
            if inner.id in _NUMBERS and len(value) > 8:  # RFC 8794 §7.2
                raise OddError("it has a number that is too long")
            _take(inner.id, value, found)


def _take(id_: int, value: bytes, found: _Found) -> None:
    facts = found.facts
    match id_:
        case 0x53AB:  # SEEK_ID
            found.seeking = big(value)
        case 0x53AC:  # SEEK_POSITION
            found.places[found.seeking] = big(value)
        case 0x2AD7B1:  # SCALE
            found.scale = big(value)
        case 0x4489:  # DURATION
            found.units = _float(value)
        case 0x86:  # TRACK_CODEC
            found.facts = replace(facts, codecs=(*facts.codecs, word(value))[:8])
        case 0xB0:  # WIDTH
            found.facts = replace(facts, width=big(value))
        case 0xBA:  # HEIGHT
            found.facts = replace(facts, height=big(value))
        case 0xB5:  # FREQUENCY
            found.facts = replace(facts, rate=int(_float(value)))
        case 0x9F:  # CHANNELS
            found.facts = replace(facts, channels=big(value))
        case _:
            pass


def _float(value: bytes) -> float:
    """Return a float (RFC 8794 §7.3); what is no number is nothing."""
    if len(value) not in (4, 8):
        return 0.0
    found = float(struct.unpack(">f" if len(value) == 4 else ">d", value)[0])
    return found if 0 < found < 1e15 else 0.0
