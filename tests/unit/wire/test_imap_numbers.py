# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maild.wire.imap_numbers import compact, parse_sequence_set


def positions(text: str, numbers: list[int]) -> list[int]:
    found = parse_sequence_set(text)
    assert found is not None
    return found.positions(numbers)


def test_positions() -> None:
    numbers = [2, 5, 7, 9]
    assert positions("5:7", numbers) == [1, 2]
    assert positions("7:5", numbers) == [1, 2]
    assert positions("*", numbers) == [3]
    assert positions("8:*", numbers) == [3]
    assert positions("100:*", numbers) == [3]
    assert positions("2,2,1:3", numbers) == [0]
    assert positions("1:*", []) == []
    assert positions("3", numbers) == []


def test_the_saved_result() -> None:
    found = parse_sequence_set("$")
    assert found is not None
    assert found.saved


@given(st.sets(st.integers(1, 300)))
def test_compact_is_undone_by_parsing(numbers: set[int]) -> None:
    text = compact(sorted(numbers))
    if not numbers:
        assert text == ""
        return
    everything = list(range(1, 301))
    assert [everything[p] for p in positions(text, everything)] == sorted(numbers)


def test_compact_keeps_the_order() -> None:
    assert compact([3, 4, 1, 2, 9]) == "3:4,1:2,9"
