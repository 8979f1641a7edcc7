# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from typing import Any

import pytest

from maild.turn.splice import HIGH_WATER, Half, Splice, Why


class Wire(asyncio.Transport):
    """A connection that remembers what was done to it."""

    def __init__(self, *, halves: bool = True) -> None:
        super().__init__()
        self.written = bytearray()
        self.done: list[str] = []
        self.protocol: Any = None
        self.high: int | None = None
        self._halves = halves

    def write(self, data: Any) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.done.append("eof")

    def can_write_eof(self) -> bool:
        return self._halves

    def is_closing(self) -> bool:
        return bool({"close", "abort"} & set(self.done))

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        self.high = high


class Pair:
    """Two connections, joined."""

    def __init__(
        self, *, budget: int = 1000, idle: float = 60.0, halves: bool = True
    ) -> None:
        self.left, self.right = Wire(halves=halves), Wire(halves=halves)
        self.first, self.second = Half(self.left, "left"), Half(self.right, "right")
        self.noted: list[int] = []
        for half in (self.first, self.second):
            half.take_over()
        self.splice = Splice(
            self.first, self.second, budget=budget, idle=idle, note=self.noted.append
        )


async def test_octets_cross_both_ways() -> None:
    pair = Pair()
    pair.first.data_received(b"there")
    pair.second.data_received(b"and back")
    assert pair.right.written == b"there"
    assert pair.left.written == b"and back"
    pair.splice.end(Why.OVER)
    assert pair.splice.octets == sum(pair.noted) == 13


async def test_who_is_slow_holds_the_other_back() -> None:
    """No more waits here than one buffer: nothing is read for who does not read."""
    pair = Pair()
    assert pair.left.high == pair.right.high == HIGH_WATER
    pair.second.pause_writing()
    assert pair.left.done == ["pause"]
    pair.second.resume_writing()
    assert pair.left.done == ["pause", "resume"]
    assert pair.right.done == []
    pair.splice.end(Why.OVER)


async def test_nothing_passes_beyond_the_budget() -> None:
    pair = Pair(budget=10)
    pair.first.data_received(b"0123456789")
    pair.second.data_received(b"x")
    assert pair.splice.done.result() is Why.BUDGET
    assert pair.left.written == b""
    assert pair.left.done == pair.right.done == ["abort"]
    pair.first.data_received(b"more")
    assert pair.right.written == b"0123456789"


async def test_the_end_of_one_is_passed_on() -> None:
    pair = Pair()
    assert pair.first.eof_received()
    assert pair.right.done == ["eof"]
    assert not pair.splice.done.done()
    pair.second.data_received(b"last words")
    assert not pair.second.eof_received()
    assert pair.left.written == b"last words"
    assert pair.splice.done.result() is Why.OVER


async def test_who_cannot_half_close_is_closed() -> None:
    pair = Pair(halves=False)
    assert not pair.first.eof_received()
    assert pair.splice.done.result() is Why.OVER
    assert pair.left.done == pair.right.done == ["close"]


async def test_a_lost_connection_ends_both() -> None:
    pair = Pair()
    pair.first.connection_lost(ConnectionResetError())
    assert pair.right.done == ["close"]
    assert pair.splice.done.result() is Why.OVER
    pair.second.connection_lost(None)  # a second end changes nothing


async def test_silence_ends_it() -> None:
    pair = Pair(idle=0.05)
    async with asyncio.timeout(30):
        assert await pair.splice.done is Why.IDLE
    assert pair.left.done == pair.right.done == ["abort"]


@pytest.mark.parametrize("event", ["data", "eof", "lost"])
async def test_who_waits_leaves_by_any_sign_of_life(event: str) -> None:
    wire = Wire()
    half = Half(wire, "early")
    half.take_over()
    if event == "data":
        half.data_received(b"220 too early\r\n")
        assert wire.done == ["abort"]
    elif event == "eof":
        assert not half.eof_received()
    else:
        half.connection_lost(None)
    assert half.gone.done()
