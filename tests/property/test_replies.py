# SPDX-License-Identifier: Apache-2.0
"""Replies: the class of the enhanced code is the class of the reply (RFC 2034 §4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maild.mail.reply import Reply

REPLIES = st.builds(
    Reply,
    st.integers(200, 599),
    st.from_regex(r"|[0-9]\.[0-9]{1,3}", fullmatch=True),
    st.text(max_size=40),
)


@given(REPLIES)
def test_the_codes_agree(reply: Reply) -> None:
    if reply.detail:
        assert reply.status[0] == str(reply.code)[0]
        assert str(reply).startswith(f"{reply.code} {reply.status}")
    else:
        assert reply.status == ""


@given(REPLIES)
def test_a_reply_is_one_of_three(reply: Reply) -> None:
    assert reply.is_positive + reply.is_temporary + reply.is_permanent == 1


@given(REPLIES, st.text(max_size=20))
def test_another_text_keeps_the_codes(reply: Reply, text: str) -> None:
    other = reply.with_text(text)
    assert (other.code, other.detail, other.text) == (reply.code, reply.detail, text)
