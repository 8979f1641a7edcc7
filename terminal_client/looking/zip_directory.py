# SPDX-License-Identifier: GPL-3.0-only
"""What is in a zip, by its directory at the end (APPNOTE.TXT 6.3.10), in flat memory.

The standard library's zipfile keeps an object for every member before it says anything;
here members come one after the other, and a reader may stop at any.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from terminal_client.looking.octets import (
    OddError,
    Readable,
    exactly,
    exactly_at,
    little,
    size_of,
)
from terminal_client.looking.seen import Entry

END = struct.Struct("<4s4H2LH")
"""End of central directory record (§4.3.16)."""
END64 = struct.Struct("<4sQ2H2L4Q")
"""Zip64 end of central directory record (§4.3.14)."""
LOCATOR64 = struct.Struct("<4sLQL")
"""Zip64 end of central directory locator (§4.3.15)."""
CENTRAL = struct.Struct("<4s6H3L5H2L")
"""Central directory header (§4.3.12)."""
COMMENT = 0xFFFF
"""Octets of a comment behind the end record, at most."""
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF
"""Numbers that say: look into the zip64 field (§4.4.1.4)."""

ENCRYPTED = 1
"""Bit 0 of the general purpose flags (§4.4.4)."""
UTF8 = 1 << 11
"""Bit 11: the name is UTF-8 (Appendix D)."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the directory is."""

    start: int
    size: int
    members: int
    """Members in all, as the archive says."""
    shift: int
    """Octets that something has put before the archive: a program that unpacks it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member, and how its content is kept."""

    entry: Entry
    offset: int
    """Of its local header."""
    method: int
    crc: int
    is_encrypted: bool


def find(file: Readable) -> Directory:
    """Return where the directory is; reads the end of the file only."""
    size = size_of(file)
    tail_at = max(0, size - END.size)
    tail = exactly_at(file, tail_at, size - tail_at)
    if not (tail.startswith(b"PK\5\6") and tail.endswith(b"\0\0")):  # a comment
        tail_at = max(0, size - END.size - COMMENT)
        tail = exactly_at(file, tail_at, size - tail_at)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < END.size:
        raise OddError("it has no directory at its end")
    found = END.unpack_from(tail, at)
    _, disk, first, _, members, length, start, _ = found
    end = tail_at + at
    if FULL16 in (members, disk) or FULL32 in (length, start):
        return _large(file, end)
    if disk or first:
        raise OddError("it is one part of several")
    return _placed(end, start, length, members)


def _large(file: Readable, end: int) -> Directory:
    """Read the zip64 records that stand before the end record."""
    locator = LOCATOR64.unpack(exactly_at(file, max(0, end - 20), LOCATOR64.size))
    if locator[0] != b"PK\6\7":
        raise OddError("its directory says nothing about its size")
    # What stands before the archive moves the record; it ends where its locator begins.
    for at in (locator[2], end - LOCATOR64.size - END64.size):
        with suppress(OddError):
            found = END64.unpack(exactly_at(file, at, END64.size))
            if found[0] == b"PK\6\6":
                return _placed(at, found[9], found[8], found[7])
    raise OddError("its directory says nothing about its size")


def _placed(end: int, start: int, length: int, members: int) -> Directory:
    shift = end - length - start
    if shift < 0 or length > end:
        raise OddError("its directory is longer than the file")
    return Directory(start + shift, length, members, shift)


def members(file: Readable, directory: Directory) -> Iterator[Member]:
    """Yield the members in the directory's order; reads as far as is asked for."""
    at, end = directory.start, directory.start + directory.size
    while at + CENTRAL.size <= end:
        head = CENTRAL.unpack(exactly_at(file, at, CENTRAL.size))
        if head[0] != b"PK\1\2":
            raise OddError("its directory is damaged")
        name_size, extra_size, comment_size = head[10:13]
        at += CENTRAL.size + name_size + extra_size + comment_size
        if at > end:
            raise OddError("its directory is damaged")
        octets = exactly(file, name_size + extra_size)
        yield _member(head, octets[:name_size], octets[name_size:], directory.shift)


def _member(head: tuple[Any, ...], raw: bytes, extra: bytes, shift: int) -> Member:
    flags, method, time, day, crc, packed, size = head[3:10]
    large = _field(extra, 1)  # §4.5.3: only what did not fit, in this order
    if size == FULL32:
        size, large = little(large[:8]), large[8:]
    if packed == FULL32:
        packed, large = little(large[:8]), large[8:]
    offset = head[16]
    if offset == FULL32:
        offset = little(large[:8])
    name = _name(raw, flags, extra)
    entry = Entry(name, size, packed, _moment(day, time), name.endswith("/"))
    is_encrypted = bool(flags & ENCRYPTED) or method == 99
    return Member(entry, offset + shift, method, crc, is_encrypted)


def _name(raw: bytes, flags: int, extra: bytes) -> str:
    if not flags & UTF8:
        unicode = _field(extra, 0x7075)[5:]  # §4.6.9
        if not unicode:
            try:  # what is valid UTF-8 is hardly ever anything else
                return raw.decode()
            except UnicodeDecodeError:
                return raw.decode("cp437")
        raw = unicode
    return raw.decode(errors="replace")


def _field(extra: bytes, wanted: int) -> bytes:
    """Return one of the extra fields (§4.5.1), or nothing."""
    at = 0
    while at + 4 <= len(extra):
        size = little(extra[at + 2 : at + 4])
        if little(extra[at : at + 2]) == wanted:
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return b""


def _moment(day: int, time: int) -> datetime | None:
    """Return an MS-DOS time (§4.4.6)."""
    with suppress(ValueError):
        return datetime(  # noqa: DTZ001 # an archive does not say where its clock was
            1980 + (day >> 9),
            day >> 5 & 15,
            day & 31,
            time >> 11,
            time >> 5 & 63,
            min((time & 31) * 2, 59),
        )
    return None
