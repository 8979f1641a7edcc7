# SPDX-License-Identifier: Apache-2.0
"""What a rendezvous keeps of the offers that it passes on, and whose word counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maild.mail.address import parse_address
from maild.mail.offer import Answer, Withdrawal
from maild.store import passages
from maild.store.errors import ExistsError
from maild.store.passages import Passage
from tests.store.room import ALICE, BOB, NONCE, START, TICKET, TRACE, Room, an_offer

ANSWER = Answer(
    "offer-0001", NONCE, ALICE, BOB, True, TICKET, 1000, int(START) + 900, TRACE
)
MALLORY = parse_address("mallory@m.example")


def passage(room: Room) -> Passage:
    found = room.read(passages.find, "offer-0001", ALICE, BOB)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _offered(room: Room) -> None:
    assert room.write(passages.offered, an_offer(), room.now)


def test_content_may_pass_once_the_offer_was_accepted(room: Room) -> None:
    assert not passage(room).may_pass(START)
    assert room.write(passages.answered, ANSWER, START) == passage(room)
    assert passage(room).may_pass(START)
    assert not passage(room).may_pass(START + 900)
    room.write(passages.carried, passage(room), 10)
    room.write(passages.carried, passage(room), 20)
    assert passage(room).octets == 30


def test_an_offer_that_comes_again_is_the_same(room: Room) -> None:
    assert not room.write(passages.offered, an_offer(), START)
    with pytest.raises(ExistsError):
        room.write(passages.offered, an_offer(nonce="6" * 32), START)
    assert len(room.read(passages.everything)) == 1


@pytest.mark.parametrize(
    "forged",
    [
        replace(ANSWER, nonce="6" * 32),
        replace(ANSWER, recipient=MALLORY),
        replace(ANSWER, sender=MALLORY),
        replace(ANSWER, offer_id="offer-0002"),
    ],
)
def test_a_forged_answer_changes_nothing(room: Room, forged: Answer) -> None:
    assert room.write(passages.answered, forged, START) is None
    assert passage(room).state == "offered"


def test_the_first_answer_counts(room: Room) -> None:
    declined = replace(ANSWER, accepted=False, ticket=None)
    assert room.write(passages.answered, declined, START)
    assert room.write(passages.answered, ANSWER, START) is None
    assert room.write(passages.answered, declined, START)  # its 250 was lost
    assert passage(room).state == "declined"


def test_an_answer_can_be_too_late(room: Room) -> None:
    assert room.write(passages.answered, ANSWER, START + 1000) is None
    assert passage(room).stands(START + 999) == "offered"
    assert passage(room).stands(START + 1000) == "expired"


def test_what_is_withdrawn_opens_nothing(room: Room) -> None:
    room.write(passages.answered, ANSWER, START)
    taken_back = Withdrawal("offer-0001", NONCE, ALICE, BOB, TRACE)
    forged = replace(taken_back, nonce="x" * 8)
    assert room.write(passages.withdrawn, forged, START) is None
    assert passage(room).may_pass(START)
    assert room.write(passages.withdrawn, taken_back, START + 1)
    assert not passage(room).may_pass(START)
    assert room.write(passages.answered, ANSWER, START) is None


def test_one_declined_or_withdrawn_is_over_at_once(room: Room) -> None:
    declined = replace(ANSWER, accepted=False, ticket=None)
    room.write(passages.answered, declined, START + 1)
    assert room.write(passages.forget, START + 1) == 0
    assert room.write(passages.forget, START + 2) == 1


def test_offers_between_two_are_bounded_whatever_became_of_them(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages, "MOST_KNOWN", 2)
    assert not room.read(passages.is_crowded, an_offer(), START)
    room.write(passages.answered, replace(ANSWER, accepted=False, ticket=None), START)
    room.write(passages.offered, an_offer(id="offer-0002"), START)
    assert room.read(passages.is_crowded, an_offer(id="offer-0003"), START)
    reverse = replace(an_offer(id="offer-0003"), sender=BOB, recipient=ALICE)
    assert not room.read(passages.is_crowded, reverse, START)


def test_what_is_over_is_forgotten(room: Room) -> None:
    assert room.write(passages.forget, START + 999) == 0
    assert room.write(passages.forget, START + 1001) == 1
    assert room.read(passages.everything) == []
