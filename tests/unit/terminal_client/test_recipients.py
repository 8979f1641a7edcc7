# SPDX-License-Identifier: GPL-3.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from maild.mail.address import parse_address
from terminal_client import recipients
from terminal_client.contacts import Contact, Contacts
from terminal_client.errors import UsageError

BOB = parse_address("bob@b.example")


@pytest.fixture
def contacts(tmp_path: Path) -> Contacts:
    found = Contacts(tmp_path / "memory.sqlite")
    found.put(Contact(BOB, "Bob B.", "+14155550102", "rcs.example"))
    return found


@pytest.mark.parametrize(
    "text", ["bob@b.example", "Bob B.", "bob b.", "+14155550102", " bob@b.example "]
)
def test_who_is_meant(contacts: Contacts, text: str) -> None:
    assert recipients.known(contacts, text) == BOB


async def test_several_in_order(contacts: Contacts) -> None:
    carol = parse_address("carol@c.example")
    found = await recipients.resolved(contacts, [carol, "Bob B.", "dave@d.example"])
    assert found == [carol, BOB, parse_address("dave@d.example")]


def test_nobody_is_guessed(contacts: Contacts) -> None:
    for text in ("Bob", "+14155550103", "", "eve"):
        with pytest.raises(UsageError, match="neither a mail address nor a contact"):
            recipients.known(contacts, text)


def test_addresses_are_checked_before_anybody_is_asked() -> None:
    recipients.check(["Bob", "bob@b.example", "+14155550102"])
    with pytest.raises(UsageError, match="is not a mail address"):
        recipients.check(["Bob", "bob@"])
