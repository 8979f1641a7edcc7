# SPDX-License-Identifier: GPL-3.0-only
"""What is in a tar: from header to header, nothing between them is read.

The standard library's tarfile looks for patterns in extended headers in a time that
grows with the square of their size (CVE-2024-6232), and keeps all it has seen; here
every octet is looked at once, and one header is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from terminal_client.looking.octets import OddError, Readable, exactly_at, size_of
from terminal_client.looking.seen import Entry

HEADER = 512
"""Octets of a header (POSIX.1-2017, pax, "ustar Interchange Format")."""
MAGIC = slice(257, 262)
NAME, SIZE, TIME = slice(0, 100), slice(124, 136), slice(136, 148)
CHECKSUM, TYPE, PREFIX = slice(148, 156), slice(156, 157), slice(345, 500)
REAL_SIZE = slice(483, 495)
"""Of a sparse file, as old GNU tars have it (GNU tar manual, "Standard")."""
MORE_HOLES, HOLES_GO_ON = 482, 504
"""Octets that say: another block of holes follows; in the header, in such a block."""
LONGEST_HEADER = 64 << 10
"""Octets of an extended header at most: names, not content."""
MOST_HEADERS = 32
"""Extended headers of one member; usual are one or two."""
MOST_HOLES = 4096
"""Blocks of holes of one member, of 21 holes each."""
MOST_OCTETS = 1 << 60
"""Octets of a member that anybody believes in."""

_LONG_NAME, _FOR_ALL = b"L", b"g"
_EXTENDED = frozenset({_LONG_NAME, b"K", b"x", b"X", _FOR_ALL})
"""Types that say something of the member behind them; K: where a link leads."""
_WITHOUT_CONTENT = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
"""Links, devices, directories, pipes: nothing stands behind their headers."""
_PLAIN = frozenset({b"0", b"\0", b"7"})
_SPARSE = b"S"

_PATH, _SIZE, _TIME = b"path", b"size", b"mtime"
_HOLED_PATH = b"GNU.sparse.name"
_HOLED_SIZES = (b"GNU.sparse.realsize", b"GNU.sparse.size")
_HOLED = {b"GNU.sparse.major", b"GNU.sparse.map", *_HOLED_SIZES}
"""What GNU tar says of sparse files (its manual, "Sparse Formats")."""
_KNOWN = {_PATH, _SIZE, _TIME, _HOLED_PATH, *_HOLED}

_DIGITS = re.compile(rb"[0-9]{1,20}")
_MOMENT = re.compile(rb"-?[0-9]{1,20}(?:\.[0-9]{0,20})?")

Said = dict[bytes, bytes]
"""Keywords of extended headers, those that are known here."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member, and where its octets are."""

    entry: Entry
    offset: int
    is_plain: bool
    """Whether it is a file whose octets stand there as they are."""


def is_tar(head: bytes) -> bool:
    """Say whether a beginning is that of a tar."""
    return head[MAGIC] == b"ustar" and len(head) >= HEADER


def members(file: Readable) -> Iterator[Member]:
    """Yield the members in order; reads as far as is asked for."""
    at = 0
    for_all: Said = {}
    while (found := _next(file, at, for_all)) is not None:
        yield found
        at = found.offset + _padded(found.entry.packed)


def _next(file: Readable, at: int, for_all: Said) -> Member | None:
    """Return the member whose headers begin at an offset; None: the archive ends."""
    said: Said = {}
    for count in range(MOST_HEADERS):
        block = _block(file, at)
        if block is None and count:
            raise OddError("it ends too early")
        if block is None:
            return None
        at += HEADER
        if block[TYPE] not in _EXTENDED:
            return _member(file, at, block, for_all | said)
        size = _number(block[SIZE])
        if size > LONGEST_HEADER:
            raise OddError("a header of it is too long")
        _hear(block[TYPE], exactly_at(file, at, size), said, for_all)
        at += _padded(size)
    raise OddError("it has too many headers for one member")


def _block(file: Readable, at: int) -> bytes | None:
    """Return the header at an offset; None at the end, of which zeros are the mark."""
    file.seek(at)
    block = file.read(HEADER) or b""
    if not block and at > size_of(file):
        raise OddError("it ends before a member of it does")
    if not block.strip(b"\0"):
        return None
    if len(block) < HEADER:
        raise OddError("it ends too early")
    told = _number(block[CHECKSUM])
    summed = block[: CHECKSUM.start] + b" " * 8 + block[CHECKSUM.stop :]
    # Some old ones have added signed octets.
    if told != sum(summed) and told != sum(o - (o >> 7 << 8) for o in summed):
        raise OddError("a header of it is damaged")
    return block


