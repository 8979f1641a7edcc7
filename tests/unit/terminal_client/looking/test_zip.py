# SPDX-License-Identifier: GPL-3.0-only
"""Zips by their directory, and members of them; the standard library's is the judge."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import BinaryIO, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from terminal_client.errors import ContentError, UnavailableError
from terminal_client.looking import zip_directory, zip_member
from terminal_client.looking.look import Limits
from terminal_client.looking.octets import OddError
from terminal_client.looking.seen import Kind
from terminal_client.looking.zip_directory import Member
from terminal_client.looking.zip_member import Unpacking, content_at
from tests.unit.terminal_client.looking.files import Elsewhere, looked

CONTENTS = {
    "docs/": b"",
    "docs/letter.txt": b"dear bob\n" * 100,
    "größe.bin": os.urandom(5000),
    "empty": b"",
    "zeros": bytes(1_000_000),
}


def zipped(
    contents: dict[str, bytes] = CONTENTS, method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(
                zipfile.ZipInfo(name, (2026, 2, 3, 4, 5, 6)), content, method
            )
    return place.getvalue()


def members(octets: bytes) -> list[Member]:
    file = io.BytesIO(octets)
    return list(zip_directory.members(file, zip_directory.find(file)))


def unpacked(octets: bytes, member: Member, piece: int = 700) -> bytes:
    sink = io.BytesIO()
    unpacking = Unpacking(member, cast(BinaryIO, sink))
    start = content_at(io.BytesIO(octets), member)
    packed = octets[start : start + member.entry.packed]
    for at in range(0, len(packed), piece):
        unpacking.write(memoryview(packed)[at : at + piece])
    unpacking.must_be_whole()
    return sink.getvalue()


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
)
@pytest.mark.parametrize(
    "changed", [bytes, lambda o: b"#!/bin/sh\n" * 20 + o], ids=["plain", "shifted"]
)
def test_every_member_is_listed_and_unpacked(
    method: int, changed: Callable[[bytes], bytes]
) -> None:
    octets = changed(zipped(method=method))
    found = members(octets)
    assert [m.entry.name for m in found] == list(CONTENTS)
    assert [m.entry.size for m in found] == [len(c) for c in CONTENTS.values()]
    assert found[1].entry.changed == datetime(2026, 2, 3, 4, 5, 6)  # noqa: DTZ001 # it has no zone
    for member in found:
        assert unpacked(octets, member) == CONTENTS[member.entry.name]


@settings(deadline=None)  # other work on the machine is no finding
@given(
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
    st.sampled_from([b"\0", b"2026-02-03,alice,42,0.125\n", os.urandom(1500)]),
    st.integers(0, 3),
    st.integers(-20, 1100),
    st.integers(1, 5000),
)
@example(zipfile.ZIP_DEFLATED, b"\0", 1, 100, 5000)
def test_what_fills_pieces_comes_out_whole(
    method: int, line: bytes, pieces: int, more: int, written: int
) -> None:
    """An unpacker holds octets back when a piece is full, all its input taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zip_member, "PIECE", 4096)
        size = max(0, pieces * zip_member.PIECE + more)
        content = (line * (size // len(line) + 1))[:size]
        octets = zipped({"table": content}, method)
        assert unpacked(octets, members(octets)[0], written) == content


def test_a_comment_behind_the_directory() -> None:
    place = io.BytesIO(zipped())
    with zipfile.ZipFile(place, "a") as archive:
        archive.comment = b"PK and more" * 1000
    assert len(members(place.getvalue())) == len(CONTENTS)


def test_more_members_than_16_bits_can_count() -> None:
    octets = zipped({f"{n}": b"" for n in range(70_000)}, zipfile.ZIP_STORED)
    directory = zip_directory.find(io.BytesIO(octets))
    assert directory.members == 70_000
    assert members(octets)[69_999].entry.name == "69999"


def test_members_larger_than_32_bits_can_say() -> None:
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w") as archive:
        with archive.open("large", "w", force_zip64=True) as member:
            member.write(b"content")
        archive.writestr("small", b"x")
    octets = place.getvalue()
    # As a packer writes it who always uses the zip64 field.
    at = octets.index(b"PK\1\2")
    head = octets[at : at + 46]
    extra = struct.pack("<2H3Q", 1, 24, 7, 7, 0)
    large = (
        head[:20] + b"\xff" * 8 + head[28:30] + struct.pack("<H", len(extra))
        + head[32:42] + b"\xff" * 4 + b"large" + extra
    )  # fmt: skip
    rest = octets[at + 46 + len(b"large") + struct.unpack("<H", head[30:32])[0] :]
    made = octets[:at] + large + rest
    grown = len(made) - len(octets)
    end = made.rindex(b"PK\5\6")
    size = struct.unpack("<L", made[end + 12 : end + 16])[0] + grown
    made = made[: end + 12] + struct.pack("<L", size) + made[end + 16 :]
    found = members(made)
    assert [m.entry.size for m in found] == [7, 1]
    assert found[0].offset == 0
    assert unpacked(made, found[0]) == b"content"


def test_listing_costs_the_directory_only() -> None:
    there = Elsewhere(zipped({"large": os.urandom(2**20), "small": b"x"}))
    listed = zip_directory.members(there.file, zip_directory.find(there.file))
    assert [m.entry.name for m in listed] == ["large", "small"]
    assert there.octets < 10_000


def test_only_so_many_members_are_listed() -> None:
    seen = looked(zipped({f"{n}": b"" for n in range(100)}), Limits(entries=10))
    assert (seen.kind, len(seen.entries), seen.is_whole) == (Kind.ARCHIVE, 10, False)
    assert seen.facts.members == 100
    assert "first 10 members" in seen.remarks[0]


def test_a_large_directory_is_listed_as_far_as_allowed() -> None:
    seen = looked(zipped({f"{n}": b"" for n in range(900)}), octets=30_000)
    assert 50 < len(seen.entries) < 900
    assert not seen.is_whole
    assert "more of it would have to be fetched" in seen.remarks[0]


def test_a_directory_that_has_not_arrived() -> None:
    octets = zipped()
    seen = looked(octets, there=len(octets) - 1)
    assert (seen.kind, seen.entries) == (Kind.ARCHIVE, [])
    assert "are there yet" in seen.remarks[0]


@pytest.mark.parametrize("size", [5, 10_000_000])
def test_a_member_that_lies_about_its_size(size: int) -> None:
    octets = zipped()
    member = members(octets)[4]
    lie = Member(
        type(member.entry)("zeros", size, member.entry.packed),
        member.offset,
        member.method,
        member.crc,
        member.is_encrypted,
    )
    with pytest.raises(ContentError, match="zeros is damaged"):
        unpacked(octets, lie)


def test_a_damaged_member() -> None:
    octets = bytearray(zipped(method=zipfile.ZIP_STORED))
    member = members(bytes(octets))[2]
    octets[content_at(io.BytesIO(octets), member)] ^= 1
    with pytest.raises(ContentError):
        unpacked(bytes(octets), member)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_octets_that_nobody_packed(method: int) -> None:
    octets = bytearray(zipped(method=method))
    member = members(bytes(octets))[2]
    start = content_at(io.BytesIO(octets), member)
    octets[start : start + 200] = b"\xff" * 200
    with pytest.raises(ContentError):
        unpacked(bytes(octets), member)


def test_what_cannot_be_got_alone() -> None:
    octets = zipped()
    member = members(octets)[1]
    encrypted = Member(member.entry, member.offset, 8, member.crc, True)
    with pytest.raises(UnavailableError, match="is encrypted"):
        content_at(io.BytesIO(octets), encrypted)
    strange = Member(member.entry, member.offset, 98, member.crc, False)
    with pytest.raises(UnavailableError, match="packed by method 98"):
        content_at(io.BytesIO(octets), strange)
    lost = Member(member.entry, member.offset + 1, 8, member.crc, False)
    with pytest.raises(OddError):
        content_at(io.BytesIO(octets), lost)


@settings(deadline=None)  # other work on the machine is no finding
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 399))
def test_whatever_is_in_it_nothing_breaks(junk: bytes, at: int, cut: int) -> None:
    octets = zipped({"a": b"x", "b": b"y"}, zipfile.ZIP_STORED)
    broken = (octets[:at] + junk + octets[at + len(junk) :])[cut:]
    with suppress(OddError):
        for member in members(broken):
            with suppress(OddError, UnavailableError, ContentError):
                unpacked(broken, member)
    looked(broken)


def test_a_member_that_is_longer_than_its_archive() -> None:
    octets = zipped()
    member = members(octets)[1]
    entry = type(member.entry)("x", 5, 2**60)
    lie = Member(entry, member.offset, 8, member.crc, False)
    with pytest.raises(OddError):
        content_at(io.BytesIO(octets), lie)
