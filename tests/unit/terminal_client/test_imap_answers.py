# SPDX-License-Identifier: GPL-3.0-only
"""IMAP responses: the same values however the octets are cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal_client.errors import ProtocolError
from terminal_client.imap_answers import (
    AnswerError,
    Response,
    ResponseReader,
    fetched,
    values,
)
from terminal_client.mailbox import sequence_set

TALK = (
    b"* OK [CAPABILITY IMAP4rev1] a text that ends in {12}\r\n"
    b"* 1 FETCH (UID 7 FLAGS (\\Seen $Offer) BODY[HEADER.FIELDS (A B)] {6}\r\nA: (\r\n"
    b' BODYSTRUCTURE ("TEXT" "PLAIN" NIL "a\\"b" 12))\r\n'
    b"* 2 FETCH (BINARY[2]<0> ~{3}\r\n\0\r\n UID 8)\r\n"
    b"A1 OK done\r\n"
)


def nowhere(before: tuple[bytes, ...], size: int) -> memoryview | None:
    return None


def read(octets: bytes, cuts: list[int]) -> list[Response]:
    reader = ResponseReader(nowhere)
    found: list[Response] = []
    edges = [0, *sorted(c % len(octets) for c in cuts), len(octets)]
    for start, end in pairwise(edges):
        found += reader.feed(octets[start:end])
    return found


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_any_cut_gives_the_same_responses(cuts: list[int]) -> None:
    assert read(TALK, cuts) == read(TALK, [])


def test_values() -> None:
    ok, first, second, done = read(TALK, [])
    assert ok.line.endswith(b"{12}")
    assert fetched(first) == {
        "UID": "7",
        "FLAGS": ["\\Seen", "$Offer"],
        "BODY[HEADER.FIELDS (A B)]": b"A: (\r\n",
        "BODYSTRUCTURE": [b"TEXT", b"PLAIN", None, b'a"b', "12"],
    }
    assert fetched(second) == {"BINARY[2]<0>": b"\0\r\n", "UID": "8"}
    assert done.line == b"A1 OK done"
    assert fetched(Response((b"* 3 EXISTS",))) is None


def test_a_literal_goes_where_it_is_wanted() -> None:
    buffer = bytearray(4)

    def place(before: tuple[bytes, ...], size: int) -> memoryview | None:
        assert before == (b"* 1 FETCH (BINARY[1]<0> ",)
        return memoryview(buffer)[:size]

    reader = ResponseReader(place)
    found = list(reader.feed(b"* 1 FETCH (BINARY[1]<0> {3}\r\nabc)\r\n"))
    assert found == [Response((b"* 1 FETCH (BINARY[1]<0> ", b"", b")"))]
    assert buffer == b"abc\0"


def test_the_rest_of_a_literal_may_be_put_there() -> None:
    buffer = bytearray(6)
    reader = ResponseReader(lambda before, size: memoryview(buffer)[:size])
    assert [reader.room] == [None]
    assert not list(reader.feed(b"* 1 FETCH (BINARY[1]<0> {6}\r\nab"))
    for octets in (b"cde", b"f"):
        room = reader.room
        assert room is not None
        room[: len(octets)] = octets
        reader.filled(len(octets))
    assert [reader.room] == [None]
    (found,) = reader.feed(b")\r\n")
    assert found.fragments[-1] == b")"
    assert buffer == b"abcdef"


def test_an_empty_literal() -> None:
    (found,) = read(b'* 1 FETCH (BODY[] {0}\r\n X "")\r\n', [])
    assert fetched(found) == {"BODY[]": b"", "X": b""}


@pytest.mark.parametrize(
    "octets",
    [
        b"* 1 FETCH (BODY[] {4194305}\r\n",
        b"x" * (2**20 + 1),
    ],
)
def test_what_is_too_large_ends_the_connection(octets: bytes) -> None:
    with pytest.raises(AnswerError):
        list(ResponseReader(nowhere).feed(octets))


@pytest.mark.parametrize(
    "line", [b"* 1 FETCH (", b"* 1 FETCH )", b'* "open', b"* " + b"(" * 60, b"* ]"]
)
def test_malformed(line: bytes) -> None:
    with pytest.raises(AnswerError):
        values(Response((line,)))


@given(st.binary(max_size=200))
def test_no_octets_crash_the_walker(octets: bytes) -> None:
    line = octets.replace(b"\n", b" ")
    try:
        found: list[Any] = values(Response((line,)))
    except AnswerError:
        return
    assert isinstance(found, list)


@pytest.mark.parametrize("text", ["1:4294967295", "$", "1:*", "x", "99999999999"])
def test_sets_that_no_mailbox_has(text: str) -> None:
    with pytest.raises(ProtocolError):
        list(sequence_set(text))


def test_a_set_of_numbers() -> None:
    assert list(sequence_set("7,1:3,9:8")) == [7, 1, 2, 3, 8, 9]
