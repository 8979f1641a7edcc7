# SPDX-License-Identifier: Apache-2.0
"""SMTP replies: read however they are cut, written as RFC 2034 wants them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.reply import Reply
from maild.wire.smtp_reply import (
    MAX_LINE,
    ReplyFormatError,
    ReplyReader,
    ehlo_reply,
    format_reply,
    parse_ehlo,
    restart_at,
    transaction_offset,
)

EHLO = b"250-b.example hi\r\n250-SIZE 1000\r\n250-auth PLAIN scram-sha-256\r\n250 X\r\n"


def test_enhanced_codes_are_split() -> None:
    (one,) = ReplyReader().feed(b"550-5.7.1 not\r\n550 5.7.1 wanted\r\n")
    assert one == Reply(550, "7.1", "not\nwanted")
    assert one.status == "5.7.1"
    # A code of another class is text (RFC 2034 §4).
    (two,) = ReplyReader().feed(b"450 5.7.1 odd\r\n")
    assert two == Reply(450, "", "5.7.1 odd")
    assert ReplyReader().feed(b"221\r\n") == [Reply(221, "", "")]
    assert ReplyReader().feed(b"250 2.0.0\r\n") == [Reply(250, "0.0", "")]


@given(st.lists(st.integers(0, 120), max_size=8))
def test_any_cut_gives_the_same_replies(cuts: list[int]) -> None:
    octets = b"220 x\r\n" + EHLO + b"354 go\n" + b"452-4.3.1 a\r\n452 b\r\n"
    reader = ReplyReader()
    found: list[Reply] = []
    at = 0
    for cut in [*sorted(cuts), len(octets)]:
        found += reader.feed(octets[at:cut])
        at = max(at, cut)
    assert found == ReplyReader().feed(octets)
    assert [r.code for r in found] == [220, 250, 354, 452]
    assert found[-1] == Reply(452, "3.1", "a\nb")
    assert reader.is_idle


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"25 x\r\n",
        b"250x\r\n",
        b"650 x\r\n",
        b"250-a\r\n251 b\r\n",
        b"250-x\r\n" * 300,
        b"250 " + b"x" * 2 * MAX_LINE,
        b"250 " + b"x" * 2 * MAX_LINE + b"\r\n",
    ],
)
def test_what_is_no_reply(octets: bytes) -> None:
    with pytest.raises(ReplyFormatError):
        ReplyReader().feed(octets)


@given(st.binary())
def test_any_octets(octets: bytes) -> None:
    try:
        replies = ReplyReader().feed(octets)
    except ReplyFormatError:
        return
    assert all(200 <= r.code < 600 for r in replies)


def test_ehlo() -> None:
    (reply,) = ReplyReader().feed(EHLO)
    ehlo = parse_ehlo(reply)
    assert ehlo.domain == "b.example"
    assert ehlo.size == 1000
    assert ehlo.mechanisms == ("PLAIN", "SCRAM-SHA-256")
    assert "X" in ehlo
    assert "CHUNKING" not in ehlo
    (ours,) = ReplyReader().feed(ehlo_reply("a.example", ["SIZE 0", "CHUNKING"]))
    assert parse_ehlo(ours).size is None
    assert "CHUNKING" in parse_ehlo(ours)


def test_formatting() -> None:
    assert format_reply(Reply(250, "0.0", "a\nb")) == b"250-2.0.0 a\r\n250 2.0.0 b\r\n"
    assert format_reply(Reply(354, "", "go")) == b"354 go\r\n"


@given(
    st.sampled_from([220, 250, 354, 421, 452, 550]),
    st.sampled_from(["", "0.0", "7.11"]),
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
        min_size=1,
    ),
)
def test_both_ways(code: int, detail: str, lines: list[str]) -> None:
    if code // 100 not in (2, 4, 5):
        detail = ""
    reply = Reply(code, detail, "\n".join(lines))
    if detail or not any(line[:1] in "245" for line in lines):
        assert ReplyReader().feed(format_reply(reply)) == [reply]


def test_restart() -> None:
    (reply,) = ReplyReader().feed(format_reply(restart_at(123_456)))
    assert str(reply) == "355 123456 is the transaction offset"
    assert transaction_offset(reply) == 123_456
    for bad in (Reply(355, "", "soon"), Reply(355, "", "9" * 20), Reply(250, "", "1")):
        with pytest.raises(ReplyFormatError):
            transaction_offset(bad)


def test_what_was_fed_in_clear_is_discarded() -> None:
    reader = ReplyReader()
    reader.feed(b"220 go\r\n250-AUTH")
    idle = [reader.is_idle]
    reader.discard()
    idle.append(reader.is_idle)
    assert idle == [False, True]
    assert reader.feed(b"250 x\r\n") == [Reply(250, "", "x")]
