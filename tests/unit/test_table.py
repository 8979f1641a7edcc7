# SPDX-License-Identifier: Apache-2.0
"""Tables that operators see, as wide as their terminals or as wide as it takes."""

from __future__ import annotations

from typing import Any

import pytest

from maild.operator import table

LONG = "x" * 245 + ".jpeg"
REPLY = "451 4.4.1 " + "nobody answered at that address " * 5


def record(**changes: Any) -> dict[str, Any]:
    facts = {"id": "8Nq3Zt1kWvB2dM", "size": 1000, "name": "a.txt", "trouble": ""}
    return {**facts, **changes}


def test_what_is_piped_is_whole() -> None:
    header, row = table.lines([record(name=LONG)], list(record()), None)
    assert header.split() == ["id", "size", "name", "trouble"]
    assert row.split() == ["8Nq3Zt1kWvB2dM", "1,000", LONG, "-"]


def test_a_long_name_makes_no_other_row_wide() -> None:
    shown = list(table.lines([record(name=LONG), record()], list(record()), 80))
    assert len(shown) == 3
    assert max(map(len, shown)) <= 80
    assert "…" in shown[1]
    assert ".jpeg" in shown[1]
    assert "1,000  a.txt" in shown[2]


@pytest.mark.parametrize("width", [40, 80])
def test_what_does_not_fit_ends_between_words(width: int) -> None:
    columns = [*record(), "sender"]
    long = record(sender="alice@a.example", trouble=REPLY, name=LONG)
    shown = list(table.lines([long, {**long, "trouble": ""}], columns, width))
    assert max(map(len, shown)) <= width
    assert shown[0].startswith("8Nq3Zt1kWvB2dM  size 1,000")
    words = " ".join(shown).split()
    assert " ".join(words).count("sender alice@a.example") == 2
    assert set(REPLY.split()) <= set(words)
    assert words.count("trouble") == 1


def test_foreign_words_give_no_commands() -> None:
    assert table.text("a\x1b[2J") == "a?[2J"
