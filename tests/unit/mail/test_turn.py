# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from maild.mail.address import parse_address
from maild.mail.turn import Claim, End, claim, parse_claim, password

ALICE = parse_address("alice@a.example")
BOB = parse_address("bob@b.example")
OTHER = parse_address("bob@c.example")


def test_a_name_is_read_as_it_was_written() -> None:
    for end in End:
        named = claim("nonce", "offer-0001", ALICE, BOB, end)
        assert parse_claim(str(named)) == named


def test_a_name_shows_no_address() -> None:
    named = str(claim("nonce", "offer-0001", ALICE, BOB, End.SOURCE))
    assert "alice" not in named
    assert "example" not in named


def test_everything_counts() -> None:
    """Another secret, offer, address or end has another password; names differ, too."""
    others = [
        ("nonce", "offer-0001", ALICE, BOB, End.SOURCE),
        ("other", "offer-0001", ALICE, BOB, End.SOURCE),
        ("nonce", "offer-0002", ALICE, BOB, End.SOURCE),
        ("nonce", "offer-0001", BOB, ALICE, End.SOURCE),
        ("nonce", "offer-0001", ALICE, OTHER, End.SOURCE),
        ("nonce", "offer-0001", ALICE, BOB, End.DESTINATION),
    ]
    assert len({password(*each) for each in others}) == len(others)
    assert len({str(claim(*each)) for each in others}) == len(others)


def test_spellings_of_one_address_are_one() -> None:
    shouted = parse_address("ALICE@A.EXAMPLE")
    about = "offer-0001", shouted, BOB, End.SOURCE
    assert password("nonce", *about) == password(
        "nonce", "offer-0001", ALICE, BOB, End.SOURCE
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "alice@a.example",
        "short/abcdefghijklmnop/source",
        "offer-0001/abcdefghijklmnop/relay",
        "offer-0001/ABCDEFGHIJKLMNOP/source",
        "offer-0001/abcdefghijklmnop/source/x",
        "offer-0001/abcdefghijklmnop/source\n",
        "../../../../abcdefghijklmnop/source",
    ],
)
def test_other_names_are_nobody(name: str) -> None:
    assert parse_claim(name) is None


def test_the_other_end() -> None:
    assert End.SOURCE.other is End.DESTINATION
    assert End.DESTINATION.other is End.SOURCE
    assert Claim("offer-0001", "a" * 16, End.SOURCE).offer_id == "offer-0001"
