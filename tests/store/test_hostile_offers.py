# SPDX-License-Identifier: Apache-2.0
"""Offers whose sender says what no sender should say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maild.mail.address import parse_address
from maild.mail.offer import MAX_SIZE, proof
from maild.store import consent, parting
from maild.store.consent import Randomness
from tests.store.room import ALICE, BOB, START, TICKET, Room, an_offer

PROOF = proof(TICKET, "offer-0001", ALICE, BOB)


@pytest.fixture
def bob(room: Room) -> int:
    return room.account(BOB)


def accept(room: Room, bob: int, content_id: int, *, n: int = 1) -> bool:
    fresh = Randomness(TICKET if n == 1 else f"{n:032x}", f"answer-{n}")
    return room.write(consent.decide, bob, content_id, fresh, room.now, accepted=True)


@pytest.mark.parametrize("expires", [10**12, MAX_SIZE])
def test_an_offer_for_ever_ends_some_day(room: Room, bob: int, expires: int) -> None:
    assert accept(room, bob, room.offer(bob, an_offer(expires=expires)))
    late = START + consent.LONGEST_OFFER
    assert room.read(consent.redeem, PROOF, ALICE, BOB, late - 1) is not None
    assert room.read(consent.redeem, PROOF, ALICE, BOB, late) is None


def test_no_promise_takes_all_the_room(room: Room, bob: int) -> None:
    before = room.store.blobs.free_space()
    for n in (1, 2):
        offer = an_offer(id=f"offer-{n:04}", size=MAX_SIZE)
        assert accept(room, bob, room.offer(bob, offer), n=n)
    assert before // 20 < room.store.blobs.free_space() < before // 2


def test_an_offer_that_comes_again_is_known(room: Room, bob: int) -> None:
    offer = an_offer()
    assert not room.read(consent.is_repeated, bob, offer)
    room.offer(bob, offer)
    assert room.read(consent.is_repeated, bob, offer)
    assert not room.read(consent.is_repeated, bob, replace(offer, nonce="6" * 32))
    other = replace(offer, sender=parse_address("mallory@a.example"))
    assert not room.read(consent.is_repeated, bob, other)


def test_a_push_may_end_after_its_ticket(room: Room, bob: int) -> None:
    accept(room, bob, room.offer(bob, an_offer()))
    late = START + 8 * 86400
    assert len(room.write(parting.expire, "b.example", late)) == 1
    assert room.read(consent.redeem, PROOF, ALICE, BOB, late) is None
    room.write(consent.arrived, PROOF, "item-1", "250 2.0.0 item-1", late)
    found = room.read(consent.redeem, PROOF, ALICE, BOB, late + 5 * 86400)
    assert found is not None
    assert found.final_reply == "250 2.0.0 item-1"
