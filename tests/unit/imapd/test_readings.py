# SPDX-License-Identifier: Apache-2.0
"""A download is a run of slices; a look is none, and nothing is recorded too often."""

from __future__ import annotations

from typing import Any, cast

from maild.imapd import readings
from maild.imapd.readings import Readings
from maild.store.index import Index

MIB = 2**20
SIZE = 10 * MIB


class Sizes:
    """An index in which every item has the same size; ``asked`` counts."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, job: Any, *arguments: Any) -> int:
        self.asked += 1
        return SIZE


class Reader:
    """The slices of one connection at moments of a clock that is set."""

    def __init__(self) -> None:
        self.sizes = Sizes()
        self.readings = Readings()

    async def gets(
        self, start: int, count: int, now: float, uid: int = 1
    ) -> int | None:
        index = cast(Index, self.sizes)
        return await self.readings.given(index, 7, uid, start, count, now)


async def test_slices_in_a_row_are_recorded_once_a_second_and_at_the_end() -> None:
    reader = Reader()
    told = [
        await reader.gets(at * MIB, MIB, now=100 + at * 0.4)
        for at in range(SIZE // MIB)
    ]
    assert told == [
        MIB, None, None, 4 * MIB, None, None, 7 * MIB, None, None, 10 * MIB,
    ]  # fmt: skip
    assert reader.sizes.asked == 1


async def test_looking_here_and_there_is_no_download() -> None:
    reader = Reader()
    places = [0, SIZE - 1000, 5 * MIB, SIZE - 70_000]
    assert [await reader.gets(at, 2048, 100.0) for at in places] == [None] * 4
    # Nor is the end of an item, by which an archive tells what is in it.
    assert await reader.gets(SIZE - readings.SMALL, readings.SMALL, 200.0) is None


async def test_who_goes_on_is_where_he_goes_on() -> None:
    reader = Reader()
    assert await reader.gets(6 * MIB, MIB, 100.0) == 7 * MIB


async def test_who_reads_again_begins_again() -> None:
    reader = Reader()
    assert await reader.gets(0, SIZE, 100.0) == SIZE
    assert await reader.gets(0, MIB, 102.0) == MIB


async def test_what_was_asked_for_beyond_the_end_was_not_given() -> None:
    reader = Reader()
    assert await reader.gets(0, 2**63, 100.0) == SIZE
    assert await reader.gets(2**62, 2**62, 200.0) is None


async def test_few_places_are_remembered() -> None:
    reader = Reader()
    for uid in range(100):
        await reader.gets(0, MIB, 100.0, uid)
    assert len(reader.readings._places) == readings.MOST
