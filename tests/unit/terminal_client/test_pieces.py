# SPDX-License-Identifier: GPL-3.0-only
"""Pieces of items: what a range means, and which member a name means."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from terminal_client import errors, pieces
from terminal_client.library import Item
from terminal_client.pieces import Part, Range, parse_range
from tests.unit.terminal_client.looking.files import Elsewhere


@pytest.mark.parametrize(
    ("text", "first", "count"),
    [
        ("0-0", 0, 1),
        ("10-19", 10, 10),
        ("90-", 90, 10),
        ("-5", 95, 5),
        ("-500", 0, 100),
        ("99-500", 99, 1),
    ],
)
def test_ranges_mean_what_http_means(text: str, first: int, count: int) -> None:
    assert parse_range(text).of(100) == (first, count)


@pytest.mark.parametrize("text", ["", "-", "5", "9-5", "a-b", "1-2-3", "-1-2", "1 - 2"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(errors.UsageError):
        parse_range(text)


@pytest.mark.parametrize("wanted", [Range(100, None), Range(None, 0), Range(200, 300)])
def test_a_range_that_is_not_there(wanted: Range) -> None:
    with pytest.raises(errors.ContentError, match="has no octets in that range"):
        wanted.of(100)


def zipped(*names: str) -> bytes:
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return place.getvalue()


def found(octets: bytes, name: str) -> pieces.Piece:
    item = Item("i", 1, "1", "a.zip", "x/y", len(octets), None, True, None, None)
    return pieces._member(Elsewhere(octets).file, item, Part(name))


def test_the_whole_name_is_meant_first() -> None:
    octets = zipped("x/letter", "letter", "y/letter")
    assert found(octets, "letter").count == len("letter")
    assert found(octets, "y/letter").count == len("y/letter")


def test_the_last_name_is_enough_when_only_one_has_it() -> None:
    octets = zipped("docs/", "docs/letter", "docs/note")
    assert found(octets, "letter").item.name == "letter"
    with pytest.raises(errors.UsageError, match="several members"):
        found(zipped("x/letter", "y/letter"), "letter")
    with pytest.raises(errors.NoInputError):
        found(octets, "docs")


def test_a_member_is_never_called_after_a_path() -> None:
    octets = zipped("../../etc/passwd", "c:\\windows\\evil.exe")
    assert found(octets, "../../etc/passwd").item.name == "passwd"
    assert found(octets, "evil.exe").item.name == "evil.exe"


def test_links_of_a_tar_are_not_followed() -> None:
    place = io.BytesIO()
    with tarfile.open(fileobj=place, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(errors.UnavailableError, match="no file that stands"):
        found(place.getvalue(), "link")


def test_what_is_no_archive_says_so() -> None:
    with pytest.raises(errors.UsageError, match="no zip and no tar"):
        found(b"just a text", "letter")
    with pytest.raises(errors.UnavailableError, match="packed as a whole"):
        found(b"\x1f\x8b\x08" + bytes(100), "letter")
