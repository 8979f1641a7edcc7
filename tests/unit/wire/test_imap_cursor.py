# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_write import astring, nstring, quoted, string


def test_words() -> None:
    cursor = Cursor(b'atom a]b "q\\"\\\\" {3}\r\n\r\n( NIL nil 12 body.Peek')
    assert cursor.atom() == "atom"
    cursor.space()
    assert cursor.astring() == b"a]b"
    cursor.space()
    assert cursor.astring() == b'q"\\'
    cursor.space()
    assert cursor.astring() == b"\r\n("
    cursor.space()
    assert cursor.nstring() is None
    cursor.space()
    assert cursor.nstring() is None
    cursor.space()
    assert cursor.number() == 12
    cursor.space()
    assert cursor.keyword() == "BODY.PEEK"
    cursor.end()


def test_an_astring_may_begin_with_a_tilde() -> None:
    assert Cursor(b"~peter").astring() == b"~peter"
    with pytest.raises(BadError):
        Cursor(b"~{1}\r\nx").astring()


def test_binary_literals_have_their_place() -> None:
    assert Cursor(b"~{2}\r\n\0x").string(binary=True) == b"\0x"
    with pytest.raises(BadError):
        Cursor(b"{2}\r\n\0x").string(binary=True)


def test_lists() -> None:
    cursor = Cursor(b"() (a b)")
    cursor.open_list()
    assert not cursor.in_list(first=True)
    cursor.space()
    cursor.open_list()
    found: list[str] = []
    while cursor.in_list(first=not found):
        found.append(cursor.atom())
    assert found == ["a", "b"]
    cursor.end()


def test_fifty_lists_are_deep_enough() -> None:
    cursor = Cursor(b"(" * 51)
    for _ in range(50):
        cursor.open_list()
    with pytest.raises(BadError):
        cursor.open_list()


def test_flags() -> None:
    cursor = Cursor(b"(\\SEEN $Offer \\deleted)")
    assert cursor.flag_list() == ("\\Seen", "$Offer", "\\Deleted")
    for octets in (b"(\\Recent)", b"(\\*)", b"(\\Bogus)", b"(a", b"(a  b)"):
        with pytest.raises(BadError):
            Cursor(octets).flag_list()


def test_dates() -> None:
    assert Cursor(b"1-feb-1994").date() == date(1994, 2, 1)
    assert Cursor(b'"17-Jul-1996 02:44:25 -0700"').date_time() == 837596665.0
    assert Cursor(b'" 1-Jan-1970 00:00:60 +0000"').date_time() == 59.0
    for octets in (b"31-Feb-1994", b"1-Foo-1994", b"1-1-1994", b""):
        with pytest.raises(BadError):
            Cursor(octets).date()
    for octets in (b'"31-Feb-1994 00:00:00 +0000"', b'"17-Jul-1996 02:44:25"'):
        with pytest.raises(BadError):
            Cursor(octets).date_time()


@pytest.mark.parametrize("octets", [b"0", b"1:", b":1", b"1,,2", b"", b"a"])
def test_malformed_sets(octets: bytes) -> None:
    with pytest.raises(BadError):
        Cursor(octets).sequence_set()


@given(st.binary(max_size=2000).filter(lambda octets: b"\0" not in octets))
def test_strings_come_back(octets: bytes) -> None:
    assert Cursor(string(octets)).string() == octets
    assert Cursor(string(octets, utf8=True)).string() == octets
    assert Cursor(astring(octets)).astring() == octets
    assert Cursor(nstring(octets)).nstring() == octets


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_quoted_strings_come_back(text: str) -> None:
    assert Cursor(quoted(text.encode())).quoted() == text.encode()


@given(st.binary(max_size=100), st.integers(0, 10))
def test_any_octets_are_taken_or_refused(octets: bytes, which: int) -> None:
    cursor = Cursor(octets)
    takers = (
        cursor.atom,
        cursor.keyword,
        cursor.number,
        cursor.quoted,
        cursor.string,
        cursor.astring,
        cursor.nstring,
        cursor.sequence_set,
        cursor.flag_list,
        cursor.date,
        cursor.date_time,
    )
    try:
        takers[which]()
    except BadError:
        return
    assert octets.endswith(cursor.rest)
