# SPDX-License-Identifier: Apache-2.0
"""The queue's order: what is due, who is claimed first, and what comes sooner."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maild.mail.address import parse_address
from maild.mail.transfer import (
    Event,
    State,
)
from maild.store import (
    transfer_records,
    transfers,
)
from maild.store.transfers import Transfer
from tests.store.room import (
    BOB,
    START,
    TICKET,
    Room,
    a_mail,
    move,
    put_in,
)


def test_held_transfers_wait(room: Room, alice: int, share: Transfer) -> None:
    held = room.write(transfers.hold, share.id, START, held=True)
    assert held.held
    assert room.read(transfers.next_due) is None
    assert room.write(transfers.claim, "d", START, 10) == []
    assert room.write(transfers.expire_due, START + 1e9) == []
    (line,) = room.lines(alice, "Transfers")
    assert "\\Flagged" in line.flags
    move(room, share, Event.FAIL_FOR_GOOD)
    (line,) = room.lines(alice, "Transfers")
    assert "\\Flagged" in line.flags
    room.write(transfers.hold, share.id, START, held=False)
    (line,) = room.lines(alice, "Transfers")
    assert "\\Flagged" not in line.flags


def test_only_what_is_due_is_claimed(room: Room, alice: int, share: Transfer) -> None:
    assert room.read(transfers.next_due) == START
    assert room.write(transfers.claim, "d", START - 1, 10) == []
    (claimed,) = room.write(transfers.claim, "d", START, 10)
    assert claimed.state is State.CONNECTING
    assert room.write(transfers.claim, "d", START, 10) == []
    assert room.read(transfers.next_due) is None


def test_claims_are_fair_and_small_mail_goes_first(room: Room, alice: int) -> None:
    bob = room.account(BOB)

    def ready(account: int, name: str, to: str) -> None:
        item = room.upload(account, name, name.encode())
        share = room.share(account, item, parse_address(to), name)
        room.write(
            lambda tx: tx.run(
                "UPDATE transfer SET ticket = ?2, due = due - 100 WHERE id = ?1",
                share.id,
                TICKET,
            )
        )
        put_in(room, share, State.ACCEPTED)

    for n in range(3):
        ready(alice, f"a{n}", "x@one.example")
    ready(alice, "other-hop", "x@two.example")
    ready(bob, "other-account", "x@one.example")
    content = room.write(lambda tx: room.small(tx))
    room.write(transfers.add, a_mail(content, id="small"), START)
    taken = [t.id for t in room.write(transfers.claim, "d", START, 4)]
    assert taken == ["small", "a0", "other-account", "other-hop"]
    rest = [t.id for t in room.write(transfers.claim, "d", START, 10)]
    assert rest == ["a1", "a2"]


def test_abandoned_claims_are_due_at_once(room: Room, share: Transfer) -> None:
    room.write(transfers.claim, "one", START, 1)
    assert room.write(transfers.abandon_claims, "other", START) == 0
    assert room.write(transfers.abandon_claims, "one", START) == 1
    found = room.read(transfers.get, share.id)
    assert (found.state, found.due, found.attempts) == (State.DEFERRED, START, 0)
    assert room.write(transfers.abandon_claims, "one", START) == 0


@pytest.mark.parametrize("due", [86_400.0, transfers.WHEN_CLOSED])
def test_what_a_clock_has_put_off_is_brought_forward(
    room: Room, share: Transfer, due: float
) -> None:
    waits = due == transfers.WHEN_CLOSED  # for no clock
    later = due if waits else room.now + due
    room.write(transfer_records.update, replace(share, due=later))
    assert room.read(transfers.last_due) == (None if waits else later)
    room.write(transfers.bring_forward, room.now + 3600.0, room.now)
    assert room.read(transfers.get, share.id).due == (due if waits else room.now)


def test_hasten_makes_due(room: Room, share: Transfer) -> None:
    move(room, share, Event.CLAIM, Event.FAIL_FOR_NOW)
    assert room.write(transfers.hasten, share.id, START)
    assert room.read(transfers.next_due) == START
    move(room, share, Event.CLAIM)
    assert not room.write(transfers.hasten, share.id, START)
