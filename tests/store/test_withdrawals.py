# SPDX-License-Identifier: Apache-2.0
"""Which ends of a transfer its peer is told of, and that it is told once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from maild.mail.address import parse_address
from maild.mail.offer import Withdrawal
from maild.mail.reply import Reply
from maild.mail.transfer import Event, Kind, State
from maild.store import accounts, arriving, items, messages, transfers
from maild.store.rope import Constant
from maild.store.transfers import FreshShare, Transfer
from maild.store.withdrawals import MOST
from tests.store.room import ALICE, BOB, LIFETIMES, NONCE, START, TRACE, Room, move
from tests.store.test_answers import an_answer

TAKEN = (Event.CLAIM, Event.OFFER_TAKEN)


def withdrawals(room: Room) -> list[Transfer]:
    return [t for t in room.read(transfers.everything) if t.kind is Kind.WITHDRAWAL]


def accept(room: Room) -> None:
    assert room.write(transfers.answered, an_answer(), BOB, START)


def test_it_says_which_offer_and_proves_whose_it_is(
    room: Room, share: Transfer, alice: int
) -> None:
    move(room, share, *TAKEN, Event.CANCEL)
    (queued,) = withdrawals(room)
    assert (queued.sender, queued.recipient) == (ALICE, BOB)
    assert (queued.state, queued.trace) == (State.QUEUED, TRACE)
    assert queued.content_id is not None
    (piece,) = room.read(messages.content, queued.content_id).rope.pieces
    assert isinstance(piece, Constant)
    start, end = piece.octets.index(b"{"), piece.octets.rindex(b"}") + 1
    said = json.loads(piece.octets[start:end])
    expected = Withdrawal(share.id, NONCE, ALICE, BOB, TRACE)
    assert said == json.loads(expected.to_json())
    assert b"no longer sends" in piece.octets
    shown = room.lines(alice, "Transfers")
    assert len(shown) == 1  # the share; withdrawals are not shown
    assert room.is_sound()


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((Event.CANCEL,), 0),
        ((Event.FAIL_FOR_GOOD,), 0),
        ((Event.CLAIM, Event.FAIL_FOR_GOOD), 0),
        ((*TAKEN, Event.EXPIRE), 0),  # the offer says until when it is open
        ((*TAKEN, Event.DECLINE), 0),
        ((*TAKEN, Event.CANCEL), 1),
        ((*TAKEN, Event.FAIL_FOR_GOOD), 1),
    ],
)
def test_only_what_was_taken_is_withdrawn(
    room: Room, share: Transfer, events: tuple[Event, ...], expected: int
) -> None:
    move(room, share, *events)
    assert len(withdrawals(room)) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((Event.CANCEL,), 1),
        ((Event.EXPIRE,), 1),
        ((Event.CLAIM, Event.CANCEL), 1),
        ((Event.CLAIM, Event.CONTENT_STARTS, Event.CANCEL), 1),
        ((Event.CLAIM, Event.CONTENT_STARTS, Event.FAIL_FOR_GOOD), 1),
        ((Event.CLAIM, Event.CONTENT_STARTS, Event.FAIL_FOR_NOW, Event.EXPIRE), 1),
        ((Event.CLAIM, Event.CONTENT_STARTS, Event.FAIL_FOR_NOW), 0),
        ((Event.CLAIM, Event.CONTENT_STARTS, Event.DELIVER), 0),
    ],
)
def test_what_was_accepted_is_withdrawn_unless_it_arrives(
    room: Room, share: Transfer, events: tuple[Event, ...], expected: int
) -> None:
    move(room, share, *TAKEN)
    accept(room)
    move(room, share, *events)
    assert len(withdrawals(room)) == expected


def test_a_deleted_item_withdraws_what_was_shared_of_it(
    room: Room, alice: int, share: Transfer
) -> None:
    move(room, share, *TAKEN)
    assert share.item_id is not None
    room.write(items.remove, alice, share.item_id, START)
    assert len(withdrawals(room)) == 1
    assert room.is_sound()


def test_an_upload_given_up_withdraws_what_was_shared_of_it(
    room: Room, share: Transfer
) -> None:
    move(room, share, *TAKEN)
    room.write(lambda tx: tx.run("UPDATE item SET sha256 = NULL"))
    assert share.item_id is not None
    room.write(arriving.give_up, share.item_id, START)
    after = room.read(transfers.get, share.id)
    assert (after.state, after.status) == (State.FAILED, "5.6.0")
    (notice,) = room.read(transfers.notices_due, START, 0.0)
    assert notice.transfer.id == share.id
    assert len(withdrawals(room)) == 1


@pytest.mark.parametrize("end", [Event.CANCEL, Event.EXPIRE, Event.FAIL_FOR_GOOD])
def test_who_accepts_too_late_is_told(room: Room, share: Transfer, end: Event) -> None:
    over = move(room, share, *TAKEN, end)
    for known in withdrawals(room):
        room.write(transfers.advance, known.id, Event.CANCEL, START)
    before = len(withdrawals(room))
    declined = an_answer(accepted=False, ticket=None)
    assert not room.write(transfers.answered, declined, BOB, START)
    assert not room.write(transfers.answered, an_answer(nonce="6" * 32), BOB, START)
    assert len(withdrawals(room)) == before
    assert not room.write(transfers.answered, an_answer(), BOB, START)
    assert len(withdrawals(room)) == before + 1
    assert not room.write(transfers.answered, an_answer(), BOB, START)
    assert len(withdrawals(room)) == before + 1  # it is under way
    assert room.read(transfers.get, share.id) == over


def test_one_that_waits_is_hastened(room: Room, share: Transfer) -> None:
    move(room, share, *TAKEN, Event.CANCEL)
    (queued,) = withdrawals(room)
    bad = Reply(451, "4.1", "nobody there")
    for event in (Event.CLAIM, Event.FAIL_FOR_NOW):
        room.write(transfers.advance, queued.id, event, START, reply=bad)
    assert withdrawals(room)[0].due > START
    room.write(transfers.answered, an_answer(), BOB, START)
    assert withdrawals(room)[0].due == START


def test_an_acceptance_past_its_time_is_told_though_time_has_not_passed_yet(
    room: Room, share: Transfer
) -> None:
    move(room, share, *TAKEN)
    assert not room.write(transfers.answered, an_answer(), BOB, share.expires + 1)
    assert len(withdrawals(room)) == 1


def test_it_outlives_the_account_and_is_never_bounced(
    room: Room, alice: int, share: Transfer
) -> None:
    move(room, share, *TAKEN)
    room.write(transfers.cancel_all, alice, START)
    room.write(accounts.remove, alice)
    (queued,) = withdrawals(room)
    room.now = queued.expires
    (ended,) = room.write(transfers.expire_due, room.now)
    assert (ended.id, ended.state) == (queued.id, State.FAILED)
    assert room.read(transfers.notices_due, room.now, 1.0) == []
    assert room.is_sound()


def test_an_offer_on_its_way_is_withdrawn_once_its_transfer_is_over(
    room: Room, share: Transfer
) -> None:
    move(room, share, Event.CLAIM)
    room.write(transfers.withdraw_if_over, share.id, START)
    room.write(transfers.withdraw_if_over, "nothing", START)
    assert withdrawals(room) == []
    move(room, share, Event.CANCEL)
    room.write(transfers.withdraw_if_over, share.id, START)
    room.write(transfers.withdraw_if_over, share.id, START)
    assert len(withdrawals(room)) == 1


def test_a_shared_again_item_has_an_offer_of_its_own(
    room: Room, alice: int, share: Transfer
) -> None:
    move(room, share, *TAKEN, Event.CANCEL)
    assert share.item_id is not None
    item = room.read(items.get, alice, share.item_id)
    again = room.share(alice, item, name="share-2")
    assert again.state is State.QUEUED
    eve = replace(an_answer(), recipient=parse_address("eve@b.example"))
    assert not room.write(transfers.answered, eve, BOB, START)


def test_who_accepts_again_and_again_is_not_told_for_ever(
    room: Room, share: Transfer
) -> None:
    move(room, share, *TAKEN, Event.CANCEL)
    for _ in range(MOST + 5):
        for known in withdrawals(room):
            if known.state is State.QUEUED:
                move(room, known, Event.CLAIM, Event.DELIVER)
        assert not room.write(transfers.answered, an_answer(), BOB, START)
    assert len(withdrawals(room)) == MOST


def test_it_goes_the_way_of_its_offer(room: Room, alice: int) -> None:
    item = room.upload(alice, "film.mov", bytes(100))
    fresh = FreshShare("share-1", NONCE)
    share = room.write(
        transfers.share, alice, item.id, BOB, fresh, LIFETIMES, START, via="rcs.example"
    )
    assert share.via == "rcs.example"
    move(room, share, *TAKEN, Event.CANCEL)
    (queued,) = withdrawals(room)
    assert queued.via == "rcs.example"
