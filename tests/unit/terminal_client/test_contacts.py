# SPDX-License-Identifier: GPL-3.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from maild.mail.address import parse_address
from terminal_client.contacts import Contact, Contacts
from terminal_client.errors import NoInputError, UsageError

BOB = parse_address("bob@b.example")
MALLORY = parse_address("mallory@evil.example")


@pytest.fixture
def contacts(tmp_path: Path) -> Contacts:
    return Contacts(tmp_path / "memory.sqlite")


def test_who_is_put_is_found_by_address_number_and_name(contacts: Contacts) -> None:
    bob = Contact(BOB, "Bob", "+14155550102", "rcs.example", 5.0)
    assert contacts.put(bob) == bob
    for which in ("bob@b.example", "BOB@B.EXAMPLE", "+14155550102", "bob", " Bob "):
        assert contacts.find(which) == bob
    assert contacts.by_address(parse_address("Bob@b.example")) == bob
    assert contacts.by_number("+14155550102") == bob
    assert contacts.everything() == [bob]


def test_what_is_not_said_stays(contacts: Contacts) -> None:
    contacts.put(Contact(BOB, "Bob", "", "", 5.0))
    put = contacts.put(Contact(BOB, "", "+14155550102", "rcs.example", 9.0))
    assert put == Contact(BOB, "Bob", "+14155550102", "rcs.example", 5.0)
    assert contacts.put(Contact(BOB, "Bobby", added=10.0)).number == "+14155550102"


def test_a_number_is_not_taken_from_its_owner(contacts: Contacts) -> None:
    contacts.put(Contact(BOB, "Bob", "+14155550102", "rcs.example"))
    with pytest.raises(UsageError, match="known as that of bob@b"):
        contacts.put(Contact(MALLORY, "Bob", "+14155550102", "rcs.example"))
    assert contacts.by_address(MALLORY) is None


def test_the_rendezvous_may_move_a_number(contacts: Contacts) -> None:
    contacts.put(Contact(BOB, "Bob", "+14155550102", "rcs.example"))
    new = parse_address("bob@c.example")
    contacts.put(Contact(new, "", "+14155550102", "rcs.example"), moves=True)
    moved = contacts.by_number("+14155550102")
    assert moved is not None
    assert moved.address == new
    old = contacts.by_address(BOB)
    assert old is not None
    assert (old.name, old.number, old.rendezvous) == ("Bob", "", "")


def test_no_name_stands_for_a_number_or_an_address(contacts: Contacts) -> None:
    contacts.put(Contact(MALLORY, "+14155550102"))
    contacts.put(Contact(parse_address("eve@evil.example"), "bob@b.example"))
    assert contacts.find("+14155550102") is None
    assert contacts.find("bob@b.example") is None


def test_a_name_of_two_is_not_guessed(contacts: Contacts) -> None:
    contacts.put(Contact(BOB, "Bob"))
    contacts.put(Contact(MALLORY, "bob"))
    with pytest.raises(UsageError, match="the name of several"):
        contacts.find("Bob")
    with pytest.raises(UsageError):
        contacts.forget("Bob")


def test_who_is_forgotten_is_gone(contacts: Contacts) -> None:
    contacts.put(Contact(BOB, "Bob"))
    assert contacts.forget("bob").address == BOB
    assert contacts.everything() == []
    with pytest.raises(NoInputError, match="there is no contact"):
        contacts.forget("bob")
