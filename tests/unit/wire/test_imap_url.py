# SPDX-License-Identifier: Apache-2.0
"""IMAP URLs: one message, of one user, at one host; nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.imap_url import ImapUrl, UrlError, parse_imap_url, parse_reference

NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters=";"), min_size=1
)


def test_the_url_of_the_documents() -> None:
    text = "imap://alice%40a.example@a.example/Library;UIDVALIDITY=7/;UID=12"
    found = parse_imap_url(text)
    assert found == ImapUrl("alice@a.example", "a.example", "Library", 12, 7)
    assert str(found) == text
    part = parse_imap_url(f"{text}/;SECTION=1.2")
    assert part.section == "1.2"
    assert str(part) == f"{text}/;SECTION=1.2"
    plain = parse_imap_url("IMAP://alice@A.example:993/Items/;uid=1")
    assert plain == ImapUrl("alice", "a.example", "Items", 1)


@given(NAMES, NAMES, st.integers(1, 2**32 - 1), st.none() | st.integers(1, 2**32 - 1))
def test_both_ways(user: str, mailbox: str, uid: int, validity: int | None) -> None:
    url = ImapUrl(user, "a.example", mailbox, uid, validity, "2")
    assert parse_imap_url(str(url)) == url
    assert str(url).isascii()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://a.example/",
        "imap://a.example/Library/;UID=1",
        "imap://alice@a.example/Library",
        "imap://alice@a.example/Library/;UID=x",
        "imap://alice@a.example/Library/;UID=1/;PARTIAL=0.10",
        "imap://alice@a.example/Library/;UID=1;URLAUTH=anonymous:internal:00",
        "imap://alice@bob@a.example/Library/;UID=1",
        "imap://alice%0D%0A@a.example/Library/;UID=1",
        "imap://alice%zz@a.example/Library/;UID=1",
        "imap://alice%ff@a.example/Library/;UID=1",
        "imap://alice;AUTH=*@a.example/Library/;UID=1",
        "imap://alice@[127.0.0.1]/Library/;UID=1",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UrlError):
        parse_imap_url(text)


@given(
    NAMES.filter(lambda name: not name.startswith("/")),
    st.integers(1, 2**32 - 1),
    st.tuples(st.integers(0, 2**63 - 1), st.none() | st.integers(0, 2**63 - 1)),
)
def test_references_both_ways(
    mailbox: str, uid: int, partial: tuple[int, int | None]
) -> None:
    path = ImapUrl("", "", mailbox, uid, 7, "1.2", partial)
    assert parse_reference(path.path) == path
    whole = ImapUrl("alice", "a.example", mailbox, uid, 7, "1.2", partial)
    assert parse_reference(str(whole)) == whole


def test_references_to_the_selected_mailbox() -> None:
    assert parse_reference(";UID=3/;SECTION=HEADER") == ImapUrl(
        "", "", "", 3, None, "HEADER"
    )
    for text in ("", "/", ";SECTION=1", "//a.example/x/;UID=1", "x/;UID=1", ";UID="):
        with pytest.raises(UrlError):
            parse_reference(text)


@given(st.text())
def test_any_text(text: str) -> None:
    for candidate in (text, f"imap://a@b/{text}/;UID=1"):
        try:
            found = parse_imap_url(candidate)
        except UrlError:
            continue
        assert found.mailbox.isprintable()
