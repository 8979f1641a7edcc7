# SPDX-License-Identifier: Apache-2.0
"""What may be a thumbnail, and that a header field brings it unchanged."""

from __future__ import annotations

import io
import os

import pytest
from PIL import Image

from maild.mail import thumbnail
from maild.mail.thumbnail import MOST_OCTETS, MOST_SIDE
from maild.wire.mime_entity import Header


def picture(width: int, height: int, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_its_sides_are_told_without_decoding(kind: str) -> None:
    octets = picture(300, 20, kind)
    assert thumbnail.media_type(octets) == f"image/{kind.lower()}"
    assert thumbnail.sides(octets) == (300, 20)
    assert thumbnail.is_one(octets)


def test_a_progressive_photograph_has_sides() -> None:
    octets = picture(200, 100, "JPEG", progressive=True, comment=b"x" * 3000)
    assert thumbnail.sides(octets) == (200, 100)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"GIF89a",
        b"<svg>",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x00" + b"\xff" * 40,
        b"\x89PNG\r\n\x1a\n",
        picture(MOST_SIDE + 1, 1, "PNG"),
        picture(1, MOST_SIDE + 1, "JPEG"),
        picture(10, 10, "PNG") + bytes(MOST_OCTETS),
    ],
)
def test_what_is_none(octets: bytes) -> None:
    assert not thumbnail.is_one(octets)


def test_no_octets_of_a_photograph_keep_it_from_an_end() -> None:
    whole = picture(30, 30, "JPEG")
    for end in range(len(whole)):
        assert thumbnail.sides(whole[:end]) in (None, (30, 30))


@pytest.mark.parametrize("size", [1, 56, 57, 58, 5000, MOST_OCTETS - 3])
def test_a_field_brings_it(size: int) -> None:
    octets = b"\xff\xd8\xff" + os.urandom(size)
    written = thumbnail.field(octets)
    assert max(map(len, written.split(b"\r\n"))) <= 78
    header = Header(b"From: a\r\n" + written + b"To: b\r\n\r\n")
    assert thumbnail.in_field(header.get(thumbnail.FIELD)) == octets
    assert header.get("To") == "b"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "data:image/svg+xml;base64,AAAA",
        "data:image/png;base64,AAAA",
        "data:image/jpeg;base64,/9j/AAA",
        "data:image/jpeg;base64,/9j/====",
        "data:image/jpeg;base64," + "/9j/" * 4000,
        "https://example.org/a.jpg",
    ],
)
def test_a_field_that_brings_none(text: str | None) -> None:
    assert thumbnail.in_field(text) is None
