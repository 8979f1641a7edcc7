# SPDX-License-Identifier: Apache-2.0
"""What the MIME reader makes of parts: blobs, texts, facts, and where it can go on."""

from __future__ import annotations

import email
import email.policy
from email.message import Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.wire import mime
from maild.wire.mime import MessageReader
from tests.unit.wire.messages import HEAD, MESSAGES, PDF, coded, lines, part_of
from tests.unit.wire.rendering import Piece, carry_out, read


@pytest.mark.parametrize("size", [0, 1, 2, 3, 55, 56, 57, 58, 114, 115, 5000])
@pytest.mark.parametrize("closed", [b"", b"\r\n"])
def test_canonical_base64_becomes_its_content(size: int, closed: bytes) -> None:
    octets = bytes(size % 251 for _ in range(size))
    message = part_of(coded(octets).removesuffix(b"\r\n") + closed)
    result = read(message, range(0, len(message), 7))
    part = result.root.children[0]
    if size or not closed:
        assert result.content(part) == octets
        assert part.decoded_size == size
    assert result.rendering == message


@pytest.mark.parametrize(
    "content",
    [
        coded(PDF[:57]) + b"not base64",
        coded(PDF[:57]) + coded(PDF[:10]) + coded(PDF[:57]),
        coded(PDF[:56]) + coded(PDF[:57]),
        coded(PDF[:200]) + b"\r\nfooter",
        coded(PDF[:114]) + b"\r\n",
        coded(PDF[:570]).replace(b"\r\n", b"\n"),
        coded(PDF[:57])[:60] + b" " + coded(PDF[:57])[60:],
        b"QUI=" * 19,
        b"QUJ=",
        b"QUI",
        b"\xff" * 500,
        coded(PDF) + b"x" * 200_000,
    ],
)
def test_other_base64_is_kept_as_it_came(content: bytes) -> None:
    message = part_of(content)
    for cuts in ((), range(0, len(message), 50), range(300, 500)):
        result = read(message, cuts)
        assert result.rendering == message
        part = result.root.children[0]
        assert result.body(part) == content
        assert part.decoded_size is None


def test_split_base64_is_no_single_blob() -> None:
    result = read(part_of(coded(PDF[:570]) + b"no base64"))
    assert [piece.is_blob for piece in result.pieces] == [False, True, False]
    assert result.root.children[0].blob is None


def test_a_size_is_expected() -> None:
    result = read(MESSAGES["mixed"])
    assert [piece.expected for piece in result.pieces] == [None, 10240, None]
    assert result.content(result.root.children[1]) == PDF


@pytest.mark.parametrize(
    "content", [b"", b"x", PDF, b"\r\n--b\0\r\n--b2\r\n", b"\r\n" * 99]
)
def test_binary_parts_are_raw_and_shown_as_base64(content: bytes) -> None:
    message = part_of(content, b" BINARY (really)")
    result = read(message, range(0, len(message), 11), binary=True)
    part = result.root.children[0]
    assert result.content(part) == content
    assert (part.encoding, part.decoded_size) == ("base64", len(content))
    theirs = email.message_from_bytes(result.rendering, policy=email.policy.SMTP)
    inner = theirs.get_payload(0)
    assert isinstance(inner, Message)
    assert inner.get_payload(decode=True) == content
    assert inner["Content-Transfer-Encoding"] == "base64"


def test_only_the_encodings_line_is_rewritten() -> None:
    head = lines(
        b"X-A:   odd  ",
        b"content-transfer-encoding:",
        b"\tbinary",
        b"X-B: folded",
        b"  twice",
        b"Content-Type: video/mp4",
        b"",
    )
    result = read(head + b"\0\r\n\xff", binary=True)
    wanted = head.replace(
        b"content-transfer-encoding:\r\n\tbinary", b"content-transfer-encoding: base64"
    )
    assert result.rendering == wanted + b"AA0K/w==\r\n"
    assert result.root.size == 10


def test_binary_text_is_shown_as_base64() -> None:
    small = read(
        part_of(b"a\nb", b"binary").replace(b"application/pdf", b"text/plain"),
        binary=True,
    )
    part = small.root.children[0]
    assert part.blob is None
    assert small.body(part) == b"YQpi"
    large = read(
        part_of(b"a\n" * 50_000, b"binary").replace(b"application/pdf", b"text/plain"),
        binary=True,
    )
    assert large.content(large.root.children[0]) == b"a\n" * 50_000


def test_a_multipart_that_says_binary_says_8bit() -> None:
    message = HEAD + lines(
        b"Content-Type: multipart/mixed; boundary=b1",
        b"Content-Transfer-Encoding: binary",
        b"",
        b"--b1",
        b"",
        b"text",
        b"--b1--",
    )
    result = read(message, binary=True)
    assert result.root.encoding == "8bit"
    assert b"Content-Transfer-Encoding: 8bit\r\n" in result.rendering
    assert read(message).rendering == message


