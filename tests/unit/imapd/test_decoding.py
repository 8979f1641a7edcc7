# SPDX-License-Identifier: Apache-2.0
"""Removing a transfer encoding, whatever the cuts."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.imapd.decoding import QuotedPrintable, decoder


def removed(encoding: str, coded: bytes, cuts: list[int]) -> bytes:
    bare = decoder(encoding)
    assert bare is not None
    ends = [*sorted({cut % (len(coded) + 1) for cut in cuts}), len(coded)]
    found, at = b"", 0
    for end in ends:
        found += bare.feed(coded[at:end])
        at = end
    return found + bare.finish()


CUTS = st.lists(st.integers(0, 10_000), max_size=8)


@given(st.binary(max_size=400), CUTS)
def test_base64_comes_back_whatever_the_cuts(octets: bytes, cuts: list[int]) -> None:
    coded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    assert removed("base64", coded, cuts) == octets


@given(st.binary(max_size=400), CUTS)
def test_quoted_printable_comes_back(octets: bytes, cuts: list[int]) -> None:
    coded = quopri.encodestring(octets)
    assert removed("Quoted-Printable", coded, cuts) == quopri.decodestring(coded)


@given(st.binary(max_size=60), CUTS)
def test_identity(octets: bytes, cuts: list[int]) -> None:
    assert removed("8bit", octets, cuts) == octets


@given(st.binary(max_size=200), CUTS)
def test_no_octets_break_a_decoder(octets: bytes, cuts: list[int]) -> None:
    removed("base64", octets, cuts)
    removed("quoted-printable", octets, cuts)


def test_what_does_not_belong_into_base64_is_skipped() -> None:
    assert removed("base64", b"aGVs!bG8\x00=\r\nZ2Fy", []) == b"hello"


def test_a_line_without_end_is_not_held() -> None:
    bare = QuotedPrintable()
    long = b"=41" * 20_000
    found = bare.feed(long) + bare.finish()
    assert found == b"A" * 20_000


@pytest.mark.parametrize("name", ["x-uuencode", "base65", "gzip"])
def test_unknown_encodings(name: str) -> None:
    assert decoder(name) is None
