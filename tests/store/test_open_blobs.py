# SPDX-License-Identifier: Apache-2.0
"""Blobs being read: what is at hand needs no thread; nothing else is waited for."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import aclosing

import pytest

from maild.store.open_blobs import OpenBlobs
from maild.store.reading import pieces_of, range_of
from maild.store.rope import Raw, Rope
from tests.store.room import Room

OCTETS = random.Random(2).randbytes(1_300_007)


async def test_only_what_is_open_and_durable_is_at_hand(room: Room) -> None:
    blob, small = room.blob(OCTETS), room.blob(OCTETS[:99])
    writer = room.store.blobs.create(200_000)
    writer.append(OCTETS[:100_000])
    writer.flush()
    with OpenBlobs(room.store.blobs) as opened:
        assert opened.at_hand(blob, 0, 10) is None
        await opened.ready([blob, small, writer.id], None)
        assert opened.at_hand(blob, 7, 1000) == OCTETS[7:1007]
        assert opened.at_hand(small, 7, 10) == OCTETS[7:17]
        assert opened.at_hand(writer.id, 0, 100_000) == OCTETS[:100_000]
        assert opened.at_hand(writer.id, 99_999, 2) is None
        assert opened.at_hand(blob, len(OCTETS) - 1, 2) is None


@pytest.mark.parametrize("got", [0, 5, OSError()])
async def test_what_is_not_in_the_page_cache_comes_from_threads(
    room: Room, monkeypatch: pytest.MonkeyPatch, got: int | OSError
) -> None:
    def preadv(descriptor: int, buffers: list[bytearray], at: int, flags: int) -> int:
        assert flags == os.RWF_NOWAIT
        if isinstance(got, OSError):
            raise got
        return got

    monkeypatch.setattr(os, "preadv", preadv)
    rope = Rope([Raw(room.blob(OCTETS), 3, len(OCTETS) - 3)])
    pieces = [piece async for piece in pieces_of(room.store, rope)]
    assert b"".join(pieces) == OCTETS[3:]


async def test_others_have_their_turn_between_pieces(room: Room) -> None:
    rope = Rope([Raw(room.blob(OCTETS), 0, len(OCTETS))])
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    with OpenBlobs(room.store.blobs) as opened:
        await opened.ready([rope.pieces[0].blob], None)  # type: ignore[union-attr] # a Raw
        beside = asyncio.create_task(other())
        async with aclosing(range_of(opened, rope, 0, rope.size)) as pieces:
            count = len([piece async for piece in pieces])
        beside.cancel()
    assert turns >= count
