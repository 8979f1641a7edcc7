# SPDX-License-Identifier: GPL-3.0-only
"""The hash of what goes on in the middle is the hash of the whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal_client import hashing
from terminal_client.errors import LocalInputOutputError
from terminal_client.hashing import GrowingHash

CONTENT = os.urandom(5000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def read(offset: int, count: int) -> bytes:
    return CONTENT[offset : offset + count]


@given(
    start=st.integers(0, len(CONTENT)),
    pieces=st.lists(st.integers(1, 700), max_size=30),
    again=st.integers(0, len(CONTENT)),
)
def test_any_start_and_any_pieces(start: int, pieces: list[int], again: int) -> None:
    async def story() -> str:
        growing = GrowingHash(read)
        for begin in (start, min(start, again)):
            at = begin
            async with growing.catching_up(begin):
                for size in pieces:
                    await asyncio.to_thread(growing.add, at, read(at, size))
                    at = min(at + size, len(CONTENT))
        return await growing.finish(len(CONTENT))

    with mock.patch.multiple(hashing, PIECE=64, STEP=512):
        assert asyncio.run(story()) == DIGEST


async def test_octets_in_order_are_never_read() -> None:
    growing = GrowingHash()
    for at in range(0, len(CONTENT), 1000):
        growing.add(at, read(at, 1000))
    assert await growing.finish(len(CONTENT)) == DIGEST


async def test_a_file_that_became_shorter() -> None:
    with pytest.raises(LocalInputOutputError, match="shorter"):
        await GrowingHash(read).finish(len(CONTENT) + 1)


async def test_whoever_cancels_waits_for_the_thread() -> None:
    went, ended = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def slow() -> None:
        loop.call_soon_threadsafe(went.set)
        ended.append(sum(range(10**6)))

    task = asyncio.ensure_future(hashing.in_thread(slow))
    await went.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended
