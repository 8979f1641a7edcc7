# SPDX-License-Identifier: GPL-3.0-only
"""Thumbnails: of what they are drawn, that they say nothing else, and of what not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from maild.mail.address import parse_address
from maild.mail.thumbnail import FIELD, MOST_OCTETS, in_field
from maild.wire.mime_entity import Header
from terminal_client import reading, thumbnail, upload_attempt
from terminal_client.matching import Remembered
from tests.unit.test_picture import png

ALICE = parse_address("alice@a.example")
ORIENTATION = 0x0112
CAMERA = 0x0110


def made(path: Path, media_type: str = "image/any") -> bytes | None:
    with path.open("rb") as file:
        return thumbnail.make(file, media_type)


def opened(octets: bytes | None) -> Image.Image:
    assert octets is not None
    assert len(octets) <= MOST_OCTETS
    picture = Image.open(io.BytesIO(octets), formats=("JPEG",))
    picture.load()
    return picture


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (kind, mode)
        for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")
        for mode in ("RGB", "L", "P")
        if (kind, mode) != ("JPEG", "P")  # there is no such JPEG
    ],
)
def test_a_picture_becomes_small(tmp_path: Path, kind: str, mode: str) -> None:
    path = tmp_path / "picture"
    Image.effect_noise((900, 600), 80).convert(mode).save(path, kind)
    assert opened(made(path)).size == (256, 171)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(path)
    assert opened(made(path)).getpixel((32, 32)) == (255, 255, 255)


def test_an_animation_shows_how_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    frames = [Image.new("RGB", (300, 200), color) for color in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    red, _, blue = opened(made(path)).getpixel((128, 80))  # type: ignore[misc]  # RGB
    assert red > 200 > 50 > blue


def test_it_is_upright_and_tells_nothing_of_the_camera(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[ORIENTATION], exif[CAMERA] = 6, "Secret 3000"
    Image.new("RGB", (400, 200), "green").save(path, exif=exif)
    octets = made(path)
    assert opened(octets).size == (128, 256)
    assert octets is not None
    assert b"Secret" not in octets
    assert not opened(octets).getexif()


@pytest.mark.parametrize(
    ("octets", "media_type"),
    [
        (b"", "image/jpeg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (png(50_000, 50_000, b"x" * 1000), "image/png"),
        (png(20_000, 10_000, b"x" * 1000), "image/png"),
        (png(10, 10, b"no zlib"), "image/png"),
        (png(10, 10, b"x"), "video/mp4"),
    ],
)
def test_what_has_none(tmp_path: Path, octets: bytes, media_type: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(octets)
    assert made(path, media_type) is None


def test_a_picture_that_takes_too_long_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", (64, 64)).save(path)
    monkeypatch.setattr(thumbnail, "PATIENCE", 0.001)
    assert made(path) is None


@pytest.mark.parametrize("picture", [True, False])
async def test_an_upload_brings_it(tmp_path: Path, picture: bool) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (640, 480), "red").save(path)
    with reading.open_file(path) as file:
        entry = Remembered("001", "Aaa123", str(path), False, file.shape, None)
        begun = upload_attempt.begin(ALICE, file, entry, "t1", picture=picture)
        read = b"".join([piece async for piece in file.pieces()])
    assert read == path.read_bytes()  # the process that drew has moved nothing
    header = Header(begun.head)
    brought = in_field(header.get(FIELD))
    assert (brought is not None) == picture
    if picture:
        assert opened(brought).size == (256, 192)
    assert header.get("Content-Disposition") is not None
