# SPDX-License-Identifier: Apache-2.0
"""Reading on the event loop: threads read ahead, nothing is left open."""

from __future__ import annotations

import base64
import os
import random
from contextlib import aclosing
from pathlib import Path

import pytest

from maild.store.errors import InUseError, NotFoundError
from maild.store.reading import PIECE, pieces_of
from maild.store.rope import Base64, Constant, Raw, Rope
from tests.store.room import Room

OCTETS = random.Random(1).randbytes(1_000_003)


def open_blobs(room: Room) -> int:
    links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted
    blobs = str(room.path / "blobs")
    return sum(
        str(Path(link).readlink()).startswith(blobs)
        for link in links
        if Path(link).is_symlink()
    )


async def test_a_rendering_is_streamed(room: Room) -> None:
    blob = room.blob(OCTETS)
    rope = Rope([Constant(b"A: b\r\n\r\n"), Base64(blob, len(OCTETS)), Raw(blob, 5, 9)])
    lines = base64.encodebytes(OCTETS).replace(b"\n", b"\r\n")
    whole = b"A: b\r\n\r\n" + lines + OCTETS[5:14]
    pieces = [piece async for piece in pieces_of(room.store, rope)]
    assert b"".join(pieces) == whole
    assert max(map(len, pieces)) <= PIECE
    part = [piece async for piece in pieces_of(room.store, rope, 77, 500_000)]
    assert b"".join(part) == whole[77:500_077]
    assert open_blobs(room) == 0


@pytest.mark.parametrize("size", [0, 10, len(OCTETS)])
async def test_decoded_content_is_a_range_of_its_blob(room: Room, size: int) -> None:
    blob = room.blob(OCTETS[:size])
    start, length = size // 3, size // 2
    rope = Rope([Raw(blob, start, length)])
    pieces = [piece async for piece in pieces_of(room.store, rope)]
    assert b"".join(pieces) == OCTETS[:size][start : start + length]


async def test_a_reader_that_stops_early_closes_its_files(room: Room) -> None:
    blob = room.blob(OCTETS)
    rope = Rope([Raw(blob, 0, len(OCTETS))])
    async with aclosing(pieces_of(room.store, rope)) as pieces:
        async for _ in pieces:
            assert open_blobs(room) == 1
            break
    assert open_blobs(room) == 0


async def test_an_error_reaches_the_consumer(room: Room) -> None:
    with pytest.raises(NotFoundError):
        async for _ in pieces_of(room.store, Rope([Raw(999, 0, 5)])):
            pass
    writer = room.store.blobs.create(100)
    writer.append(b"x" * 50)
    writer.flush()
    growing = Rope([Raw(writer.id, 0, 100)])
    with pytest.raises(InUseError):
        async for _ in pieces_of(room.store, growing):
            pass
    found = [piece async for piece in pieces_of(room.store, growing, 0, 50)]
    assert b"".join(found) == b"x" * 50
