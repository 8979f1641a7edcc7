# SPDX-License-Identifier: Apache-2.0
"""DATA ends at CRLF.CRLF and nowhere else, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.smtp_data import DataReader


def read(octets: bytes, cuts: list[int]) -> tuple[bytes, bytes | None, bool]:
    reader = DataReader()
    content = b""
    at = 0
    for cut in [*sorted(cuts), len(octets)]:
        found, rest = reader.feed(octets[at:cut])
        content += found
        at = max(at, cut)
        if rest is not None:
            return content, rest + octets[at:], reader.is_clean
    return content, None, reader.is_clean


OCTETS = st.lists(
    st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"a", b"\0", b"\r\n.\r\n"])
).map(b"".join)


@given(OCTETS, st.lists(st.integers(0, 30)))
def test_any_cut_gives_the_same(octets: bytes, cuts: list[int]) -> None:
    assert read(octets, cuts) == read(octets, [])


@given(OCTETS)
def test_the_end_is_where_the_specification_says(octets: bytes) -> None:
    end = (b"\r\n" + octets).find(b"\r\n.\r\n")
    content, rest, clean = read(octets, [])
    if end < 0:
        assert rest is None
        return
    raw = octets[:end]
    assert rest == octets[end + 3 :]
    lines = raw.split(b"\r\n") if raw else [b""]
    assert content == b"\r\n".join(x.removeprefix(b".") for x in lines)
    bare = raw.replace(b"\r\n", b"")
    assert clean == (not any(c in bare for c in (b"\r", b"\n", b"\0")))


@pytest.mark.parametrize(
    ("octets", "content"),
    [
        (b".\r\n", b""),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"a\r\n..\r\n...b\r\n.\r\n", b"a\r\n.\r\n..b\r\n"),
    ],
)
def test_dots(octets: bytes, content: bytes) -> None:
    assert read(octets + b"NOOP\r\n", []) == (content, b"NOOP\r\n", True)
