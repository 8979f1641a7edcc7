# SPDX-License-Identifier: GPL-3.0-only
"""A URI says the same person to everybody; whatever else a camera reads is refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maild.mail.address import AddressError, parse_address
from terminal_client import contact_uri
from terminal_client.contact_uri import LONGEST, UriError
from terminal_client.contacts import Contact

BOB = parse_address("bob@b.example")

plain = st.characters(codec="utf-8").filter(str.isprintable)
names = (
    st.text(plain, max_size=30)
    .map(lambda text: unicodedata.normalize("NFC", text).strip()[:30].strip())
    .filter(lambda text: "@" not in text and not text.startswith("+"))
)
locals_ = st.text(plain, min_size=1, max_size=12)
domains = st.sampled_from(["b.example", "localhost", "bücher.example", "xn--a.example"])
numbers = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)


@st.composite
def contacts(draw: st.DrawFn) -> Contact:
    try:
        address = parse_address(f"{draw(locals_)}@{draw(domains)}")
    except AddressError:
        address = BOB
    if draw(st.booleans()):
        return Contact(address, draw(names))
    return Contact(address, draw(names), draw(numbers), "rcs.example")


@given(contacts())
@example(Contact(parse_address('"a b&c?d=e"@b.example'), "A & B = C? #1 100%"))
@example(Contact(parse_address("bob+tag@b.example"), "Bob+Tag"))
def test_what_is_written_is_read(contact: Contact) -> None:
    uri = contact_uri.write(contact)
    assert uri.isascii()
    assert " " not in uri
    if len(uri) <= LONGEST:
        assert contact_uri.read(uri) == contact
        assert contact_uri.write(contact_uri.read(uri)) == uri


@given(st.text(max_size=60) | st.text("maild:@?&=%+#/.aB0\x00\u202e ", max_size=60))
def test_anything_else_is_refused_in_one_way(text: str) -> None:
    for candidate in (text, f"maild:{text}", f"maild:bob@b.example?{text}"):
        try:
            found = contact_uri.read(candidate)
        except UriError:
            continue
        for value in (found.name, str(found.address)):
            assert "\n" not in value
            assert "\u202e" not in value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is not"),
        ("mailto:bob@b.example", "it is not"),
        ("maild://bob@b.example", "it is not"),
        ("maild:bob@b.example#x", "it is not"),
        ("maild:bob@b.example?", "it is not"),
        ("maild:bob@b.example?name", "it is not"),
        ("maild:bob@b.example?name=A&", "it is not"),
        ("maild:bob@b.example?name=a b", "it is not"),
        ("maild:bob@b.example?name=%zz", "it is not"),
        ("maild:bob@b.example?Name=Bob", "it is not"),
        (" maild:bob@b.example", "it is not"),
        ("maild:bob@b.example\n", "it is not"),
        ("maild:bob", "mail address is none"),
        ("maild:bob@[127.0.0.1]", "it is not"),
        ("maild:bob@%5B127.0.0.1%5D", "has no domain"),
        ("maild:bob%0D%0A@b.example", "mail address is none"),
        ("maild:b%E2%80%AEob@b.example", "nobody can see"),
        ("maild:bob@b.example?name=%FF", "not UTF-8"),
        ("maild:bob@b.example?name=a%0Ab", "nobody can see"),
        ("maild:bob@b.example?name=%E2%80%AEmoc", "nobody can see"),
        ("maild:bob@b.example?name=%20Bob", "nobody can see"),
        ("maild:bob@b.example?name=A&name=B", "twice"),
        ("maild:mallory@e.example?name=%2B14155550102", "an address or a number"),
        ("maild:mallory@e.example?name=bob%40b.example", "an address or a number"),
        ("maild:bob@b.example?number=%2B14155550102", "come together"),
        ("maild:bob@b.example?rendezvous=rcs.example", "come together"),
        ("maild:bob@b.example?number=4155&rendezvous=r.example", "not like"),
        ("maild:bob@b.example?number=%2B14155550102&rendezvous=r/e", "it is not"),
        ("maild:bob@b.example?number=%2B14155550102&rendezvous=-", "address is none"),
        (f"maild:bob@b.example?name={'a' * 101}", "longer than 100"),
        (f"maild:bob@b.example?name={'a' * 1000}", "longer than 1000"),
    ],
)
def test_what_is_refused_says_why(text: str, why: str) -> None:
    with pytest.raises(UriError, match=why):
        contact_uri.read(text)


def test_what_a_later_version_says_is_passed_over() -> None:
    found = contact_uri.read("MAILD:Bob@B.example?name=Bob%20B.&colour=red")
    assert found == Contact(parse_address("Bob@b.example"), "Bob B.")


def test_a_card_as_it_is_printed() -> None:
    contact = Contact(BOB, "Bob", "+14155550102", "rcs.example")
    assert contact_uri.write(contact) == (
        "maild:bob@b.example?name=Bob&number=%2B14155550102&rendezvous=rcs.example"
    )
