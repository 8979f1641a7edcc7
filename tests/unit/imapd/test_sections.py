# SPDX-License-Identifier: Apache-2.0
"""Which octets a section means."""

from __future__ import annotations

import pytest

from maild.imapd.sections import (
    Range,
    fields_of,
    find_part,
    range_of,
    selected_fields,
)
from maild.mail.structure import Part, Structure
from maild.wire.imap_cursor import Cursor
from maild.wire.imap_fetch import Partial, Section, parse_fetch


def part(
    kind: str, start: int, body: int, end: int, *children: Part, encoding: str = "7bit"
) -> Part:
    main, _, sub = kind.partition("/")
    return Part(main, sub, (), encoding, start, body, end, children=children)


PLAIN = Structure(part("text/plain", 0, 10, 50), 50, (None,) * 10)
"""A header of 10 octets and a body of 40."""

INNER = part(
    "multipart/alternative",
    120,
    140,
    200,
    part("text/plain", 145, 150, 160),
    part("text/html", 165, 170, 190),
)
MIXED = Structure(
    part(
        "multipart/mixed",
        0,
        100,
        300,
        part("text/plain", 102, 104, 110),
        part("message/rfc822", 112, 120, 200, INNER),
        part("message/rfc822", 210, 220, 260, part("application/pdf", 220, 230, 260)),
    ),
    300,
    (None,) * 10,
)


def found(structure: Structure, section: str) -> tuple[int, int] | None:
    item = parse_fetch(Cursor(f"BODY.PEEK[{section}]".encode())).items[0]
    assert isinstance(item, Section)
    octets = range_of(structure, item)
    return None if octets is None else (octets.start, octets.end)


@pytest.mark.parametrize(
    ("section", "octets"),
    [
        ("", (0, 50)),
        ("HEADER", (0, 10)),
        ("TEXT", (10, 50)),
        ("1", (10, 50)),
        ("1.MIME", (0, 10)),
        ("1.HEADER", None),
        ("1.1", None),
        ("2", None),
    ],
)
def test_a_message_of_one_part(section: str, octets: tuple[int, int] | None) -> None:
    assert found(PLAIN, section) == octets


@pytest.mark.parametrize(
    ("section", "octets"),
    [
        ("", (0, 300)),
        ("TEXT", (100, 300)),
        ("1", (104, 110)),
        ("1.MIME", (102, 104)),
        ("2", (120, 200)),
        ("2.MIME", (112, 120)),
        ("2.HEADER", (120, 140)),
        ("2.HEADER.FIELDS (Subject)", (120, 140)),
        ("2.TEXT", (140, 200)),
        ("2.1", (150, 160)),
        ("2.2", (170, 190)),
        ("2.2.MIME", (165, 170)),
        ("2.3", None),
        ("3.1", (230, 260)),
        ("3.1.MIME", (220, 230)),
        ("3.2", None),
        ("3.1.1", None),
        ("4", None),
    ],
)
def test_messages_inside_of_a_message(
    section: str, octets: tuple[int, int] | None
) -> None:
    assert found(MIXED, section) == octets


def test_a_part_without_numbers_is_the_message_itself() -> None:
    assert find_part(MIXED, ()) is MIXED.root


def test_partials_are_clipped() -> None:
    whole = Range(100, 200)
    assert whole.cut(None) == whole
    assert whole.cut(Partial(0, 10)) == Range(100, 110)
    assert whole.cut(Partial(90, 2**63 - 1)) == Range(190, 200)
    assert whole.cut(Partial(100, 5)).size == 0
    assert whole.cut(Partial(2**63 - 1, 5)).size == 0


BLOCK = (
    b"From: a@a.example\r\n"
    b"Subject: one\r\n two\r\n"
    b"Received: x\r\n"
    b"received: y\r\n"
    b"Share-Number : 001\r\n"
    b"\r\n"
)


def kept(text: str, *names: bytes) -> bytes:
    return selected_fields(BLOCK, Section((), text, names))


def test_chosen_fields_stand_as_they_came() -> None:
    assert kept("HEADER.FIELDS", b"SUBJECT", b"x") == (b"Subject: one\r\n two\r\n\r\n")
    assert kept("HEADER.FIELDS", b"Received") == (b"Received: x\r\nreceived: y\r\n\r\n")
    assert kept("HEADER.FIELDS", b"Share-Number") == b"Share-Number : 001\r\n\r\n"
    assert kept("HEADER.FIELDS", b"None") == b"\r\n"


def test_all_but_the_chosen_fields() -> None:
    assert kept("HEADER.FIELDS.NOT", b"from", b"received", b"share-number") == (
        b"Subject: one\r\n two\r\n\r\n"
    )


def test_values_are_unfolded() -> None:
    assert [field.value for field in fields_of(BLOCK)][:2] == [
        b"a@a.example",
        b"one two",
    ]


def test_a_block_without_an_end() -> None:
    assert [field.name for field in fields_of(b"A: 1\r\nB: 2")] == [b"a", b"b"]
