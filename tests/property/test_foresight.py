# SPDX-License-Identifier: Apache-2.0
"""What is foreseen of a message is what becomes of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maild.mail.address import Address
from maild.mail.compose import (
    Facts,
    ItemFacts,
    push_frame,
    push_tail,
    upload_head,
    with_digest,
)
from maild.wire.mime import MessageReader
from maild.wire.mime_foresight import Front

ALICE = Address("alice", "a.example")
FACTS = Facts("one@a.example", 1e9, "0123456789abcdef")
OURS = b"Return-Path: <alice@a.example>\r\nShare-Item: one\r\n"
names = st.text(min_size=1, max_size=40)
types = st.sampled_from(["text/plain", "video/mp4", "message/rfc822", "?", "a/b"])


def whole(front: bytes, octets: bytes, tail: bytes) -> MessageReader:
    reader = MessageReader(binary=True)
    reader.feed(memoryview(front + octets + tail))
    reader.finish()
    return reader


@given(names, types, st.binary(min_size=1, max_size=500))
def test_a_push_becomes_what_was_foreseen(name: str, type_: str, octets: bytes) -> None:
    item = ItemFacts("one", name, type_, len(octets), None, ALICE)
    head, tail = push_frame(item, "b-1", FACTS)
    front = Front(OURS + head)
    behind = push_tail(front.boundary, front.header("Share-Type") or "", len(octets))
    assert len(behind) == len(tail)
    foreseen = front.foresee(len(octets), behind)
    reader = whole(OURS + head, octets, with_digest(tail, "ab" * 32))
    assert foreseen.structure == reader.structure


@given(names, types, st.binary(min_size=1, max_size=500))
def test_an_upload_becomes_what_was_foreseen(
    name: str, type_: str, octets: bytes
) -> None:
    item = ItemFacts("", name, type_, len(octets), None, None)
    head = upload_head(
        item, number="001", code="Aaa", account=ALICE, facts=FACTS, terminal="t"
    )
    foreseen = Front(OURS + head).foresee(len(octets), b"")
    assert foreseen.structure == whole(OURS + head, octets, b"").structure
