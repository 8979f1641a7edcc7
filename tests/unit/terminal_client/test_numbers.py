# SPDX-License-Identifier: GPL-3.0-only
"""Which number somebody means, and that a number is asked once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from terminal_client import numbers, profile
from terminal_client.asked import LIFETIME, Asked
from terminal_client.errors import SetUpError, UsageError
from terminal_client.people import Addressee, People
from terminal_client.profile import Place, Profile

OWN = parse_address("+14155550101@rcs.example")
OTHER = parse_address("+14155550102@rcs.example")


@pytest.fixture
def who(tmp_path: Path) -> Profile:
    place = Place("127.0.0.1", 1)
    return Profile(tmp_path, parse_address("alice@a.example"), place, place)


@pytest.fixture
def number(who: Profile) -> Profile:
    found = replace(who, directory=who.directory / numbers.DIRECTORY, address=OWN)
    profile.save(found)
    return found


def test_a_number_is_a_second_profile_inside_the_first(
    who: Profile, number: Profile
) -> None:
    assert numbers.load(who) == number
    assert (number.directory.stat().st_mode & 0o777) == 0o700
    os.unlink(number.directory / "profile.toml")  # noqa: PTH108 # as a logout does
    assert numbers.load(who) is None
    with pytest.raises(SetUpError, match="mshare number login"):
        numbers.must_load(who)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("+1 (415) 555-0102", OTHER),
        ("+14155550102@rcs.example", OTHER),
        ("+1 415 555 0102@RCS.example", OTHER),
        ("+14155550102@b.example", None),
        ("bob@b.example", None),
    ],
)
def test_what_is_meant(number: Profile, typed: str, meant: object) -> None:
    assert numbers.meant(typed, number) == meant


def test_what_cannot_be_meant(number: Profile) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        numbers.meant("+1415", number)
    with pytest.raises(UsageError, match="cannot be called"):
        numbers.meant("bob@rcs.example", number)
    with pytest.raises(SetUpError, match="no number is logged in"):
        numbers.meant("+14155550102", None)
    with pytest.raises(UsageError, match="says no rendezvous"):
        numbers.of_rendezvous("+14155550102")
    assert numbers.of_rendezvous("+1 415 5550102@RCS.example") == OTHER


async def test_mail_addresses_need_no_rendezvous(who: Profile) -> None:
    people = People(who)
    bob = parse_address("bob@b.example")
    known = Addressee(bob, "rcs.example")
    found = await people.meant(["bob@b.example", bob, known])
    assert found == [Addressee(bob), Addressee(bob), known]
    with pytest.raises(SetUpError):
        await people.meant(["+14155550102"])


def test_a_request_stays_the_same_until_it_is_answered(tmp_path: Path) -> None:
    asked = Asked(tmp_path / "memory.sqlite")
    first = asked.request(OWN, OTHER, 1000)
    assert Asked(tmp_path / "memory.sqlite").request(OWN, OTHER, 2000) == first
    assert (first.created, first.expires) == (1000, 1000 + LIFETIME)
    assert len(first.nonce) == 32
    asked.forget(first)
    second = asked.request(OWN, OTHER, 3000)
    assert (second.id, second.nonce) != (first.id, first.nonce)
    third = asked.request(OWN, OTHER, 3000 + LIFETIME)
    assert third.id != second.id
    assert asked.request(OTHER, OWN, 3000).id not in {first.id, second.id, third.id}
