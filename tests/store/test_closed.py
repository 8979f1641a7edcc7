# SPDX-License-Identifier: Apache-2.0
"""What nobody can decide any more: its arrival in Accepted or Declined is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from maild.mail.address import Address
from maild.mail.offer import Withdrawal
from maild.store import (
    address_requests,
    mailboxes,
    meaning,
    messages,
    parting,
    transfers,
)
from maild.store.accounts import Account
from maild.store.meaning import CannotError, Carried, Errand, Fresh
from tests.store.askers import ONE, TWO, Ask, answers
from tests.store.room import (
    ALICE,
    BOB,
    LIFETIMES,
    NONCE,
    TICKET,
    TRACE,
    Room,
    an_offer,
)

HOST = "mx.b.example"
TOO_LATE = "it has expired; its sender can send it again"
TAKEN_BACK = "its sender has taken it back"


@pytest.fixture
def bob(room: Room) -> int:
    return room.account(BOB)


def carry(
    room: Room, account: int, target: str, *, move: bool, source: str = "INBOX"
) -> Carried:
    """Copy or move all that lies in a mailbox."""
    lines = room.lines(account, source)
    errand = Errand(
        account_id=account,
        source=room.read(mailboxes.must_find, account, source),
        uids=[line.uid for line in lines],
        target=target,
        fresh=[Fresh(f"answer-{line.uid}", TICKET) for line in lines],
        lifetimes=LIFETIMES,
        move=move,
    )
    return room.write(meaning.carry, errand, room.now)


def _late(room: Room, bob: int) -> None:
    """Its time is over, and the queue has not looked yet."""
    room.now += 1000


def _expired(room: Room, bob: int) -> None:
    room.now += 1000
    assert room.write(parting.expire, HOST, room.now) == []


def _withdrawn(room: Room, bob: int) -> None:
    withdrawal = Withdrawal("offer-0001", NONCE, ALICE, BOB, TRACE)
    assert room.write(parting.withdrawn, bob, withdrawal, HOST, room.now)
    room.write(messages.expunge, room.mailbox(bob, "INBOX"), [2])  # the notice


@pytest.mark.parametrize("move", [True, False])
@pytest.mark.parametrize("target", ["Accepted", "Declined"])
@pytest.mark.parametrize(
    ("end", "why", "flags"),
    [
        (_late, TOO_LATE, ("$Offer",)),
        (_expired, TOO_LATE, ("$Expired",)),
        (_withdrawn, TAKEN_BACK, ()),
    ],
)
def test_an_offer_that_is_over_is_not_decided(
    room: Room,
    bob: int,
    end: Callable[[Room, int], None],
    why: str,
    flags: tuple[str, ...],
    target: str,
    move: bool,
) -> None:
    room.offer(bob, an_offer())
    end(room, bob)
    with pytest.raises(CannotError, match=why):
        carry(room, bob, target, move=move)
    (line,) = room.lines(bob, "INBOX")
    assert line.flags == flags
    assert room.lines(bob, target) == []
    assert room.read(transfers.everything) == []
    carry(room, bob, "Trash", move=True)  # it may lie anywhere else
    assert room.is_sound()


@pytest.mark.parametrize("first", ["Accepted", "Declined"])
@pytest.mark.parametrize("second", ["Accepted", "Declined"])
def test_what_has_been_decided_may_be_moved_again(
    room: Room, bob: int, first: str, second: str
) -> None:
    """A reply may be lost, and the first decision wins, also when its time is over."""
    room.offer(bob, an_offer())
    carry(room, bob, first, move=False)
    carry(room, bob, first, move=False)
    room.now += 20 * 86400
    room.write(parting.expire, HOST, room.now)
    carry(room, bob, second, move=True)
    assert len(room.read(transfers.everything)) == 1


def test_another_account_is_not_concerned(room: Room, bob: int) -> None:
    """One message may make offers to several: each has its own."""
    content_id = room.offer(bob, an_offer())
    _expired(room, bob)
    alice = room.account(ALICE)
    inbox = room.mailbox(alice, "INBOX")
    room.write(messages.append, inbox, content_id, (), room.now)
    assert carry(room, alice, "Accepted", move=True).pairs


@pytest.mark.parametrize("has_looked", [True, False])
@pytest.mark.parametrize("target", ["Accepted", "Declined"])
def test_a_request_that_is_over_is_not_decided(
    room: Room,
    people: dict[Address, Account],
    ask: Ask,
    target: str,
    has_looked: bool,
) -> None:
    ask()
    room.now += 1000
    if has_looked:
        assert room.write(address_requests.expire, room.now) == 1
    with pytest.raises(CannotError, match=TOO_LATE):
        carry(room, people[TWO].id, target, move=True)
    assert len(room.lines(people[TWO].id, "INBOX")) == 1
    assert answers(room, people[ONE]) == []
    assert room.is_sound()


def test_a_request_that_has_been_decided_may_be_moved_again(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask()
    for move in (False, False, True):
        carry(room, people[TWO].id, "Accepted", move=move)
    room.now += 1000
    carry(room, people[TWO].id, "Declined", move=True, source="Accepted")
    assert len(answers(room, people[ONE])) == 1
