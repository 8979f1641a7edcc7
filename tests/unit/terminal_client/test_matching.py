# SPDX-License-Identifier: GPL-3.0-only
"""The matching unit: Tables 1 and 2 of the seed, and what they are blind to."""

from __future__ import annotations

from dataclasses import replace

from terminal_client.matching import (
    Finding,
    Held,
    Remembered,
    Shape,
    match,
    untouched,
)

SHAPE = Shape(size=5, mtime_ns=10, ctime_ns=10)
DIGEST = "0" * 64
TERMINAL = "t1"
FIRST = Remembered("001", "Aaa123", "/home/a/one.jpg", False, SHAPE, DIGEST)
SECOND = Remembered("002", "Bbb456", "/home/a/two.jpg", True, SHAPE, DIGEST)
TABLE_2 = [
    Held(uid=1, number="001", code="Aaa123", terminal=TERMINAL, item="i1"),
    Held(uid=2, number="002", code="Ccc789", terminal=TERMINAL, item="i2"),
]


def test_the_patents_001_matches_so_the_flag_is_yes() -> None:
    outcome = match(FIRST, TERMINAL, TABLE_2)
    assert outcome.finding is Finding.MATCH
    assert outcome.held == TABLE_2[0]
    assert outcome.sharing


def test_the_patents_002_does_not_match_so_the_flag_is_no() -> None:
    outcome = match(SECOND, TERMINAL, TABLE_2)
    assert outcome.finding is Finding.CODE
    assert outcome.held is None
    assert not outcome.sharing


def test_what_the_server_does_not_hold_is_not_uploaded() -> None:
    assert match(FIRST, TERMINAL, []).finding is Finding.ABSENT


def test_the_newest_upload_under_a_number_wins() -> None:
    newer = replace(TABLE_2[0], uid=9, code="Zzz999")
    assert match(FIRST, TERMINAL, [newer, *TABLE_2]).finding is Finding.CODE
    mine = replace(FIRST, code="Zzz999")
    assert match(mine, TERMINAL, [newer, *TABLE_2]).held == newer


def test_numbers_are_counted_per_terminal() -> None:
    assert match(FIRST, "t2", TABLE_2).finding is Finding.ABSENT


def test_a_number_is_compared_whole() -> None:
    """SEARCH HEADER finds parts of words (RFC 9051 §6.4.4): 001 in 0011."""
    other = replace(TABLE_2[0], number="0011")
    assert match(FIRST, TERMINAL, [other]).finding is Finding.ABSENT


def test_an_upload_that_was_never_acknowledged_does_not_count() -> None:
    begun = replace(FIRST, sha256=None)
    assert match(begun, TERMINAL, TABLE_2).finding is Finding.EDITED


def test_what_still_arrives_does_not_count() -> None:
    half = replace(TABLE_2[0], arriving=True)
    assert match(FIRST, TERMINAL, [half]).finding is Finding.ARRIVING
    assert not match(FIRST, TERMINAL, [half]).sharing


def test_a_digest_that_the_server_shows_must_agree() -> None:
    shown = replace(TABLE_2[0], sha256="1" * 64)
    assert match(FIRST, TERMINAL, [shown]).finding is Finding.EDITED


def test_same_size_and_times_need_no_reading() -> None:
    assert untouched(FIRST, SHAPE) is True


def test_another_size_is_another_file() -> None:
    assert untouched(FIRST, replace(SHAPE, size=6)) is False


def test_another_time_asks_for_the_digest() -> None:
    assert untouched(FIRST, replace(SHAPE, mtime_ns=11)) is None


def test_a_time_put_back_is_seen_by_the_change_time() -> None:
    assert untouched(FIRST, replace(SHAPE, ctime_ns=11)) is None
