# SPDX-License-Identifier: Apache-2.0
"""What SEARCH's grammar gives, and what it refuses."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_numbers import SequenceSet
from maild.wire.imap_search import (
    All,
    Both,
    ChangedAt,
    Day,
    Either,
    HasFlag,
    InHeader,
    InText,
    Key,
    Not,
    Numbers,
    Query,
    Size,
    parse_search,
)
from maild.wire.imap_write import NoError


def parsed(text: str) -> Query:
    return parse_search(Cursor(text.encode()))


SEEN = HasFlag("\\Seen")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ALL", All()),
        ("unseen", Not(SEEN)),
        ("NEW", Both((HasFlag("\\Recent"), Not(SEEN)))),
        ("KEYWORD $Offer", HasFlag("$Offer")),
        ("UNKEYWORD $Offer", Not(HasFlag("$Offer"))),
        ("2:4,*", Numbers(SequenceSet(((2, 4), (None, None))), uid=False)),
        ("UID 7", Numbers(SequenceSet(((7, 7),)), uid=True)),
        ("$", Numbers(SequenceSet((), saved=True), uid=False)),
        ("SINCE 1-Feb-1994", Day(date(1994, 2, 1), "SINCE", sent=False)),
        ('SENTON "12-mar-2024"', Day(date(2024, 3, 12), "ON", sent=True)),
        ("LARGER 5000000000", Size(5000000000, larger=True)),
        ("SMALLER 10", Size(10, larger=False)),
        ("HEADER Share-Number 001", InHeader(b"share-number", "001")),
        ('SUBJECT "Straße"', InHeader(b"subject", "strasse")),
        ("BODY {5}\r\nHello", InText("hello", header=False)),
        ('TEXT ""', InText("", header=True)),
        ("MODSEQ 12", ChangedAt(12)),
        ('MODSEQ "/flags/\\\\draft" all 12', ChangedAt(12)),
        ("OR SEEN NOT DELETED", Either((SEEN, Not(HasFlag("\\Deleted"))))),
        ("(SEEN ALL) ALL", Both((Both((SEEN, All())), All()))),
    ],
)
def test_keys(text: str, key: Key) -> None:
    try:
        assert parsed(text).key == key
    except BadError:
        pytest.fail(text)


def test_quoted_utf8_needs_no_charset_and_others_are_decoded() -> None:
    octets = b"CHARSET ISO-8859-1 SUBJECT {2}\r\n\xe9t"
    assert parse_search(Cursor(octets)).key == InHeader(b"subject", "ét")


def test_a_foreign_charset_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(NoError) as refusal:
        parsed("CHARSET koi8-r SUBJECT x")
    assert refusal.value.code == "BADCHARSET (US-ASCII UTF-8)"


def test_what_is_to_be_returned() -> None:
    assert parsed("ALL").returns is None
    assert parsed("RETURN () ALL").returns == frozenset({"ALL"})
    assert parsed("RETURN (MIN count SAVE) ALL").returns == frozenset(
        {"MIN", "COUNT", "SAVE"}
    )
    assert parsed("RETURN (ALL) CHARSET UTF-8 ALL").returns == frozenset({"ALL"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FOO",
        "SEEN ",
        "()",
        "(SEEN",
        "NOT",
        "OR SEEN",
        "SINCE 31-Feb-2024",
        "HEADER x",
        "UID abc",
        "LARGER -1",
        "RETURN (BEST) ALL",
        "RETURN (ALL)",
        "(" * 60 + "ALL" + ")" * 60,
        "NOT " * 60 + "ALL",
        " ".join(["SEEN"] * 1001),
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(BadError):
        parsed(text)


@given(st.binary(max_size=60))
def test_any_octets_give_a_query_or_an_error(octets: bytes) -> None:
    with suppress(BadError, NoError):
        parse_search(Cursor(octets))


@given(
    st.lists(
        st.sampled_from(
            ["NOT", "OR", "(", ")", "SEEN", "1:*", "SUBJECT", '"x"', "{1}\r\nx", "UID"]
        ),
        max_size=12,
    )
)
def test_any_words_of_its_own_give_a_query_or_an_error(words: list[str]) -> None:
    with suppress(BadError, NoError):
        parsed(" ".join(words))
