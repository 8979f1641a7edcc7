# SPDX-License-Identifier: GPL-3.0-only
"""Whom people mean when they send; those that a rendezvous asks are in the flows."""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.mail.address import parse_address
from terminal_client import people
from terminal_client.contacts import Contact
from terminal_client.errors import SetUpError, UsageError
from terminal_client.people import Addressee, People
from terminal_client.profile import Place, Profile

BOB, CAROL = parse_address("bob@b.example"), parse_address("carol@c.example")


@pytest.fixture
def known(tmp_path: Path) -> People:
    """Return the people of alice, who has met bob."""
    place = Place("a.example", 1)
    alice = parse_address("alice@a.example")
    found = People(Profile(tmp_path, alice, place, place))
    found.contacts.put(Contact(BOB, "Bob B.", "+14155550102", "rcs.example"))
    return found


def log_in(known: People, number: str) -> None:
    profile = known.contacts._path.parent / "number" / "profile.toml"
    profile.parent.mkdir()
    profile.write_text(f'address = "{number}"\nsubmission = "r:1"\nimap = "r:2"\n')


@pytest.mark.parametrize(
    "text",
    ["bob@b.example", "Bob B.", "bob b.", "+14155550102", "+1 415-555-0102", " Bob B."],
)
async def test_who_is_meant(known: People, text: str) -> None:
    assert await known.meant([text]) == [Addressee(BOB)]


async def test_several_in_order(known: People) -> None:
    found = await known.meant([CAROL, "Bob B.", Addressee(BOB, "x"), "d@d.example"])
    dave = parse_address("d@d.example")
    wanted = [Addressee(CAROL), Addressee(BOB), Addressee(BOB, "x"), Addressee(dave)]
    assert found == wanted


@pytest.mark.parametrize("text", ["Bob", "", "eve"])
async def test_nobody_is_guessed(known: People, text: str) -> None:
    with pytest.raises(UsageError, match="neither a mail address nor a contact"):
        await known.meant([text])


async def test_a_number_that_is_not_known_takes_a_rendezvous(known: People) -> None:
    for text in ("+14155550103", "+14155550103@rcs.example"):
        with pytest.raises(SetUpError, match="mshare number login"):
            await known.meant([text])
    assert await known.meant(["+14155550102@rcs.example"]) == [Addressee(BOB)]
    with pytest.raises(UsageError, match="cannot be called"):
        await known.meant(["+999"])


@pytest.mark.parametrize(
    ("own", "via"),
    [("+14155550101@rcs.example", "rcs.example"), ("+14155550101@other.example", "")],
)
async def test_a_contact_of_the_same_rendezvous_is_reached_by_it(
    known: People, own: str, via: str
) -> None:
    log_in(known, own)
    assert await known.meant(["Bob B."]) == [Addressee(BOB, via)]


def test_addresses_are_checked_before_anybody_is_asked() -> None:
    people.check(["Bob", "bob@b.example", "+14155550102", "+1 415 5550102@r.example"])
    with pytest.raises(UsageError, match="is not a mail address"):
        people.check(["Bob", "bob@"])
