# SPDX-License-Identifier: GPL-3.0-only
"""Images of strangers become small pictures, or nothing."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from terminal_client import pictures
from terminal_client.looking import decoder
from terminal_client.pictures import Pixels


def png(width: int, height: int, colour: tuple[int, ...] = (200, 30, 40)) -> bytes:
    place = io.BytesIO()
    mode = "RGBA" if len(colour) == 4 else "RGB"
    Image.new(mode, (width, height), colour).save(place, "PNG")
    return place.getvalue()


def bomb(width: int, height: int) -> bytes:
    """Return a PNG whose header promises far too many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        tail = struct.pack(">L", zlib.crc32(kind + body))
        return struct.pack(">L", len(body)) + kind + body + tail

    head = chunk(b"IHDR", struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0))
    content = chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
    return b"\x89PNG\r\n\x1a\n" + head + content + chunk(b"IEND", b"")


def test_an_image_becomes_small() -> None:
    found = pictures.decoded(png(400, 200), 20, 10)
    assert found is not None
    assert (found.width, found.height) == (20, 10)
    assert found.octets[:3] == bytes((200, 30, 40))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"no image",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bomb(50_000, 50_000),
        png(10, 10)[:40],
        bytes(decoder.OCTETS + 1),
    ],
    ids=["nothing", "text", "damaged", "bomb", "cut", "large"],
)
def test_what_is_no_image_shows_nothing(octets: bytes) -> None:
    assert pictures.decoded(octets) is None


def test_other_formats_are_left_to_others() -> None:
    place = io.BytesIO()
    Image.new("RGB", (5, 5)).save(place, "TIFF")
    assert pictures.decoded(place.getvalue()) is None


def test_what_is_transparent_is_dark() -> None:
    width, height, octets = decoder.decode(io.BytesIO(png(2, 2, (255, 0, 0, 0))), 4, 4)
    assert (width, height, octets) == (2, 2, bytes(decoder.GROUND) * 4)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"2 2\n" + bytes(11),
        b"2 2\n" + bytes(13),
        b"0 2\n",
        b"-1 2\n",
        b"999999999 1\n",
        b"3 1\n" + bytes(9),
        b"x y\n",
        b"2 2",
    ],
)
def test_a_decoder_that_was_taken_over_is_not_believed(answer: bytes) -> None:
    assert pictures._read(answer, 2, 2) is None


def test_one_character_shows_two_pixels() -> None:
    text = pictures.drawn(Pixels(2, 3, bytes(range(18))))
    assert text.plain == "▀▀\n▀▀"
    first, last = text.spans[0].style, text.spans[-1].style
    assert not isinstance(first, str)
    assert not isinstance(last, str)
    assert first.color is not None
    assert first.bgcolor is not None
    assert first.color.triplet == (0, 1, 2)
    assert first.bgcolor.triplet == (6, 7, 8)
    assert last.bgcolor is None
