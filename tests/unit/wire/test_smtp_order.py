# SPDX-License-Identifier: Apache-2.0
"""Replies stay in order, whenever they become known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.smtp_order import (
    ExpectedReplies,
    OrderedReplies,
    UnexpectedReplyError,
)


@given(st.permutations(range(6)))
def test_written_in_order_whenever_known(order: list[int]) -> None:
    replies = OrderedReplies()
    slots = [replies.reserve() for _ in order]
    written = b""
    for number in order:
        slots[number].octets = b"%d" % number
        written += replies.take()
        assert b"012345".startswith(written)
    assert written == b"012345"
    assert len(replies) == 0


def test_a_known_reply_waits_for_an_unknown_one() -> None:
    replies = OrderedReplies()
    slot = replies.reserve()
    replies.add(b"b")
    assert replies.take() == b""
    assert len(replies) == 2
    slot.octets = b"a"
    assert replies.take() == b"ab"


def test_replies_find_their_commands() -> None:
    expected: ExpectedReplies[str] = ExpectedReplies()
    expected.expect("MAIL")
    expected.expect("RCPT")
    assert expected.answered(250) == "MAIL"
    assert len(expected) == 1
    assert expected.drain() == ["RCPT"]
    assert expected.answered(421) is None
    with pytest.raises(UnexpectedReplyError):
        expected.answered(250)
