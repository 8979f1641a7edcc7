# SPDX-License-Identifier: GPL-3.0-only
"""A file elsewhere: any octets, few slices, never more than allowed."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminal_client.errors import UnavailableError
from terminal_client.looking import range_file
from terminal_client.looking.range_file import (
    Allowance,
    AllowanceError,
    NotThereYetError,
    RangeFile,
)
from tests.unit.terminal_client.looking.files import Elsewhere

CONTENT = os.urandom(50_000)


def read_on(there: Elsewhere) -> None:
    while there.file.read(512):
        pass


@settings(deadline=None)  # other work on the machine is no finding
@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 20_000))))
def test_it_reads_as_a_local_file_does(reads: list[tuple[int, int]]) -> None:
    there, here = Elsewhere(CONTENT, octets=2**30, slices=2**30), io.BytesIO(CONTENT)
    for offset, count in reads:
        there.file.seek(offset)
        here.seek(offset)
        assert there.file.read(count) == here.read(count)
        assert there.file.tell() == here.tell()


def test_what_was_read_lately_is_not_fetched_again() -> None:
    there = Elsewhere(CONTENT)
    assert there.file.octets(100, 10) == there.file.octets(100, 10)
    assert there.fetched == [(0, range_file.BLOCK)]


def test_who_goes_straight_on_gets_longer_slices() -> None:
    there = Elsewhere(CONTENT)
    read_on(there)
    assert [count // range_file.BLOCK for _, count in there.fetched[:4]] == [1, 2, 4, 8]


def test_who_jumps_gets_short_slices() -> None:
    there = Elsewhere(bytes(2**20))
    for offset in range(0, 2**20, 2**16):
        there.file.octets(offset, 512)
    assert {count for _, count in there.fetched} == {range_file.BLOCK}


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_file, "KEPT", 3)
    there = Elsewhere(CONTENT)
    there.file.octets(0, len(CONTENT))
    assert len(there.file._blocks) == 3


def test_no_more_is_fetched_than_allowed() -> None:
    there = Elsewhere(CONTENT, octets=10_000)
    with pytest.raises(AllowanceError):
        read_on(there)
    assert there.octets <= 10_000


def test_a_length_that_cannot_be_allowed_costs_nothing() -> None:
    there = Elsewhere(bytes(4 << 20), octets=10_000)
    with pytest.raises(AllowanceError):
        there.file.octets(0, 4 << 20)
    assert there.fetched == []


def test_no_more_slices_are_fetched_than_allowed() -> None:
    there = Elsewhere(CONTENT, slices=3)
    for offset in (0, 8_000, 16_000):
        there.file.octets(offset, 1)
    with pytest.raises(AllowanceError):
        there.file.octets(24_000, 1)
    assert len(there.fetched) == 3


def test_reading_in_a_circle_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_file, "MOST_READS", 100)
    there = Elsewhere(CONTENT)
    for _ in range(100):
        there.file.octets(0, 1)
    with pytest.raises(AllowanceError):
        there.file.octets(0, 1)


def test_what_has_not_arrived_is_not_asked_for() -> None:
    there = Elsewhere(CONTENT, there=10_000)
    assert there.file.octets(9_000, 1_000) == CONTENT[9_000:10_000]
    fetched = there.octets
    with pytest.raises(NotThereYetError, match=r"first 10.0 kB of 50.0 kB"):
        there.file.octets(9_000, 1_001)
    assert there.octets == fetched
    assert there.file.octets(60_000, 1) == b""


def test_a_server_that_gives_less_is_not_believed() -> None:
    file = RangeFile(lambda offset, count: b"x", 100, Allowance(1000, 10))
    with pytest.raises(UnavailableError):
        file.octets(0, 10)


def test_nothing_is_before_the_beginning() -> None:
    with pytest.raises(ValueError, match="before the beginning"):
        Elsewhere(CONTENT).file.seek(-1)
