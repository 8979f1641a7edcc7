# SPDX-License-Identifier: Apache-2.0
"""Foreign pictures are decoded elsewhere, and none of them does harm there."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from maild import picture


def drawn(kind: str, side: int = 200, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), "green").save(out, kind, **options)
    return out.getvalue()


def png(width: int, height: int, content: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG that says what it likes."""
    shape = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", shape), *extra, (b"IDAT", content), (b"IEND", b"")]
    written = (
        struct.pack(">I", len(body)) + name + body
        + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


@pytest.mark.parametrize(
    "octets",
    [
        drawn("PNG"),
        drawn("JPEG"),
        drawn("JPEG", progressive=True),
        drawn("JPEG", exif=Image.Exif(), comment=b"hello"),
    ],
)
async def test_a_picture_can_be_shown(octets: bytes) -> None:
    assert await picture.can_be_shown(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"GIF89a",
        drawn("GIF"),
        drawn("PNG")[:-60],
        drawn("JPEG")[:-60],
        png(50_000, 50_000, zlib.compress(bytes(10**6))),
        png(1024, 1025, zlib.compress(bytes(10**6))),
        png(200, 200, b"no zlib"),
        png(200, 200, b"", (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**9 // 4)))),
    ],
    ids=["empty", "gif", "gif2", "cut", "cut2", "bomb", "large", "torn", "text"],
)
async def test_what_cannot_be_shown(octets: bytes) -> None:
    assert not await picture.can_be_shown(octets)


async def test_a_process_that_takes_too_long_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture, "PATIENCE", 0.0)
    with pytest.raises(TimeoutError):
        await picture.can_be_shown(drawn("PNG"))
