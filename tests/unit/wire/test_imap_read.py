# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.imap_read import (
    LONGEST_TEXT,
    Broken,
    Command,
    CommandReader,
    Continue,
    Event,
    LiteralHead,
    LiteralNext,
    Misread,
    Tail,
)


def events(*pieces: bytes, known: bool = False) -> list[Event | bytes]:
    """Feed pieces; an announced message is taken as octets."""
    reader = CommandReader()
    reader.known = known
    found: list[Event | bytes] = []
    message: bytes | None = None
    for piece in pieces:
        reader.feed(piece)
        while True:
            if message is not None:
                octets = reader.take(1000)
                if octets is None:
                    break
                message += octets
                if octets:
                    continue
                found.append(message)
                message = None
            event = reader.next()
            if event is None:
                break
            found.append(event)
            if isinstance(event, LiteralHead | LiteralNext):
                message = b""
            if isinstance(event, Broken):
                return found
    return found


def test_a_command() -> None:
    assert events(b'a1 Noop\r\nb2 LIST "" *\r\n') == [
        Command("a1", "NOOP", b""),
        Command("b2", "LIST", b'"" *'),
    ]


def test_a_bare_newline_ends_a_line_too() -> None:
    assert events(b"a NOOP\n") == [Command("a", "NOOP", b"")]


def test_no_tag_or_no_verb() -> None:
    assert events(b"\r\nNOOP\r\na+b NOOP\r\na 12\r\n") == [
        Misread("*", "a command is a tag and a verb"),
        Misread("*", "a command is a tag and a verb"),
        Misread("*", "a command is a tag and a verb"),
        Misread("a", "a command is a tag and a verb"),
    ]


def test_literals_stay_in_the_command() -> None:
    assert events(b"a LOGIN {3}\r\n", b"a\r\n {2+}\r\n\n\r\r\nb NOOP\r\n") == [
        Continue("a", "LOGIN"),
        Command("a", "LOGIN", b"{3}\r\na\r\n {2+}\r\n\n\r"),
        Command("b", "NOOP", b""),
    ]


def test_a_refused_literal_ends_its_command() -> None:
    reader = CommandReader()
    reader.feed(b"a LOGIN {3}\r\n")
    assert isinstance(reader.next(), Continue)
    reader.refuse()
    reader.feed(b"b NOOP\r\n")
    assert reader.next() == Command("b", "NOOP", b"")


@pytest.mark.parametrize("size", [b"4294967295", b"9" * 19, b"9" * 30, b"1025"])
def test_a_large_literal_that_comes_unasked_breaks(size: bytes) -> None:
    (event,) = events(b"a LOGIN {" + size + b"+}\r\n")
    assert isinstance(event, Broken)
    assert event.tag == "a"


def test_a_large_literal_that_waits_is_refused() -> None:
    first, second = events(b"a LOGIN {1025}\r\nb NOOP\r\n")
    assert isinstance(first, Misread)
    assert second == Command("b", "NOOP", b"")


def test_all_literals_of_a_command_together_are_bounded() -> None:
    pieces = [b"a SEARCH"] + [b" {4096+}\r\n" + b"x" * 4096] * 65
    assert isinstance(events(*pieces, known=True)[-1], Broken)


def test_many_small_literals_are_bounded() -> None:
    assert isinstance(events(b"a X" + b" {1+}\r\nx" * 10_000)[-1], Broken)


def test_a_line_without_end() -> None:
    assert events(b"x" * LONGEST_TEXT) == []
    assert isinstance(events(b"x" * (LONGEST_TEXT + 1))[0], Broken)


def test_append_is_streamed() -> None:
    octets = b"a append INBOX (\\Seen) {10}\r\n0123456789\r\nb NOOP\r\n"
    assert events(octets, known=True) == [
        LiteralHead("a", "APPEND", b"INBOX (\\Seen) ", 10, waits=True, binary=False),
        b"0123456789",
        Tail(b""),
        Command("b", "NOOP", b""),
    ]


def test_the_mailbox_of_append_may_be_a_literal() -> None:
    octets = b"a APPEND {5+}\r\nINBOX ~{3+}\r\nxyz\r\n"
    assert events(octets, known=True) == [
        LiteralHead("a", "APPEND", b"{5+}\r\nINBOX ", 3, waits=False, binary=True),
        b"xyz",
        Tail(b""),
    ]


def test_a_second_message_is_not_taken() -> None:
    octets = b"a APPEND x {1}\r\nx {1}\r\n"
    assert events(octets, known=True)[-1] == LiteralNext(b" ", 1, waits=True)


def test_parts_follow_each_other() -> None:
    octets = (
        b"a UID REPLACE 4 x CATENATE (TEXT ~{1}\r\nx URL a TEXT {1+}\r\nyURL b)\r\n"
    )
    head = b"4 x CATENATE (TEXT "
    assert events(octets, known=True) == [
        LiteralHead("a", "UID REPLACE", head, 1, waits=True, binary=True),
        b"x",
        LiteralNext(b" URL a TEXT ", 1, waits=False),
        b"y",
        Tail(b"URL b)"),
    ]


def test_a_large_part_is_asked_for() -> None:
    octets = b"a REPLACE * {1}\r\nx {1}\r\ny {5000+}\r\n"
    assert isinstance(events(octets, known=True)[-1], Broken)


def test_append_before_login_is_no_stream() -> None:
    assert events(b"a APPEND INBOX {10}\r\n") == [Continue("a", "APPEND")]


def test_drop_forgets_what_was_sent_in_clear() -> None:
    reader = CommandReader()
    reader.feed(b"a STARTTLS\r\nb NOOP\r\nc LOG")
    assert reader.next() == Command("a", "STARTTLS", b"")
    reader.drop()
    reader.feed(b"d NOOP\r\n")
    assert reader.next() == Command("d", "NOOP", b"")


def test_plain_lines() -> None:
    reader = CommandReader()
    reader.feed(b"DO")
    assert reader.line() is None
    reader.feed(b"NE\r\na NOOP\r\n")
    assert reader.line() == b"DONE"
    assert reader.next() == Command("a", "NOOP", b"")
    reader.feed(b"x" * (LONGEST_TEXT + 1))
    assert isinstance(reader.line(), Broken)


_LINES = st.lists(
    st.sampled_from(
        [
            b"a NOOP\r\n",
            b"b LOGIN {3+}\r\nx\r\n y\r\n",
            b"c APPEND INBOX {5+}\r\nb X\r\n\r\n",
            b"d APPEND {1}\r\nx (\\Seen) {0}\r\n\r\n",
            b"e SEARCH {99999999}\r\n",
            b"bogus\r\n",
            b"f APPEND x {2}\r\n\r\n {3}\r\n",
        ]
    ),
    max_size=8,
)


@given(_LINES, st.lists(st.integers(0, 200)), st.booleans())
def test_any_cut_gives_the_same_events(
    lines: list[bytes], cuts: list[int], known: bool
) -> None:
    octets = b"".join(lines)
    places = [0, *sorted(c for c in cuts if c <= len(octets)), len(octets)]
    pieces = [octets[a:b] for a, b in pairwise(places)]
    assert events(*pieces, known=known) == events(octets, known=known)


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_any_octets_are_read(pieces: list[bytes], known: bool) -> None:
    events(*pieces, b"\r\n{}\r\n", known=known)
