# SPDX-License-Identifier: Apache-2.0
"""Answers to our offers: which one counts, and that only the first does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maild.mail.address import parse_address
from maild.mail.offer import Answer
from maild.mail.transfer import Event, State
from maild.store import transfers
from maild.store.transfers import Transfer
from tests.store.room import ALICE, BOB, NONCE, START, TICKET, TRACE, Room, move


def an_answer(**changes: object) -> Answer:
    answer = Answer(
        offer_id="share-1",
        nonce=NONCE,
        sender=ALICE,
        recipient=BOB,
        accepted=True,
        ticket=TICKET,
        size=100,
        expires=int(START) + 9000,
        trace=TRACE,
    )
    return replace(answer, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("events", [(), (Event.OFFER_TAKEN,), (Event.FAIL_FOR_NOW,)])
@pytest.mark.parametrize("accepted", [True, False])
def test_an_answer_counts_once(
    room: Room, share: Transfer, events: tuple[Event, ...], accepted: bool
) -> None:
    move(room, share, Event.CLAIM, *events)
    ticket = TICKET if accepted else None
    answer = an_answer(accepted=accepted, ticket=ticket)
    assert room.write(transfers.answered, answer, BOB, START)
    after = room.read(transfers.get, share.id)
    assert after.state is (State.ACCEPTED if accepted else State.DECLINED)
    assert after.ticket == ticket
    if accepted:
        assert (after.ticket_size, after.expires) == (100, START + 9000)
    for second in (answer, an_answer(accepted=False, ticket=None), an_answer()):
        assert not room.write(transfers.answered, second, BOB, START)
    assert room.read(transfers.get, share.id) == after


@pytest.mark.parametrize(
    "changes",
    [
        {"offer_id": "share-2"},
        {"nonce": "6" * 32},
        {"nonce": ""},
        {"sender": parse_address("eve@a.example")},
        {"recipient": parse_address("eve@b.example")},
    ],
)
def test_a_wrong_answer_changes_nothing(
    room: Room, share: Transfer, changes: dict[str, object]
) -> None:
    before = move(room, share, Event.CLAIM, Event.OFFER_TAKEN)
    assert not room.write(transfers.answered, an_answer(**changes), BOB, START)
    assert room.read(transfers.get, share.id) == before


def test_an_answer_from_elsewhere_or_too_late_changes_nothing(
    room: Room, share: Transfer
) -> None:
    before = move(room, share, Event.CLAIM, Event.OFFER_TAKEN)
    eve = parse_address("eve@b.example")
    assert not room.write(transfers.answered, an_answer(), eve, START)
    late = share.expires + 1
    assert not room.write(transfers.answered, an_answer(), BOB, late)
    assert room.read(transfers.get, share.id) == before


def test_a_ticket_does_not_keep_a_transfer_for_ever(
    room: Room, share: Transfer
) -> None:
    move(room, share, Event.CLAIM, Event.OFFER_TAKEN)
    answer = an_answer(expires=2**62)
    assert room.write(transfers.answered, answer, BOB, START)
    assert room.read(transfers.get, share.id).expires <= START + 31 * 86400


def test_an_accepted_transfer_that_failed_takes_no_second_answer(
    room: Room, share: Transfer
) -> None:
    move(room, share, Event.CLAIM, Event.OFFER_TAKEN)
    assert room.write(transfers.answered, an_answer(), BOB, START)
    move(room, share, Event.CLAIM, Event.CONTENT_STARTS, Event.FAIL_FOR_NOW)
    assert not room.write(
        transfers.answered, an_answer(accepted=False, ticket=None), BOB, START
    )
