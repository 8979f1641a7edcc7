# SPDX-License-Identifier: Apache-2.0
"""Addresses: any text is an address or refused; one address has one spelling."""

from __future__ import annotations

import email.policy
from email.headerregistry import Address as TheirAddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.address import Address, AddressError, parse_address
from maild.mail.fields import addresses
from maild.mail.header import address_field

ATEXT = st.sampled_from("abzAZ09!#$%&'*+/=?^_`{|}~-é日")
DOT_STRING = st.lists(
    st.text(ATEXT, min_size=1, max_size=8), min_size=1, max_size=3
).map(".".join)
QUOTED = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
DOMAIN = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
GIVEN = st.builds(
    Address,
    DOT_STRING | QUOTED,
    DOMAIN | st.sampled_from(["[192.0.2.1]", "[ipv6:::1]"]),
).filter(lambda address: len(address.local.encode()) <= 64)


@given(st.text(max_size=80) | st.text('ab@."\\<>()[] ,:;\0\r\n', max_size=30))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        found = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(found)) == found
    assert not set(str(found)) & set("\r\n\0")


@given(GIVEN)
def test_an_address_is_read_as_it_is_written(address: Address) -> None:
    if address.domain.startswith("[ipv6"):
        address = Address(address.local, "[ipv6:::1]")
        assert parse_address(str(address).replace("[ipv6:", "[IPv6:")) == address
    else:
        assert parse_address(str(address)) == address


@given(GIVEN)
def test_base_and_tag_make_the_whole(address: Address) -> None:
    assert address.base.tag == ""
    assert address.base.base == address.base
    if address.tag:
        assert f"{address.base.local}+{address.tag}" == address.local


@given(GIVEN)
def test_case_makes_no_other_account(address: Address) -> None:
    assert Address(address.local.upper(), address.domain).key.casefold() == (
        Address(address.local.lower(), address.domain).key.casefold()
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "a", "a@", "@b", "a@b@c", '"a@b"@', '"a@b"c@d', "a b@c", "<a@b>",
        "a@b c", "a..b@c", ".a@b", "a.@b", "a@-b", "a@b-", "a@b..c", "a@.b", "a@b.",
        "a@b\r\n", "a\0@b", "a@b\u3002c", "a@b\uff0ec", "x@a>y@b", "a(c)@b", "a@b(c)",
        "a@[1.2.3.4", "a@[x]", '"a\rb"@c', "a" * 65 + "@b", "é" * 33 + "@b",
        "a@" + "b" * 64, "a@" + ".".join(["b" * 60] * 5), "@a,@b:c@d", "a!b@c d",
    ],
)  # fmt: skip
def test_not_an_address(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("A@B.Example", "A", "b.example"),
        ('"a@b"@c', "a@b", "c"),
        ('"a\\"b\\\\"@c', 'a"b\\', "c"),
        ("a%b@c", "a%b", "c"),
        ("a!b@c", "a!b", "c"),
        ("=?utf-8?q?x?=@c", "=?utf-8?q?x?=", "c"),
        ("bob@bücher.example", "bob", "xn--bcher-kva.example"),
        ("a@[IPv6:::1]", "a", "[ipv6:::1]"),
    ],
)
def test_an_address(text: str, local: str, domain: str) -> None:
    assert parse_address(text) == Address(local, domain)


@given(GIVEN.filter(lambda a: a.is_ascii and not a.is_literal and a.local != ""))
def test_the_standard_library_reads_the_same(address: Address) -> None:
    """One address means the same to us, to our ENVELOPE and to others (CWE-93)."""
    line = address_field("To", address).decode()
    assert addresses(line.removeprefix("To:")) == (
        (None, None, address.local, address.domain),
    )
    theirs = email.policy.SMTP.header_factory("To", line.removeprefix("To:").strip())
    found: tuple[TheirAddress, ...] = theirs.addresses
    assert [(a.username, a.domain) for a in found] == [(address.local, address.domain)]
