# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.imapd.listing import matches


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "a/b", True),
        ("%", "a/b", False),
        ("%", "a", True),
        ("a/%", "a/b", True),
        ("a/%", "a/b/c", False),
        ("%/%", "a/b", True),
        ("inbox", "INBOX", True),
        ("INB%", "INBOX", True),
        ("", "a", False),
        ("a", "ab", False),
        ("*b", "ab/cb", True),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


_TEXT = st.text(alphabet="ab/*%", max_size=8)


@given(_TEXT, st.text(alphabet="ab/", max_size=8))
def test_patterns_are_what_a_regular_expression_says(pattern: str, name: str) -> None:
    expression = re.escape(pattern).replace(r"\*", ".*").replace("%", "[^/]*")
    assert matches(pattern, name) is bool(re.fullmatch(expression, name))


def test_no_pattern_takes_long() -> None:
    assert not matches("*a" * 500, "a" * 400 + "b")
    assert not matches("*" + "a" * 900 + "c*", "a" * 900 + "b")