def test_large_texts_become_raw_blobs() -> None:
    text = b"a line\r\n" * 20_000
    result = read(HEAD + b"\r\n" + text)
    assert result.content(result.root) == text
    assert result.root.lines == 20_000
    assert result.root.decoded_size == len(text)


def test_constants_are_bounded_together() -> None:
    part = lines(b"--b1", b"", b"x" * 60_000)
    head = HEAD + lines(b"Content-Type: multipart/mixed; boundary=b1", b"")
    result = read(head + part * 100)
    constants = sum(len(p.octets) for p in result.pieces if not p.is_blob)
    assert constants < mime.ALL_SMALL + mime.SMALL + 10_000
    assert result.rendering == head + part * 100


def test_message_inside_has_an_envelope() -> None:
    inner = read(MESSAGES["message inside"]).root.children[0]
    assert inner.envelope is not None
    assert inner.envelope[1] == "inner"
    assert inner.envelope[2] == ((None, None, "carol", "c.example"),)
    assert inner.children[0].type == "multipart"
    body = MESSAGES["message inside"][inner.body_start : inner.body_end]
    assert inner.lines == body.count(b"\n")


def test_parameters_are_decoded() -> None:
    root = read(MESSAGES["folded header"]).root
    assert dict(root.params) == {
        "charset": "utf-8",
        "name": "😀 x",
        "comment": 'a;b"c',
    }


FACTS = b'{"maild": 1}'


@pytest.mark.parametrize(
    ("encoding", "octets"),
    [
        (b"7bit", FACTS),
        (b"base64", b"eyJtYWlsZCI6IDF9"),
        (b"quoted-printable", b'{"maild"=3A 1}'),
        (b"binary", FACTS),
    ],
)
def test_facts_are_decoded(encoding: bytes, octets: bytes) -> None:
    message = part_of(octets, encoding).replace(
        b"application/pdf", b"application/vnd.maild+json"
    )
    assert read(message).reader.facts == FACTS
    assert read(message, binary=True).reader.facts == FACTS


def test_facts_of_an_attached_message_are_not_the_messages() -> None:
    inner = part_of(FACTS, b"7bit").replace(
        b"application/pdf", b"application/vnd.maild+json"
    )
    message = lines(b"Content-Type: message/rfc822", b"") + inner
    assert read(message).reader.facts is None


def test_top_level_fields_are_known_once_they_have_passed() -> None:
    reader = MessageReader(binary=False)
    reader.feed(memoryview(b"Subject: a\r\n b\r\nShare-Number: 001\r\n"))
    assert reader.header("Subject") is None
    reader.feed(memoryview(b"\r\n"))
    assert reader.header("subject") == "a b"
    assert reader.header("SHARE-NUMBER") == "001"
    assert reader.header("X-None") is None


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 150), st.integers(0, 150))
def test_a_restart_goes_on_in_the_middle(done: int, feed: int) -> None:
    """A new process has the octets in front of the blob, and the blob's first ones."""
    content = b"\r\n--b\r" * 25
    message = part_of(content, b"binary")
    start = message.index(content)
    first = MessageReader(binary=True)
    first.feed(memoryview(message)[: start + feed])
    assert first.raw_start == start
    reader = MessageReader(binary=True)
    pieces: list[Piece] = []
    carry_out(pieces, reader.feed(memoryview(message)[: reader_start(first)]))
    pieces[-1].octets += content[:done]
    reader.skip(done)
    carry_out(pieces, reader.feed(memoryview(message)[start + done :]))
    carry_out(pieces, reader.finish())
    whole = read(message, binary=True)
    assert pieces == whole.pieces
    assert reader.structure == whole.structure


def reader_start(reader: MessageReader) -> int:
    assert reader.raw_start is not None
    return reader.raw_start


def test_only_a_raw_blob_can_be_gone_on_with() -> None:
    reader = MessageReader(binary=True)
    assert reader.raw_start is None
    with pytest.raises(ValueError, match="no raw blob"):
        reader.skip(1)
    reader.feed(memoryview(HEAD + b"\r\ntext"))
    assert reader.raw_start is None


def test_one_constant_step_is_one_piece() -> None:
    reader = MessageReader(binary=False)
    steps = [
        step
        for octet in MESSAGES["mixed"]
        for step in reader.feed(memoryview(bytes([octet])))
    ] + reader.finish()
    kinds = [type(s).__name__ for s in steps if not isinstance(s, mime.BlobOctets)]
    assert kinds == ["Constant", "BlobStart", "BlobEnd", "Constant"]
