# SPDX-License-Identifier: Apache-2.0
"""Writing fields: what the lines look like (that they re-parse: tests/property)."""

from __future__ import annotations

import pytest

from maild.mail.address import Address
from maild.mail.header import (
    address_field,
    bare_id,
    date_field,
    encoded_words,
    field,
    file_name,
    message_id_field,
    parameter_field,
    printable,
)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("hello world", b"Subject: hello world\r\n"),
        ("", b"Subject:\r\n"),
        ("  ", b"Subject:\r\n"),
        ("two  blanks", b"Subject: =?UTF-8?B?dHdvICBibGFua3M=?=\r\n"),
        ("=?x?=", b"Subject: =?UTF-8?B?PT94Pz0=?=\r\n"),
        ("é", b"Subject: =?UTF-8?B?w6k=?=\r\n"),
        ("word " * 20, b"Subject:" + b" word" * 13 + b"\r\n" + b" word" * 7 + b"\r\n"),
    ],
)
def test_field(text: str, octets: bytes) -> None:
    assert field("Subject", text) == octets


def test_encoded_words_hold_whole_characters() -> None:
    for word in encoded_words("😀" * 100):
        assert len(word) <= 75
        assert word.startswith("=?UTF-8?B?8J+Y")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\0c", "a\ufffd\ufffdb\ufffdc"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("a\u2028b\u2066c\x85", "a\ufffdb\ufffdc\ufffd"),
        ("\ud800", "\ufffd"),
        ("👩‍👩‍👧 日本", "👩‍👩‍👧 日本"),
        (" x ", "x"),
        ("x" * 2000, "x" * 1024),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd", "..\u2215..\u2215etc\u2215passwd"),
        ("..\\boot.ini", "..\u2216boot.ini"),
        ("", "unnamed"),
        ("\0", "\ufffd"),
        ("a\u2215b", "a\u2215b"),
    ],
)
def test_file_name(text: str, name: str) -> None:
    assert file_name(text) == name


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        ("x.pdf", b" name=x.pdf"),
        ("two words.pdf", b' name="two words.pdf"'),
        ('a"b', b" name*=UTF-8''a%22b"),
        ("é", b" name*=UTF-8''%C3%A9"),
        ("", b" name*=UTF-8''"),
        (
            "é" * 20,
            b" name*0*=UTF-8''" + b"%C3%A9" * 10 + b";\r\n name*1*=" + b"%C3%A9" * 10,
        ),
    ],
)
def test_parameters(value: str, octets: bytes) -> None:
    written = parameter_field("Content-Type", "a/b", [("name", value)])
    assert written == b"Content-Type: a/b;\r\n" + octets + b"\r\n"


def test_address_fields() -> None:
    alice, jörg = Address("alice", "a.example"), Address("jörg", "a.example")
    assert address_field("To", alice) == b"To: alice@a.example\r\n"
    assert address_field("To", alice, "Al Ice") == b"To: Al Ice <alice@a.example>\r\n"
    assert address_field("To", alice, 'Al "I"') == (
        b"To: =?UTF-8?B?QWwgIkki?= <alice@a.example>\r\n"
    )
    assert address_field("To", jörg) == b"To: =?UTF-8?B?asO2cmdAYS5leGFtcGxl?= :;\r\n"


def test_dates_and_ids() -> None:
    assert date_field(0.9) == b"Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
    assert message_id_field("a\r\n b>@c") == b"Message-ID: <ab@c>\r\n"
    assert bare_id("x" * 500) == "x" * 250
