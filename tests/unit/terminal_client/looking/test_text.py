# SPDX-License-Identifier: GPL-3.0-only
"""The beginning of a text: letters only, whatever is in it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminal_client.looking import text
from terminal_client.looking.look import Limits
from terminal_client.looking.seen import Kind
from tests.unit.terminal_client.looking.files import Elsewhere, looked


def test_escape_sequences_reach_no_terminal() -> None:
    evil = "a\x1b]0;title\x07b\x1b[2J\u202egnp.exe\u009b31m\r\nc\td\n"
    seen = looked((evil + "and so on\n" * 50).encode(), Limits(lines=2))
    assert seen.text == [
        "a\ufffd]0;title\ufffdb\ufffd[2J\ufffdgnp.exe\ufffd31m",
        "c       d",
    ]
    assert (seen.kind, seen.format) == (Kind.TEXT, "UTF-8")


@settings(deadline=None)  # other work on the machine is no finding
@given(st.binary(max_size=2000))
def test_whatever_it_is_only_printable_lines_are_shown(octets: bytes) -> None:
    for line in looked(octets).text:
        assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in line)


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        ("größe\n".encode(), "UTF-8"),
        ("größe\n".encode("utf-8-sig"), "UTF-8"),
        ("größe\n".encode("utf-16"), "UTF-16"),
        ("größe\n".encode("utf-32"), "UTF-32"),
        ("größe\n".encode("cp1252"), "Windows-1252"),
    ],
)
def test_encodings(octets: bytes, name: str) -> None:
    seen = looked(octets)
    assert (seen.kind, seen.format, seen.text) == (Kind.TEXT, name, ["größe"])


def test_a_character_that_is_cut_is_no_mistake() -> None:
    octets = b"x" * (text.HEAD - 1) + "ß".encode() + b"end"
    seen = looked(octets)
    assert (seen.format, seen.is_whole) == ("UTF-8", False)


def test_only_so_many_lines_are_shown() -> None:
    seen = looked(b"line\n" * 100, Limits(lines=3))
    assert (seen.text, seen.is_whole) == (["line"] * 3, False)


def test_a_long_line_is_cut() -> None:
    (line,) = looked(b"x" * 5000).text
    assert len(line) == text.WIDTH
    assert line.endswith("…")


def test_of_a_large_text_little_is_fetched() -> None:
    there = Elsewhere(b"line\n" * 1_000_000)
    text.decoded(there.file.octets(0, text.HEAD))
    assert there.octets == text.HEAD


def test_of_a_text_that_arrives_what_is_there_is_shown() -> None:
    seen = looked(b"line\n" * 1000, there=10)
    assert (seen.text, seen.is_whole) == (["line", "line"], False)


def test_what_has_not_begun_to_arrive() -> None:
    seen = looked(b"line\n", there=0)
    assert (seen.text, seen.is_whole) == ([], False)
    assert seen.remarks == ["nothing of it has arrived yet"]


def test_what_nobody_knows_is_shown_as_numbers() -> None:
    seen = looked(b"\0\1\2ABC\x1b" * 100)
    assert (seen.kind, len(seen.text)) == (Kind.DATA, 8)
    assert seen.text[0] == (
        "00000000  00 01 02 41 42 43 1b 00 01 02 41 42 43 1b 00 01  ...ABC....ABC..."
    )


def test_nothing_at_all() -> None:
    seen = looked(b"")
    assert (seen.format, seen.text, seen.is_whole) == ("empty", [], True)