def _hear(kind: bytes, body: bytes, said: Said, for_all: Said) -> None:
    """Take what an extended header says."""
    if kind == _LONG_NAME:
        said.setdefault(_PATH, body.split(b"\0", 1)[0])
    elif kind == _FOR_ALL:
        for_all.update(_records(body))
    elif kind != b"K":
        said.update(_records(body))


def _records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield what is known here of an extended header (POSIX.1-2017, pax).

    Each record says its own length first ("pax Extended Header").
    """
    at = 0
    while at < len(body) and body[at]:
        space = body.find(b" ", at, at + 20)
        end = at + _digits(body[at : max(at, space)])
        if not at < space < end <= len(body) or body[end - 1] != ord("\n"):
            raise OddError("a header of it is damaged")
        keyword, _, value = body[space + 1 : end - 1].partition(b"=")
        if keyword in _KNOWN:
            yield keyword, value
        at = end


def _member(file: Readable, at: int, block: bytes, said: Said) -> Member:
    """Return the member whose header is ``block``, which ends at an offset."""
    kind = block[TYPE]
    name = said.get(_HOLED_PATH) or said.get(_PATH) or _name(block)
    is_directory = kind == b"5" or (kind == b"\0" and name.endswith(b"/"))
    packed = size = _digits(said[_SIZE]) if said.get(_SIZE) else _number(block[SIZE])
    if is_directory or kind in _WITHOUT_CONTENT:
        packed = size = 0
    if kind == _SPARSE:
        size = _number(block[REAL_SIZE])
        at = _behind_holes(file, at, block)
    for keyword in _HOLED_SIZES:
        size = _digits(said[keyword]) if said.get(keyword) else size
    text = name.decode(errors="replace")
    if is_directory:
        text = text.rstrip("/") + "/"
    entry = Entry(text, size, packed, _moment(block, said), is_directory)
    is_plain = kind in _PLAIN and not is_directory and said.keys().isdisjoint(_HOLED)
    return Member(entry, at, is_plain)


def _behind_holes(file: Readable, at: int, block: bytes) -> int:
    """Return the offset behind what a sparse file says of its holes."""
    goes_on = block[MORE_HOLES]
    for _ in range(MOST_HOLES):
        if not goes_on:
            return at
        goes_on = exactly_at(file, at, HEADER)[HOLES_GO_ON]
        at += HEADER
    raise OddError("it has too many holes")


def _name(block: bytes) -> bytes:
    name, prefix = (block[place].split(b"\0", 1)[0] for place in (NAME, PREFIX))
    # Only POSIX has a prefix; what GNU tars write there is something else.
    is_posix = block[MAGIC.stop] == 0
    return prefix + b"/" + name if prefix and is_posix else name


def _moment(block: bytes, said: Said) -> datetime | None:
    """Return when the content was changed, if it says so."""
    with suppress(ValueError, OverflowError, OSError):
        told = said.get(_TIME)
        if not told:
            return datetime.fromtimestamp(_number(block[TIME], is_signed=True), UTC)
        if _MOMENT.fullmatch(told):
            return datetime.fromtimestamp(float(told), UTC)
    return None


def _number(field: bytes, *, is_signed: bool = False) -> int:
    """Return a number: octal, or base 256 as GNU tar writes what is too large."""
    if field[0] & 0x80:  # a mark; the rest is a number in two's complement
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") - (1 << bits)
        value -= value >> (bits - 1) << bits
    else:
        digits = field.split(b"\0", 1)[0].strip(b" ")
        if digits.strip(b"01234567"):
            raise OddError("a header of it is damaged")
        value = int(digits or b"0", 8)
    if (value < 0 and not is_signed) or value > MOST_OCTETS:
        raise OddError("a header of it is damaged")
    return value


def _digits(value: bytes) -> int:
    """Return a number of an extended header."""
    if not _DIGITS.fullmatch(value) or int(value) > MOST_OCTETS:
        raise OddError("a header of it is damaged")
    return int(value)


def _padded(octets: int) -> int:
    """Return how much content takes, in whole blocks."""
    return -(-octets // HEADER) * HEADER
