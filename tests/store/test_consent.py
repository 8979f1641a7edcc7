# SPDX-License-Identifier: Apache-2.0
"""Jobs on offers: decided once, answered once, redeemed by the right proof only."""

from __future__ import annotations

import pytest

from maild.mail.address import parse_address
from maild.mail.offer import Answer, parse_facts, proof
from maild.mail.transfer import Kind, State
from maild.store import (
    accounts,
    consent,
    messages,
    metadata,
    numbers,
    parting,
    transfers,
)
from maild.store.consent import Randomness
from maild.store.errors import ExistsError, NotFoundError
from maild.store.rope import Constant
from tests.store.room import ALICE, BOB, NONCE, START, TICKET, Room, an_offer

PROOF = proof(TICKET, "offer-0001", ALICE, BOB)


@pytest.fixture
def bob(room: Room) -> int:
    return room.account(BOB)


def decide(
    room: Room, account_id: int, content_id: int, *, yes: bool, name: str = "answer-1"
) -> bool:
    fresh = Randomness(ticket=TICKET, queue_id=name)
    return room.write(
        consent.decide, account_id, content_id, fresh, room.now, accepted=yes
    )


def state(room: Room, account_id: int) -> list[str]:
    found = room.read(consent.open_offers, account_id, room.now)
    return [how for _, how in found]


def sent_answer(room: Room) -> Answer:
    """Return the facts in the one answer that is queued."""
    (queued,) = room.read(transfers.everything)
    assert queued.content_id is not None
    kept = room.read(messages.content, queued.content_id)
    (piece,) = kept.rope.pieces
    assert isinstance(piece, Constant)
    start = piece.octets.index(b"{")
    facts = parse_facts(piece.octets[start : piece.octets.rindex(b"}") + 1])
    assert isinstance(facts, Answer)
    return facts


def test_an_offer_is_received_once(room: Room, bob: int) -> None:
    content = room.offer(bob, an_offer())
    known = room.write(consent.received, bob, an_offer(), content, START)
    assert not known
    assert room.read(consent.open_offers, bob, START) == [(an_offer(), "open")]


@pytest.mark.parametrize("yes", [True, False])
def test_a_decision_queues_one_answer(room: Room, bob: int, yes: bool) -> None:
    content = room.offer(bob, an_offer())
    assert decide(room, bob, content, yes=yes)
    assert state(room, bob) == ["accepted" if yes else "declined"]
    (queued,) = room.read(transfers.everything)
    assert (queued.kind, queued.state) == (Kind.ANSWER, State.QUEUED)
    assert (queued.sender, queued.recipient) == (BOB, ALICE)
    answer = sent_answer(room)
    assert (answer.nonce, answer.accepted) == (NONCE, yes)
    assert answer.ticket == (TICKET if yes else None)
    assert room.lines(bob, "Transfers") == []  # answers are not shown
    assert room.read(accounts.is_contact, bob, ALICE) == yes
    assert room.value("SELECT sum(reserved) FROM offer") == (1000 if yes else 0)
    assert room.is_sound()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_the_first_decision_wins(
    room: Room, bob: int, first: bool, second: bool
) -> None:
    content = room.offer(bob, an_offer())
    assert decide(room, bob, content, yes=first)
    assert not decide(room, bob, content, yes=second, name="answer-2")
    assert state(room, bob) == ["accepted" if first else "declined"]
    assert len(room.read(transfers.everything)) == 1


def test_only_an_offer_of_the_account_is_decided(room: Room, bob: int) -> None:
    content = room.offer(bob, an_offer())
    carol = room.account(parse_address("carol@b.example"))
    assert not decide(room, carol, content, yes=True)
    assert not decide(room, bob, content + 100, yes=True)
    assert decide(room, bob, content, yes=True)


def test_an_expired_offer_is_not_decided(room: Room, bob: int) -> None:
    content = room.offer(bob, an_offer())
    room.now += 1000
    assert not decide(room, bob, content, yes=True)
    assert state(room, bob) == ["expired"]


def test_a_proof_opens_for_its_two_addresses_only(room: Room, bob: int) -> None:
    decide(room, bob, room.offer(bob, an_offer()), yes=True)
    opened = room.read(consent.redeem, PROOF, ALICE, BOB, START)
    assert opened is not None
    assert (opened.account_id, opened.offer_id, opened.size) == (
        bob,
        "offer-0001",
        1000,
    )
    assert opened.final_reply is None
    eve = parse_address("eve@a.example")
    for presented, sender, recipient in (
        (PROOF, eve, BOB),
        (PROOF, ALICE, eve),
        (PROOF, BOB, ALICE),
        (PROOF[:-1] + "x", ALICE, BOB),
        ("", ALICE, BOB),
        (TICKET, ALICE, BOB),
    ):
        assert room.read(consent.redeem, presented, sender, recipient, START) is None


