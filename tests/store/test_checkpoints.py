# SPDX-License-Identifier: Apache-2.0
"""Ten thousand checkpoints and more: bounded, and each found at once."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from maild.mail.address import Address
from maild.store import blob_records, checkpoints
from maild.store.checkpoints import (
    _OLDEST,
    _OLDEST_EACH,
    MOST,
    MOST_EACH,
    Checkpoint,
    Envelope,
    Kind,
)
from tests.store.room import Room

ACCOUNTS = 11


def envelope(account: int, name: str) -> Envelope:
    return Envelope(name, Kind.UPLOAD, account, "s@a", "r@a", 10**9, "BINARYMIME")


def begin(room: Room, account: int, name: str) -> Future[Any]:
    """Keep a checkpoint of an upload that has begun, without waiting."""
    index = room.store.index
    index.submit(blob_records.register, name, None, room.now)
    checkpoint = Checkpoint(
        envelope(account, name), name, b"head", 0, None, None, 1000.0
    )
    room.now += 1e-3
    return index.submit(checkpoints.begin, checkpoint, name, room.now)


def test_there_are_never_more_than_ten_thousand(room: Room) -> None:
    """The one that was touched first goes first, of its account or of all."""
    owners = [room.account(Address(f"u{n}", "a.example")) for n in range(ACCOUNTS)]
    begun = [
        begin(room, owner, f"{owner}-{number}")
        for owner in owners
        for number in range(MOST_EACH + 5)
    ]
    assert begun[-1].result() is not None
    listed = room.read(checkpoints.everything)
    assert len(listed) == MOST
    of_each = [
        sum(each.checkpoint.envelope.account_id == owner for each in listed)
        for owner in owners
    ]
    assert of_each == [0, *[MOST_EACH] * (ACCOUNTS - 1)]
    # Who was there first in a full house has gone; who came last has not.
    for owner in owners[1:]:
        assert room.read(checkpoints.find, f"{owner}-4", room.now) is None
        assert room.read(checkpoints.find, f"{owner}-5", room.now) is not None


def finish(room: Room, account: int, name: str) -> Future[Any]:
    """Keep the reply to an upload that is whole, without waiting."""
    room.now += 1e-3
    whole = envelope(account, name), name, "250 2.0.0 ok", 1000.0
    return room.store.index.submit(checkpoints.finish, *whole, room.now)


def test_what_is_over_makes_room_first(room: Room) -> None:
    """A large upload goes on where it was, however many small ones came meanwhile."""
    owners = [room.account(Address(f"u{n}", "a.example")) for n in range(ACCOUNTS)]
    for owner in owners:
        begin(room, owner, f"large-{owner}")
    done = [
        finish(room, owner, f"{owner}-{number}")
        for owner in owners
        for number in range(MOST_EACH + 5)
    ]
    done[-1].result()
    listed = room.read(checkpoints.everything)
    assert len(listed) == MOST
    assert sum(each.checkpoint.blob_id is not None for each in listed) == ACCOUNTS


def test_what_is_asked_for_is_looked_up(room: Room) -> None:
    """What a MAIL command costs does not grow with how many there are."""

    def plan(tx: Any) -> list[str]:
        asked = [
            "SELECT 1 FROM checkpoint WHERE key = 'x'",
            *(query.replace("?1", "1") for query in _OLDEST_EACH),
            *_OLDEST,
        ]
        return [row[3] for sql in asked for row in tx.all("EXPLAIN QUERY PLAN " + sql)]

    steps = room.read(plan)
    assert not [step for step in steps if "TEMP B-TREE" in step]
    assert all("USING" in step for step in steps)
