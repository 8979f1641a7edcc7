# SPDX-License-Identifier: GPL-3.0-only
"""Tars from header to header, plain and packed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from terminal_client.looking import packed, tar
from terminal_client.looking.look import Limits, look
from terminal_client.looking.octets import OddError
from terminal_client.looking.seen import Kind
from tests.unit.terminal_client.looking.files import Elsewhere, looked

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}


def tarred(
    sizes: dict[str, int], form: int = tarfile.PAX_FORMAT, *, noisy: bool = False
) -> bytes:
    place = io.BytesIO()
    with tarfile.open(fileobj=place, mode="w", format=form) as archive:
        for name, size in sizes.items():
            member = tarfile.TarInfo(name)
            content = os.urandom(size) if noisy else b"x" * size
            member.size, member.mtime = size, 1_770_000_000
            if name.endswith("/"):
                member.type = tarfile.DIRTYPE
            archive.addfile(member, io.BytesIO(content))
    return place.getvalue()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_every_member_is_listed(form: int) -> None:
    sizes = {"docs/": 0, "docs/letter": 5, "x" * 300: 700, "größe": 513, "empty": 0}
    octets = tarred(sizes, form)
    found = list(tar.members(io.BytesIO(octets)))
    assert {m.entry.name: m.entry.size for m in found} == sizes
    assert [m.entry.is_directory for m in found] == [True] + [False] * 4
    for member in found:
        content = octets[member.offset : member.offset + member.entry.size]
        assert content == b"x" * member.entry.size


def test_content_is_not_fetched() -> None:
    there = Elsewhere(tarred({f"{n}": 2**20 for n in range(10)}))
    assert len(list(tar.members(there.file))) == 10
    assert there.octets < 60_000


def test_what_has_not_arrived_is_not_listed() -> None:
    octets = tarred({f"{n}": 10_000 for n in range(10)})
    seen = looked(octets, there=len(octets) // 2)
    assert 3 < len(seen.entries) < 7
    assert not seen.is_whole
    assert "are there yet" in seen.remarks[0]


def test_links_and_sparse_files_are_no_plain_files() -> None:
    place = io.BytesIO()
    with tarfile.open(fileobj=place, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    found = list(tar.members(io.BytesIO(place.getvalue())))
    assert [m.is_plain for m in found] == [False]


@pytest.mark.parametrize("packer", PACKERS)
def test_a_small_packed_tar_is_listed_to_its_end(packer: str) -> None:
    seen = looked(PACKERS[packer](tarred({"a": 5, "b": 7})))
    assert (seen.kind, seen.format) == (Kind.ARCHIVE, f"tar, {packer}")
    assert [(e.name, e.size) for e in seen.entries] == [("a", 5), ("b", 7)]
    assert (seen.is_whole, seen.remarks) == (True, [])


@pytest.mark.parametrize("packer", ["gzip", "xz", "zstd"])
def test_of_a_large_packed_tar_the_beginning_is_listed(packer: str) -> None:
    octets = tarred({f"{n}": 50_000 for n in range(40)}, noisy=True)
    there = Elsewhere(PACKERS[packer](octets))
    seen = look(there.file, Limits())
    assert 3 < len(seen.entries) < 40
    assert not seen.is_whole
    assert seen.remarks == ["only the beginning of what is packed was looked at"]
    assert there.octets < 300_000


def test_of_what_is_packed_in_large_pieces_nothing_can_be_seen() -> None:
    octets = tarred({f"{n}": 50_000 for n in range(40)}, noisy=True)
    seen = looked(bz2.compress(octets))
    assert seen.entries == []
    assert not seen.is_whole
    assert "too large to be unpacked" in seen.remarks[0]


def test_a_damaged_header_is_no_end() -> None:
    octets = bytearray(tarred({"a": 5, "b": 5, "c": 5}))
    octets[1024:1536] = b"y" * 512
    seen = looked(bytes(octets))
    assert [e.name for e in seen.entries] == ["a"]
    assert seen.remarks == ["it is damaged: a header of it is damaged"]


def test_what_unpacks_to_far_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "UNPACKED", 100_000)
    bomb = gzip.compress(tarred({"zeros": 50_000_000}))
    seen = looked(bomb)
    assert [e.name for e in seen.entries] == ["zeros"]
    assert not seen.is_whole


def test_a_header_that_wants_too_much_memory() -> None:
    octets = bytearray(tarred({"x" * 300: 5}))
    octets[124:136] = b"77777777777\0"  # the extended header's size: 8 GiB
    checksum = 256 + sum(octets[:148]) + sum(octets[156:512])
    octets[148:156] = b"%06o\0 " % checksum
    with pytest.raises(OddError, match="too long"):
        list(tar.members(io.BytesIO(octets)))


@settings(deadline=None)  # other work on the machine is no finding
@given(st.binary(max_size=100), st.integers(0, 3000))
def test_whatever_is_in_it_nothing_breaks(junk: bytes, at: int) -> None:
    octets = tarred({"x" * 200: 5, "b": 700})
    broken = octets[:at] + junk + octets[at + len(junk) :]
    seen = looked(broken)
    assert len(seen.entries) < 10


@settings(deadline=None)  # other work on the machine is no finding
@given(st.binary(max_size=60), st.integers(0, 60), st.sampled_from(sorted(PACKERS)))
def test_whatever_was_packed_nothing_breaks(junk: bytes, at: int, packer: str) -> None:
    octets = PACKERS[packer](tarred({"a": 5}))
    looked(octets[:at] + junk + octets[at + len(junk) :])


def test_only_so_many_members_are_listed() -> None:
    seen = looked(tarred({f"{n}": 0 for n in range(20)}), Limits(entries=5))
    assert (len(seen.entries), seen.is_whole) == (5, False)
