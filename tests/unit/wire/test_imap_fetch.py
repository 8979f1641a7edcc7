# SPDX-License-Identifier: Apache-2.0
"""What FETCH's grammar gives, and what it refuses."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_fetch import (
    Binary,
    BinarySize,
    Fact,
    FetchItems,
    Partial,
    Section,
    parse_fetch,
)


def parsed(text: str) -> FetchItems:
    return parse_fetch(Cursor(text.encode()))


def test_macros_stand_for_their_items() -> None:
    fast = (Fact("FLAGS"), Fact("INTERNALDATE"), Fact("RFC822.SIZE"))
    assert parsed("FAST").items == fast
    assert parsed("all").items == (*fast, Fact("ENVELOPE"))
    assert parsed("FULL").items == (*fast, Fact("ENVELOPE"), Fact("BODY"))


def test_a_macro_is_not_an_item_of_a_list() -> None:
    with pytest.raises(BadError):
        parsed("(FAST UID)")


def test_facts_do_not_need_the_content() -> None:
    items = parsed("(UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ EMAILID)")
    assert not items.needs_content
    assert not items.sets_seen
    assert items.names("UID")


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("BODY[]", Section((), "", peek=False, label="BODY[]")),
        ("BODY.PEEK[]", Section((), "", label="BODY[]")),
        ("BODY.PEEK[1.2]", Section((1, 2), "", label="BODY[1.2]")),
        ("body.peek[2.header]", Section((2,), "HEADER", label="BODY[2.HEADER]")),
        ("BODY.PEEK[1.MIME]", Section((1,), "MIME", label="BODY[1.MIME]")),
        ("BODY.PEEK[TEXT]", Section((), "TEXT", label="BODY[TEXT]")),
        (
            "BODY.PEEK[]<40000000000.1048576>",
            Section((), "", partial=Partial(40000000000, 1048576), label="BODY[]"),
        ),
        (
            'BODY.PEEK[HEADER.FIELDS (From "Share-Number")]',
            Section(
                (),
                "HEADER.FIELDS",
                (b"From", b"Share-Number"),
                label="BODY[HEADER.FIELDS (From Share-Number)]",
            ),
        ),
        (
            "BODY.PEEK[3.HEADER.FIELDS.NOT (Bcc)]<0.5>",
            Section(
                (3,),
                "HEADER.FIELDS.NOT",
                (b"Bcc",),
                Partial(0, 5),
                label="BODY[3.HEADER.FIELDS.NOT (Bcc)]",
            ),
        ),
        ("RFC822", Section((), "", peek=False, label="RFC822")),
        ("RFC822.HEADER", Section((), "HEADER", label="RFC822.HEADER")),
        ("RFC822.TEXT", Section((), "TEXT", peek=False, label="RFC822.TEXT")),
    ],
)
def test_sections(text: str, section: Section) -> None:
    assert parsed(text).items == (section,)
    assert parsed(f"({text})").items == (section,)


def test_binary() -> None:
    assert parsed("(BINARY.PEEK[2]<7.9> BINARY[1.2] BINARY.SIZE[3])").items == (
        Binary((2,), Partial(7, 9), label="BINARY[2]"),
        Binary((1, 2), peek=False, label="BINARY[1.2]"),
        BinarySize((3,), "BINARY.SIZE[3]"),
    )


def test_what_is_not_a_peek_sets_seen() -> None:
    assert parsed("BINARY[1]").sets_seen
    assert parsed("(UID BODY[])").sets_seen
    assert not parsed("(UID BODY.PEEK[] BINARY.SIZE[1] RFC822.HEADER)").sets_seen


def test_changed_since_asks_for_the_mod_sequence() -> None:
    items = parsed("(FLAGS) (CHANGEDSINCE 17 VANISHED)")
    assert items.changed_since == 17
    assert items.vanished
    assert items.names("MODSEQ")


def test_an_item_twice_is_answered_once() -> None:
    assert parsed("(UID UID FLAGS)").items == (Fact("UID"), Fact("FLAGS"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "(UID",
        "UID)",
        "(UID  FLAGS)",
        "BODY[",
        "BODY[1.]",
        "BODY[0]",
        "BODY[MIME]",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS ()]",
        "BODY[]<5>",
        "BODY[]<5.0>",
        "BODY[]<99999999999999999999.1>",
        "BODYSTRUCTURE[]",
        "BINARY[TEXT]",
        "BINARY",
        "FLAGS (VANISHED)",
        "FLAGS extra",
        "BODY[" + ".".join(["1"] * 200) + "]",
        "(" + " ".join(["UID"] * 300) + ")",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(BadError):
        parsed(text)


@given(st.binary(max_size=60))
def test_any_octets_give_items_or_an_error(octets: bytes) -> None:
    with suppress(BadError):
        assert parse_fetch(Cursor(octets)).items


@given(
    st.text(alphabet="BODYINARPEKFLGSU.[]()<>0123456789 HEADTXM", max_size=40).map(
        str.encode
    )
)
def test_any_letters_of_its_own_give_items_or_an_error(octets: bytes) -> None:
    with suppress(BadError):
        assert parse_fetch(Cursor(octets)).items
