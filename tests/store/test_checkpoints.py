# SPDX-License-Identifier: Apache-2.0
"""Ten thousand checkpoints and more: bounded, and each found at once."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from maild.mail.address import Address
from maild.store import blob_records, checkpoints
from maild.store.checkpoints import MOST, MOST_EACH, Checkpoint, Envelope, Kind
from tests.store.room import Room

ACCOUNTS = 11


def begin(room: Room, account: int, name: str) -> Future[Any]:
    """Keep a checkpoint of an upload that has begun, without waiting."""
    index = room.store.index
    index.submit(blob_records.register, name, None, room.now)
    envelope = Envelope(name, Kind.UPLOAD, account, "s@a", "r@a", 10**9, "BINARYMIME")
    checkpoint = Checkpoint(envelope, name, b"head", 0, None, None, 1000.0)
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


def test_what_is_asked_for_is_looked_up(room: Room) -> None:
    """What a MAIL command costs does not grow with how many there are."""

    def plan(tx: Any) -> list[str]:
        asked = [
            "SELECT 1 FROM checkpoint WHERE key = 'x'",
            """SELECT key FROM checkpoint WHERE account_id = 1
            ORDER BY touched LIMIT 1""",
            "SELECT key FROM checkpoint ORDER BY touched LIMIT 1",
        ]
        return [row[3] for sql in asked for row in tx.all("EXPLAIN QUERY PLAN " + sql)]

    steps = room.read(plan)
    assert not [step for step in steps if "TEMP B-TREE" in step]
    assert all("USING" in step for step in steps)
