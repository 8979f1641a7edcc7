# SPDX-License-Identifier: Apache-2.0
"""One number has one form, whatever people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail import number


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("+14155550101", "+14155550101"),
        (" +1 (415) 555-0101 ", "+14155550101"),
        ("+1.415.555.0101", "+14155550101"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+49 171/5550101", "+491715550101"),
    ],
)
def test_what_people_type(typed: str, found: str) -> None:
    assert number.normal(typed) == found


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "+",
        "+0155550101",
        "4155550101",
        "0014155550101",
        "+1415",
        "+1415555010199999",
        "+1 415 555 0101 ext. 5",
        "+1415FLOWERS",
        "+9999999999",
        "+١٤١٥٥٥٥٠١٠١",
        "+1" * 100,
    ],
)
def test_what_is_none(typed: str) -> None:
    with pytest.raises(number.NumberError):
        number.normal(typed)


@given(st.text("+0123456789 -()./x", max_size=45))
def test_the_form_is_canonical_and_stays(typed: str) -> None:
    try:
        found = number.normal(typed)
    except number.NumberError:
        return
    assert number.is_number(found)
    assert number.normal(found) == found


def test_a_number_is_no_mail_address() -> None:
    assert number.looks_like_number("+1 415 555 0101")
    assert not number.looks_like_number("+14155550101@rcs.example")
    assert not number.looks_like_number("bob@b.example")
    assert not number.is_number("+1415555010x")
    assert not number.is_number("+04155550101")
