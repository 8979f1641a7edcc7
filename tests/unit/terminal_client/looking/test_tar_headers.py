# SPDX-License-Identifier: GPL-3.0-only
"""Headers of tars, usual and hostile ones; the standard library's is the judge."""

from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminal_client.looking import tar
from terminal_client.looking.octets import OddError
from tests.unit.terminal_client.looking.files import looked
from tests.unit.terminal_client.looking.test_tar import tarred

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
TYPES = [b"0", b"0", b"7", b"1", b"2", b"3", b"4", b"5", b"6"]
NAMES = st.text(st.sampled_from("ab/.ü日\n" + "x" * 9), min_size=1, max_size=300)
HURT = [*range(20), *range(120, 160), 257, 345, 482, 483, 504]
"""Where numbers, types and the lengths of records stand."""
OCTETS = st.integers(0, 255) | st.sampled_from(b"0123456789 =\nxLgKS")


def described(octets: bytes) -> list[tuple[str, int, bool, int]]:
    """Return what tarfile says of an archive."""
    with tarfile.open(fileobj=io.BytesIO(octets), mode="r:") as archive:
        return [
            (
                m.name.rstrip("/") + "/" * m.isdir(),
                m.size,
                m.isreg() and not m.issparse(),
                int(m.mtime),
            )
            for m in archive
        ]


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Make archives in all formats, with all that tarfile can write."""
    form = draw(st.sampled_from(FORMATS))
    place = io.BytesIO()
    with tarfile.open(fileobj=place, mode="w", format=form) as archive:
        for name in draw(st.lists(NAMES, max_size=4)):
            member = tarfile.TarInfo(name.rstrip("/"))
            member.type = draw(st.sampled_from(TYPES))
            member.mtime = draw(st.sampled_from([0, 1_770_000_000, 8**11 - 1]))
            if form != tarfile.USTAR_FORMAT:
                member.mtime += draw(st.sampled_from([0, 2**33, -(2**34)]))
            if member.isreg():
                member.size = draw(st.sampled_from([0, 1, 511, 512, 513, 3000]))
            elif not member.isdir():
                member.linkname = draw(NAMES)
            if form == tarfile.PAX_FORMAT and draw(st.booleans()):
                member.pax_headers = {"comment": "größe=1\n2 x", "mtime": "1.25"}
            with suppress(ValueError):  # too long a name for it
                archive.addfile(member, io.BytesIO(b"x" * member.size))
    return place.getvalue()


@settings(deadline=None)  # other work on the machine is no finding
@given(archives())
def test_tarfile_says_the_same(octets: bytes) -> None:
    found = list(tar.members(io.BytesIO(octets)))
    told = [
        (m.entry.name, m.entry.size, m.is_plain, int(m.entry.changed.timestamp()))
        for m in found
        if m.entry.changed is not None
    ]
    assert told == described(octets)
    for member in found:
        content = octets[member.offset : member.offset + member.entry.size]
        assert content == b"x" * member.entry.size


SPARSE = {"GNU.sparse.name": "film", "GNU.sparse.realsize": "77"}


@pytest.mark.parametrize(
    "said",
    [
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", **SPARSE},
        {"GNU.sparse.map": "0,5", **SPARSE},
        {"GNU.sparse.size": "77", "GNU.sparse.name": "film"},
    ],
)
def test_sparse_files_are_told_and_are_not_plain(said: dict[str, str]) -> None:
    place = io.BytesIO()
    with tarfile.open(fileobj=place, mode="w") as archive:
        member = tarfile.TarInfo("GNUSparseFile.0/film")
        member.size, member.pax_headers = 600, said
        archive.addfile(member, io.BytesIO(bytes(600)))
        archive.addfile(tarfile.TarInfo("next"))
    found = list(tar.members(io.BytesIO(place.getvalue())))
    told = [(m.entry.name, m.entry.size, m.entry.packed, m.is_plain) for m in found]
    assert told == [("film", 77, 600, False), ("next", 0, 0, True)]


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("name")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def summed(octets: bytes) -> bytes:
    """Return a header with the right sum in it."""
    checksum = 256 + sum(octets[:148]) + sum(octets[156:512])
    return octets[:148] + b"%06o\0 " % checksum + octets[156:]


def holed(blocks: int) -> bytes:
    """Return a sparse file as old GNU tars write it, with many blocks of holes."""
    first = bytearray(header(b"S", 3))
    first[482] = blocks > 0
    first[483:495] = b"00000000115\0"
    more = [bytes(504) + bytes([n < blocks]) + bytes(7) for n in range(1, blocks + 1)]
    return summed(bytes(first)) + b"".join(more) + b"xxx".ljust(512, b"\0")


@pytest.mark.parametrize("blocks", [0, 1, 100])
def test_holes_of_a_sparse_file_are_passed_over(blocks: int) -> None:
    octets = holed(blocks) + tarred({"next": 5})
    found = list(tar.members(io.BytesIO(octets)))
    told = [(m.entry.name, m.entry.size, m.entry.packed, m.is_plain) for m in found]
    assert told == [("name", 77, 3, False), ("next", 5, 5, True)]


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (holed(tar.MOST_HOLES + 1), "too many holes"),
        ((header(b"L", 1) + b"a" * 512) * 5000, "too many headers"),
        ((header(b"x", 12) + b"12 path=abc\n".ljust(512, b"\0")) * 50, "too many"),
        (header(b"x", 512) + b"0 path=abc\n".ljust(512, b"\0"), "damaged"),
        (header(b"x", 512) + b"=" * 512, "damaged"),
        (header(b"x", 512) + b"2 \n" * 300, "damaged"),
        (header(b"x", 512) + b"1" * 512, "damaged"),
        (header(b"0", -512), "damaged"),
        (header(b"0", 2**70), "damaged"),
        (header(b"0", 2**50), "ends before"),
        (header(b"x", 512) + b"a", "too early"),
    ],
)
def test_headers_that_lead_nowhere(octets: bytes, said: str) -> None:
    with pytest.raises(OddError, match=said):
        list(tar.members(io.BytesIO(octets)))


def test_headers_that_take_tarfile_for_ever() -> None:
    """Digits without end (CVE-2024-6232): hours there, and no thread else runs."""
    size = 60_000
    record = b"%d comment=" % size
    body = record + b"1" * (size - len(record) - 1) + b"\n"
    member = header(b"x", size) + body + bytes(-size % 512) + header(b"0", 0)
    seen = looked(gzip.compress(member * 65 + bytes(1024)))
    assert len(seen.entries) == 65
    assert seen.is_whole


class Counting(io.BytesIO):
    """A file that counts what is read of it."""

    octets = 0

    def read(self, size: int | None = -1, /) -> bytes:
        octets = super().read(size)
        self.octets += len(octets)
        return octets


@settings(deadline=None)  # other work on the machine is no finding
@given(archives(), st.data())
def test_whatever_headers_say_each_is_read_once(
    octets: bytes, data: st.DataObject
) -> None:
    """Changed where it hurts, and summed again: it ends, having read what there is."""
    place = 512 * data.draw(st.integers(0, len(octets) // 512 - 1))
    block = bytearray(octets[place : place + 512])
    for at, octet in data.draw(st.lists(st.tuples(st.sampled_from(HURT), OCTETS))):
        block[at] = octet
    broken = octets[:place] + summed(bytes(block)) + octets[place + 512 :]
    file = Counting(broken)
    with suppress(OddError):
        assert len(list(tar.members(file))) <= len(octets) // 512
    assert file.octets <= len(octets) + 512
