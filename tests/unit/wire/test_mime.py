# SPDX-License-Identifier: Apache-2.0
"""The MIME reader against the standard library's parser, cut anywhere."""

from __future__ import annotations

import email
import email.policy
from email.message import Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.reply import ReplyError
from maild.mail.structure import Part
from tests.unit.wire.messages import MESSAGES
from tests.unit.wire.rendering import Read, leaves, read


def described(part: Message) -> object:
    """What the standard library found: (type, content, parts)."""
    if part.is_multipart():
        inner = [p for p in part.get_payload() if isinstance(p, Message)]
        return part.get_content_type(), [described(p) for p in inner]
    return part.get_content_type(), part.get_payload(decode=False)


def found(message: bytes) -> object:
    """The same from our reader."""
    result = read(message)

    def tell(part: Part) -> object:
        kind = f"{part.type}/{part.subtype}"
        if part.children:
            return kind, [tell(child) for child in part.children]
        return kind, result.body(part).decode("ascii", "surrogateescape")

    return tell(result.root)


@pytest.mark.parametrize("name", MESSAGES)
def test_parts_are_those_the_standard_library_finds(name: str) -> None:
    theirs = email.message_from_bytes(MESSAGES[name], policy=email.policy.SMTP)
    assert found(MESSAGES[name]) == described(theirs)


@pytest.mark.parametrize("name", MESSAGES)
def test_the_rendering_is_the_source(name: str) -> None:
    result = read(MESSAGES[name])
    assert result.rendering == MESSAGES[name]
    assert result.structure.size == len(MESSAGES[name])
    for part in leaves(result.root):
        assert result.rendering[part.header_start :].startswith(
            result.rendering[part.header_start : part.body_start]
        )


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(MESSAGES)), st.lists(st.integers(0, 20_000), max_size=40))
def test_cuts_make_no_difference(name: str, cuts: list[int]) -> None:
    whole, cut = read(MESSAGES[name]), read(MESSAGES[name], cuts)
    assert cut.pieces == whole.pieces
    assert cut.structure == whole.structure


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("binary", [False, True])
def test_octet_by_octet(name: str, binary: bool) -> None:
    message = MESSAGES[name][:3000]
    cut = read(message, range(len(message)), binary=binary)
    assert cut.pieces == read(message, binary=binary).pieces


TOKENS = st.sampled_from(
    [
        b"\r\n", b"\r\n", b"\r\n\r\n", b"--a", b"--ab", b"--", b"\r", b"\n", b" ", b"x",
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b"Content-Type: multipart/mixed; boundary=ab\r\n",
        b"Content-Type: message/rfc822\r\n", b"Content-Type: image/png\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: binary\r\n", b"QUJD" * 19 + b"\r\n",
        b"QUJD" * 18 + b"QUI=\r\n", b"QUI=", b"\0\xff",
    ]
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(TOKENS, max_size=40).map(b"".join),
    st.lists(st.integers(0, 600), max_size=10),
)
def test_any_octets_render_as_they_came(message: bytes, cuts: list[int]) -> None:
    result = read_or_none(message, cuts, binary=False)
    whole = read_or_none(message, [], binary=False)
    if result is None or whole is None:
        assert result is whole
        return
    assert result.rendering == message
    assert result.pieces == whole.pieces
    check_offsets(result.root, 0, len(message))


def read_or_none(message: bytes, cuts: list[int], *, binary: bool) -> Read | None:
    try:
        return read(message, cuts, binary=binary)
    except ReplyError:  # a boundary that is too long
        return None


def check_offsets(part: Part, start: int, end: int) -> None:
    assert start <= part.header_start <= part.body_start <= part.body_end <= end
    place = part.body_start
    for child in part.children:
        check_offsets(child, place, part.body_end)
        place = child.body_end


@settings(max_examples=500, deadline=None)
@given(
    st.lists(TOKENS, max_size=40).map(b"".join),
    st.lists(st.integers(0, 600), max_size=10),
)
def test_any_binary_message_is_the_same_however_cut(
    message: bytes, cuts: list[int]
) -> None:
    result = read_or_none(message, cuts, binary=True)
    whole = read_or_none(message, [], binary=True)
    if result is None or whole is None:
        assert result is whole
        return
    assert result.pieces == whole.pieces
    assert result.structure == whole.structure
    assert result.structure.size == len(result.rendering)
    check_offsets(result.root, 0, len(result.rendering))
