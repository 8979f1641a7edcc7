# SPDX-License-Identifier: Apache-2.0
"""Pushes of one item to one domain are claimed one after the other."""

from __future__ import annotations

import pytest

from maild.mail.address import parse_address
from maild.mail.transfer import Event, Kind, State
from maild.store import transfers
from maild.store.items import Item
from maild.store.transfers import Transfer
from tests.store.room import START, TICKET, Room

DUE = START + 10


@pytest.fixture
def film(room: Room, alice: int) -> Item:
    return room.upload(alice, "film.mov", bytes(100))


def ready(room: Room, item: Item, to: str, name: str = "") -> Transfer:
    """Queue an item for somebody who has accepted it."""
    share = room.share(item.account_id, item, parse_address(to), name or f"to-{to}")
    room.write(
        lambda tx: tx.run(
            "UPDATE transfer SET ticket = ?2, state = 'accepted' WHERE id = ?1",
            share.id,
            TICKET,
        )
    )
    return share


def claimed(room: Room) -> list[str]:
    found = room.write(transfers.claim, "d", DUE, 100)
    return [str(each.recipient) for each in found if each.kind is Kind.SHARE]


def advance(room: Room, share: Transfer, event: Event, due: float = DUE) -> None:
    room.write(transfers.advance, share.id, event, DUE, due=due)


def test_one_waits_for_the_other(room: Room, film: Item) -> None:
    first, second, third = [
        ready(room, film, f"{who}@b.example") for who in ("bob", "carol", "dave")
    ]
    assert claimed(room) == ["bob@b.example"]
    assert room.read(transfers.next_due) is None
    waits = room.read(transfers.get, second.id)
    assert (waits.state, waits.attempts) == (State.ACCEPTED, 0)
    advance(room, first, Event.CONTENT_STARTS)
    assert claimed(room) == []
    advance(room, first, Event.DELIVER)
    assert room.read(transfers.next_due) == START
    assert claimed(room) == ["carol@b.example"]
    advance(room, second, Event.DELIVER)
    assert claimed(room) == ["dave@b.example"]
    assert room.read(transfers.get, third.id).state is State.CONNECTING


@pytest.mark.parametrize(
    "event",
    [Event.FAIL_FOR_NOW, Event.FAIL_FOR_GOOD, Event.CANCEL, Event.RELEASE_CLAIM],
)
def test_whatever_ends_the_first_lets_the_second_go(
    room: Room, film: Item, event: Event
) -> None:
    first = ready(room, film, "bob@b.example")
    ready(room, film, "carol@b.example")
    assert claimed(room) == ["bob@b.example"]
    advance(room, first, event, due=DUE + 60)
    assert claimed(room) == ["carol@b.example"]


async def test_the_end_of_the_first_wakes_the_queue(room: Room, film: Item) -> None:
    first = ready(room, film, "bob@b.example")
    ready(room, film, "carol@b.example")
    claimed(room)
    with room.store.changes.watch("queue") as watch:
        advance(room, first, Event.DELIVER)
        assert await watch.wait(30)


def test_a_deferred_one_waits_its_turn(room: Room, film: Item) -> None:
    first = ready(room, film, "bob@b.example")
    second = ready(room, film, "carol@b.example")
    claimed(room)
    advance(room, first, Event.FAIL_FOR_NOW, due=DUE)
    assert len(claimed(room)) == 1
    assert room.read(transfers.next_due) is None
    active = [room.read(transfers.get, each.id).state for each in (first, second)]
    assert active.count(State.CONNECTING) == 1


def test_what_is_held_holds_up_nobody(room: Room, film: Item) -> None:
    first = ready(room, film, "bob@b.example")
    ready(room, film, "carol@b.example")
    room.write(transfers.hold, first.id, DUE, held=True)
    assert claimed(room) == ["carol@b.example"]


def test_nothing_else_waits(room: Room, alice: int, film: Item) -> None:
    """Other domains, other items, and what brings no content."""
    other = room.upload(alice, "other.mov", bytes(100))
    ready(room, film, "bob@b.example")
    ready(room, film, '"odd@c.example"@b.example', "waits")
    ready(room, film, "bob@bb.example")
    ready(room, film, "bob@[192.0.2.1]")
    ready(room, film, "bob@c.example")
    ready(room, other, "bob@b.example", "other")
    room.share(alice, film, parse_address("erin@b.example"), "an-offer")
    assert sorted(claimed(room)) == [
        "bob@[192.0.2.1]",
        "bob@b.example",
        "bob@b.example",
        "bob@bb.example",
        "bob@c.example",
        "erin@b.example",
    ]
    room.share(alice, film, parse_address("frank@b.example"), "another-offer")
    assert claimed(room) == ["frank@b.example"]


def test_a_crowd_hides_nobody(room: Room, alice: int, film: Item) -> None:
    for number in range(30):
        ready(room, film, f"n{number}@b.example")
    other = room.upload(alice, "other.mov", bytes(100))
    ready(room, other, "bob@b.example", "other")
    assert len(claimed(room)) == 2
    assert room.read(transfers.next_due) is None
