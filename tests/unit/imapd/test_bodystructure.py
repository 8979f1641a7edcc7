# SPDX-License-Identifier: Apache-2.0
"""ENVELOPE and BODYSTRUCTURE, read back by a strict reader."""

from __future__ import annotations

from maild.imapd.bodystructure import body, envelope
from maild.mail.structure import Part
from tests.unit.imapd.strict import read_value

ALICE = ("Alice", None, "alice", "a.example")
ENVELOPE = ("d", "s", (ALICE,), None, (), (ALICE, ALICE), None, (), None, "<m@a>")


def text(**facts: object) -> Part:
    given = {
        "type": "text",
        "subtype": "plain",
        "params": (("charset", "utf-8"),),
        "encoding": "7bit",
        "header_start": 0,
        "body_start": 10,
        "body_end": 40,
        "lines": 3,
        **facts,
    }
    return Part(**given)  # type: ignore[arg-type] # each test gives what it is about


def shown(part: Part, *, extended: bool = True, rev2: bool = False) -> object:
    return read_value(body(part, extended=extended, rev2=rev2))


def test_envelope_takes_sender_and_reply_to_from_the_author() -> None:
    address = (b"Alice", None, b"alice", b"a.example")
    assert read_value(envelope(ENVELOPE)) == (
        b"d",
        b"s",
        (address,),
        (address,),
        (address,),
        (address, address),
        None,
        None,
        None,
        b"<m@a>",
    )


def test_an_empty_message_has_an_envelope() -> None:
    assert read_value(envelope((None,) * 10)) == (None,) * 10


def test_what_does_not_fit_a_quoted_string_is_a_literal() -> None:
    fields = ('a"b\\c', "Grüße\r\n", *ENVELOPE[2:-1], "nul\0")
    found = read_value(envelope(fields))
    assert found[0] == b'a"b\\c'
    assert found[1] == "Grüße\r\n".encode()
    assert found[-1] == b"nul"


def test_text() -> None:
    plain = (b"TEXT", b"PLAIN", (b"CHARSET", b"utf-8"), None, None, b"7BIT", 30, 3)
    assert shown(text(), extended=False) == plain
    assert shown(text()) == (*plain, None, None, None, None)


def test_attachment_with_a_foreign_name() -> None:
    found = shown(
        text(
            type="application",
            subtype="pdf",
            params=(),
            encoding="base64",
            content_id="<c@a>",
            description="the thing",
            disposition="attachment",
            disposition_params=(("filename", "Äpfel 1.pdf"), ("size", "5")),
            language=("de", "en"),
            location="http://a.example/",
            md5="Q2hlY2s=",
        )
    )
    assert found == (
        b"APPLICATION",
        b"PDF",
        None,
        b"<c@a>",
        b"the thing",
        b"BASE64",
        30,
        b"Q2hlY2s=",
        (
            b"attachment",
            (b"FILENAME*", b"utf-8''%C3%84pfel%201.pdf", b"SIZE", b"5"),
        ),
        (b"de", b"en"),
        b"http://a.example/",
    )


def test_multipart() -> None:
    part = text(
        type="multipart",
        subtype="mixed",
        params=(("boundary", "b"),),
        children=(text(), text(subtype="html", language=("de",))),
    )
    plain, html = shown(text()), shown(text(subtype="html", language=("de",)))
    assert shown(part) == (plain, html, b"MIXED", (b"BOUNDARY", b"b"), *(None,) * 3)
    bare = shown(part, extended=False)
    assert isinstance(bare, tuple)
    assert bare[2:] == (b"MIXED",)


def test_a_multipart_without_parts_still_fits_the_grammar() -> None:
    found = shown(text(type="multipart", subtype="mixed"), extended=False)
    assert isinstance(found, tuple)
    assert isinstance(found[0], tuple)
    assert found[1] == b"MIXED"


def test_a_message_inside() -> None:
    part = text(
        type="message",
        subtype="rfc822",
        params=(),
        envelope=ENVELOPE,
        children=(text(),),
        lines=9,
    )
    found = shown(part, extended=False)
    assert isinstance(found, tuple)
    assert found[:2] == (b"MESSAGE", b"RFC822")
    assert found[7] == read_value(envelope(ENVELOPE))
    assert found[8] == shown(text(), extended=False)
    assert found[9] == 9


def test_a_message_that_could_not_be_opened_is_octets() -> None:
    found = shown(text(type="message", subtype="rfc822", encoding="base64"))
    assert isinstance(found, tuple)
    assert found[:2] == (b"APPLICATION", b"OCTET-STREAM")


def test_delivery_status_is_no_inner_message() -> None:
    found = shown(text(type="message", subtype="delivery-status"), extended=False)
    assert isinstance(found, tuple)
    assert found[:2] == (b"MESSAGE", b"DELIVERY-STATUS")
    assert len(found) == 7


def test_large_numbers_only_for_those_who_can_read_them() -> None:
    huge = text(type="video", subtype="mp4", body_end=2**40 + 10)
    old, new = shown(huge), shown(huge, rev2=True)
    assert isinstance(old, tuple)
    assert isinstance(new, tuple)
    assert old[6] == 2**32 - 1
    assert new[6] == 2**40
