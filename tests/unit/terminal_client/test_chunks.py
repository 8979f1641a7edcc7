# SPDX-License-Identifier: GPL-3.0-only
"""Chunks: as large as the way takes in about half a second, told when they landed."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from unittest import mock

import pytest

from maild.mail.reply import Reply
from terminal_client import chunks
from terminal_client.chunks import CHUNK_FIRST, CHUNK_LEAST, CHUNK_MOST, Chunks
from terminal_client.session_smtp import SubmissionConnection

MIB = 2**20
OK = Reply(250, "2.0.0", "ok")


class Way:
    """A connection that takes ``rate`` octets a second, and answers late or early.

    ``delay``: seconds between a chunk's end and its reply; ``buffer``: octets that are
    taken before the first of them has left.
    """

    def __init__(self, rate: float, delay: float = 0.0, buffer: int = 0) -> None:
        self.now = 100.0
        self._rate, self._delay, self._buffer = rate, delay, buffer
        self._left = self.now  # when what was taken will have left
        self._answers: deque[float] = deque()
        self._open = 0
        self.sizes: list[int] = []

    def clock(self) -> float:
        return self.now

    def write(self, octets: bytes) -> None:
        self._open = int(octets.split()[1])
        self.sizes.append(self._open)

    async def send_octets(self, octets: memoryview) -> None:
        self._left = max(self._left, self.now) + len(octets) / self._rate
        self.now = max(self.now, self._left - self._buffer / self._rate)
        self._open -= len(octets)
        if not self._open:
            self._answers.append(self._left + self._delay)

    def replies_waiting(self) -> bool:
        return bool(self._answers) and self._answers[0] <= self.now

    async def reply(self, timeout: float) -> Reply:
        self.now = max(self.now, self._answers.popleft())
        return OK


async def sent(way: Way, size: int) -> list[tuple[float, int]]:
    """Send ``size`` octets; return when how many were known to have landed."""
    seen: list[tuple[float, int]] = []

    def landed(octets: int) -> None:
        seen.append((way.now, octets))

    connection = mock.Mock(spec=SubmissionConnection, wraps=way)
    with mock.patch.object(chunks, "monotonic", way.clock):
        message = Chunks(connection, lambda reply: reply, size)
        left = size
        while left:
            piece = min(left, MIB)
            await message.send(bytes(piece), landed)
            left -= piece
        assert await message.last_reply(landed) == OK
    assert [octets for _, octets in seen] == sorted({octets for _, octets in seen})
    assert seen[-1][1] == size == sum(way.sizes)
    return seen


@pytest.mark.parametrize("rate", [100_000, MIB, 20 * MIB])
@pytest.mark.parametrize("buffer", [0, 256 * 1024])
async def test_a_slow_way_is_heard_of_every_second(rate: int, buffer: int) -> None:
    way = Way(rate, buffer=buffer)
    seen = await sent(way, 20 * rate)
    times = [when for when, _ in seen if when > 105.0]
    pauses = [b - a for a, b in pairwise(times)]
    assert max(pauses) < 2.0
    assert sum(pauses) / len(pauses) < 1.0


async def test_a_fast_way_gets_large_chunks() -> None:
    way = Way(1000 * MIB)
    await sent(way, 600 * MIB)
    assert way.sizes[0] == CHUNK_FIRST
    assert CHUNK_MOST in way.sizes
    assert min(way.sizes[:-1]) >= CHUNK_LEAST


async def test_a_far_server_gets_large_chunks_too() -> None:
    """What counts is what passes, not how long the first octet takes."""
    way = Way(100 * MIB, delay=0.6, buffer=MIB)
    await sent(way, 400 * MIB)
    assert max(way.sizes) >= 8 * MIB
