# SPDX-License-Identifier: Apache-2.0
"""Jobs on items: their places, and leaving all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maild.mail.transfer import Event, State
from maild.store import item_view, items, messages, transfers
from maild.store.errors import NotFoundError
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.rope import Base64, Constant, Rope
from tests.store.room import BOB, START, TRACE, Room, stub


def received(room: Room, account_id: int, *, attached: bool) -> Item:
    """Put a received item into Library, and a message of it into INBOX."""
    sample = room.upload(account_id, "sample", b"s" * 500)
    octets = b"r" * 300
    blob = room.blob(octets)

    def job(tx: Tx) -> Item:
        rope = Rope([Constant(b"X: y\r\n\r\n"), Base64(blob, len(octets))])
        content_id = messages.add_content(tx, rope, stub().structure, TRACE)
        item = replace(
            sample, id="received", own=False, content_id=content_id, blob_id=blob,
            sender=BOB, number=None, created=START + 1,
        )  # fmt: skip
        kept = items.add(tx, item, stub(), inbox=stub(), now=START)
        if attached:
            tx.run(
                "UPDATE message SET content_id = ?1 WHERE uid = 1 AND mailbox_id = ?2",
                content_id,
                room.mailbox(account_id, "INBOX"),
            )
            messages.hold_content(tx, content_id)
        return kept

    return room.write(job)


def test_an_item_has_its_places(room: Room, alice: int) -> None:
    item = room.upload(alice, "a.bin", b"12345")
    assert room.read(items.get, alice, item.id) == item
    assert room.read(items.everything, alice) == [item]
    library, stubs = room.mailbox(alice, "Library"), room.mailbox(alice, "Items")
    assert item.library_uid is not None
    assert item.items_uid is not None
    assert room.read(items.by_place, library, item.library_uid) == item
    assert room.read(items.by_place, stubs, item.items_uid) == item
    assert room.read(items.by_place, stubs, 77) is None
    assert room.read(items.by_place, room.mailbox(alice, "Sent"), 1) is None
    (line,) = room.lines(alice, "Library")
    assert line.content_id == item.content_id


def test_a_received_item_tells_its_sender_and_lies_in_inbox(
    room: Room, alice: int
) -> None:
    item = received(room, alice, attached=False)
    assert room.read(items.get, alice, "received") == item
    assert item.sender == BOB
    (line,) = room.lines(alice, "INBOX")
    assert "\\Seen" not in line.flags
    inbox = room.mailbox(alice, "INBOX")
    assert room.read(items.by_place, inbox, line.uid) == item


def test_an_item_belongs_to_its_account(room: Room, alice: int) -> None:
    item = room.upload(alice, "a.bin", b"12345")
    bob = room.account(BOB)
    with pytest.raises(NotFoundError):
        room.read(items.get, bob, item.id)
    with pytest.raises(NotFoundError):
        room.write(items.remove, bob, item.id, START)


def test_a_stub_that_was_moved_is_put_back(room: Room, alice: int) -> None:
    item = room.upload(alice, "a.bin", b"12345")
    stubs = room.mailbox(alice, "Items")
    assert item.items_uid is not None
    new = room.write(items.put_back, stubs, item.items_uid, START)
    assert new != item.items_uid
    assert [line.uid for line in room.lines(alice, "Items")] == [new]
    assert room.read(items.by_place, stubs, new) is not None
    assert room.read(items.by_place, stubs, item.items_uid) is None
    with pytest.raises(NotFoundError):
        room.write(items.put_back, stubs, item.items_uid, START)


def test_a_removed_item_is_gone_everywhere(room: Room, alice: int) -> None:
    item = room.upload(alice, "a.bin", b"x" * 100)
    share = room.share(alice, item)
    room.write(items.remove, alice, item.id, START)
    assert not room.lines(alice, "Library")
    assert not room.lines(alice, "Items")
    cancelled = room.read(transfers.get, share.id)
    assert (cancelled.state, cancelled.item_id) == (State.CANCELLED, None)
    assert cancelled.name == "a.bin"
    assert room.value("SELECT refs FROM blob") == 0
    assert room.is_sound()
    with pytest.raises(NotFoundError):
        room.read(items.get, alice, item.id)


def test_removing_an_item_leaves_transfers_that_are_over(
    room: Room, alice: int
) -> None:
    item = room.upload(alice, "a.bin", b"x" * 100)
    share = room.share(alice, item)
    room.write(transfers.advance, share.id, Event.FAIL_FOR_GOOD, START)
    room.write(items.remove, alice, item.id, START)
    assert room.read(transfers.get, share.id).state is State.FAILED


@pytest.mark.parametrize("attached", [True, False])
def test_mail_in_inbox_stays_when_it_holds_the_file(
    room: Room, alice: int, attached: bool
) -> None:
    received(room, alice, attached=attached)
    room.write(items.remove, alice, "received", START)
    assert len(room.lines(alice, "INBOX")) == attached


def test_an_item_is_looked_up_by_its_entry(room: Room) -> None:
    """Names of entries know no case; a client may ask for many, of many items."""
    sql = item_view._SELECT + "AND lower(item.id) = ?2"
    plan = room.read(lambda tx: tx.all("EXPLAIN QUERY PLAN " + sql, 1, "x"))
    assert any("item_by_entry" in row[3] for row in plan)