def test_spelling_does_not_matter_to_a_proof(room: Room, bob: int) -> None:
    decide(room, bob, room.offer(bob, an_offer()), yes=True)
    shouted = parse_address("ALICE@A.example")
    assert room.read(consent.redeem, PROOF, shouted, BOB, START) is not None


def test_a_declined_or_open_offer_has_no_proof(room: Room, bob: int) -> None:
    content = room.offer(bob, an_offer())
    assert room.read(consent.redeem, PROOF, ALICE, BOB, START) is None
    decide(room, bob, content, yes=False)
    assert room.read(consent.redeem, PROOF, ALICE, BOB, START) is None


def test_a_ticket_outlives_the_queue_but_not_for_ever(room: Room, bob: int) -> None:
    decide(room, bob, room.offer(bob, an_offer()), yes=True)
    soon, late = START + 5 * 86400, START + 60 * 86400
    assert room.read(consent.redeem, PROOF, ALICE, BOB, soon) is not None
    assert room.read(consent.redeem, PROOF, ALICE, BOB, late) is None
    assert sent_answer(room).expires >= soon


def test_content_arrives_once_and_its_reply_is_kept(room: Room, bob: int) -> None:
    decide(room, bob, room.offer(bob, an_offer()), yes=True)
    room.write(consent.arrived, PROOF, "item-1", "250 2.0.0 item-1", START)
    opened = room.read(consent.redeem, PROOF, ALICE, BOB, START)
    assert opened is not None
    assert opened.final_reply == "250 2.0.0 item-1"
    assert room.value("SELECT sum(reserved) FROM offer") == 0
    with pytest.raises(ExistsError):
        room.write(consent.arrived, PROOF, "item-2", "250 2.0.0 item-2", START)
    with pytest.raises(NotFoundError):
        room.write(consent.arrived, "nothing", "item-2", "250", START)
    assert state(room, bob) == ["arrived"]


def test_time_ends_offers_and_gives_back_what_they_held(room: Room, bob: int) -> None:
    room.offer(bob, an_offer())
    accepted = room.offer(bob, an_offer(id="offer-0002"))
    decide(room, bob, accepted, yes=True)
    assert room.write(parting.expire, "b.example", START + 999) == []
    assert sorted(state(room, bob)) == ["accepted", "open"]
    assert room.write(parting.expire, "b.example", START + 1000) == []
    assert sorted(state(room, bob)) == ["accepted", "expired"]
    assert len(room.write(parting.expire, "b.example", START + 30 * 86400)) == 1
    assert room.value("SELECT sum(reserved) FROM offer") == 0
    assert room.value("SELECT count(*) FROM offer WHERE content_id IS NOT NULL") == 0
    assert room.write(parting.expire, "b.example", START + 90 * 86400) == []
    assert room.value("SELECT count(*) FROM offer") == 0
    assert room.is_sound()


def test_an_offer_outlives_its_message(room: Room, bob: int) -> None:
    content = room.offer(bob, an_offer())
    inbox = room.mailbox(bob, "INBOX")
    room.write(messages.expunge, inbox, [1])
    assert room.read(messages.content, content).id == content
    assert state(room, bob) == ["open"]  # deleting is not declining
    assert decide(room, bob, content, yes=False)
    with pytest.raises(NotFoundError):
        room.read(messages.content, content)


@pytest.mark.parametrize(
    ("number", "via"),
    [
        (b"+14155550102@rcs.example", "rcs.example"),
        (b"+14155550102@other.example", ""),
        (None, ""),
    ],
)
def test_an_answer_goes_by_ones_own_rendezvous_only(
    room: Room, bob: int, number: bytes | None, via: str
) -> None:
    """Whatever an offer says: a stranger does not choose where we connect to."""
    if number is not None:
        room.write(metadata.put, bob, metadata.SERVER, numbers.RENDEZVOUS, number)
    content = room.offer(bob, an_offer(rendezvous="rcs.example"))
    assert decide(room, bob, content, yes=True)
    (queued,) = room.read(transfers.everything)
    assert queued.via == via
