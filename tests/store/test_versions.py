# SPDX-License-Identifier: Apache-2.0
"""Versions of an item: identity, transfers under way, bounds, removal."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from maild.mail.transfer import Event, State
from maild.store import (
    item_view,
    items,
    mailboxes,
    meaning,
    messages,
    quota,
    transfers,
    versions,
)
from maild.store.errors import InUseError, NotFoundError, OverQuotaError
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.rope import Base64, Constant, Rope
from tests.store.room import START, Room, stub


@pytest.fixture
def item(room: Room, alice: int) -> Item:
    return room.upload(alice, "a.bin", b"1" * 100_000)


def renew(room: Room, item: Item, octets: bytes, *, kept: int = 10) -> Item:
    """Give an item its next version."""
    writer = room.store.blobs.create(len(octets))
    writer.append(octets)
    sealed = writer.seal()
    new = replace(
        versions.following(item),
        blob_id=sealed.id,
        size=sealed.size,
        sha256=sealed.sha256,
    )
    rope = Rope([Constant(b"A: b\r\n\r\n"), Base64(sealed.id, sealed.size)])
    one = versions.Successor(
        new, rope, stub().structure, stub("new"), ("\\Seen",), kept
    )
    assert item.library_uid is not None
    return room.write(versions.succeed, item.library_uid, one, room.now)


def content(room: Room, account: int, name: str) -> list[bytes]:
    """Return what the blobs of a mailbox hold, message by message."""

    def blobs(tx: Tx) -> list[int]:
        found = []
        for line in messages.lines(tx, mailboxes.must_find(tx, account, name).id)[0]:
            (_, piece) = messages.content(tx, line.content_id).rope.pieces
            assert isinstance(piece, Base64)
            found.append(piece.blob)
        return found

    told = []
    for blob in room.read(blobs):
        with room.store.blobs.open(blob) as reader:
            told.append(reader.pread(0, 1_000_000))
    return told


def test_an_item_keeps_its_id_and_what_it_was(
    room: Room, alice: int, item: Item
) -> None:
    second = renew(room, item, b"2" * 100_000)
    third = renew(room, second, b"3" * 100_001)
    assert (third.id, third.version, third.number) == (item.id, 3, None)
    assert [(i.id, i.version) for i in room.read(items.everything, alice)] == [
        (item.id, 3)
    ]
    assert content(room, alice, "Library") == [b"3" * 100_001]
    assert content(room, alice, "Versions") == [b"1" * 100_000, b"2" * 100_000]
    assert len(room.lines(alice, "Items")) == 1
    entry = item_view.entry_of(item.id)
    found = room.read(lambda tx: item_view.find(tx, alice, entry, below=False))
    told = json.loads(found[entry])
    assert (told["version"], told["size"]) == (3, 100_001)
    assert [(v["version"], v["uid"], v["size"]) for v in told["versions"]] == [
        (1, 1, 100_000),
        (2, 2, 100_000),
    ]
    assert told["versions"][0]["sha256"] == item.sha256
    below = room.read(
        lambda tx: item_view.find(tx, alice, "/private/vendor/maild", below=True)
    )
    assert list(below) == [entry]
    assert room.is_sound()


def test_somebody_else_was_first(room: Room, alice: int, item: Item) -> None:
    renew(room, item, b"2" * 100_000)
    with pytest.raises(NotFoundError):
        renew(room, item, b"mine" * 30_000)
    assert content(room, alice, "Library") == [b"2" * 100_000]


def test_what_arrives_cannot_be_replaced(room: Room, alice: int, item: Item) -> None:
    room.write(
        lambda tx: tx.run("UPDATE item SET sha256 = NULL WHERE id = ?1", item.id)
    )
    with pytest.raises(InUseError):
        renew(room, item, b"2" * 100_000)
    assert content(room, alice, "Library") == [b"1" * 100_000]


def test_transfers_under_way_keep_their_version(
    room: Room, alice: int, item: Item
) -> None:
    share = room.share(alice, item)
    second = renew(room, item, b"2" * 100_000, kept=0)
    kept = room.read(transfers.get, share.id)
    assert kept.item_id is not None
    old = room.read(items.get, alice, kept.item_id)
    assert (old.blob_id, old.version_of) == (item.blob_id, item.id)
    again = room.share(alice, second, name="share-2")
    assert (again.id, again.item_id) == ("share-2", item.id)
    room.write(transfers.advance, share.id, Event.FAIL_FOR_GOOD, START)
    third = renew(room, second, b"3" * 100_000, kept=0)
    assert content(room, alice, "Versions") == [b"2" * 100_000], "it is being sent"
    assert third.version == 3
    assert room.is_sound()


def test_what_was_read_before_is_found_where_it_is(
    room: Room, alice: int, item: Item
) -> None:
    """Whoever has waited since holds an id that is the next version's by now."""
    share = room.share(alice, item)
    second = renew(room, item, b"2" * 100_000)
    for found in (
        room.read(versions.brought_by, share.id),
        room.read(versions.as_read, item),
    ):
        assert (found.blob_id, found.id) == (item.blob_id, f"{item.id}.1")
    assert room.read(versions.as_read, second).blob_id == second.blob_id
    room.write(items.remove, alice, f"{item.id}.1", START)
    with pytest.raises(NotFoundError):
        room.read(versions.as_read, item)
    with pytest.raises(NotFoundError):
        room.read(versions.brought_by, share.id)


def test_only_so_many_are_kept(room: Room, alice: int, item: Item) -> None:
    for number in range(2, 7):
        item = renew(room, item, bytes([number]) * 100_000, kept=2)
    assert content(room, alice, "Versions") == [b"\x04" * 100_000, b"\x05" * 100_000]
    room.now += 7200
    room.store.blobs.collect(room.now)
    assert room.value("SELECT count(*) FROM blob") == 3
    assert room.is_sound()


def test_versions_go_with_the_item(room: Room, alice: int, item: Item) -> None:
    share = room.share(alice, item)
    second = renew(room, item, b"2" * 100_000)
    room.write(items.remove, alice, second.id, START)
    assert room.lines(alice, "Versions") == room.lines(alice, "Library") == []
    assert room.read(transfers.get, share.id).state is State.CANCELLED
    assert room.read(quota.use, alice).held < 10_000
    assert room.is_sound()


def test_one_version_can_be_removed(room: Room, alice: int, item: Item) -> None:
    second = renew(room, renew(room, item, b"2" * 100_000), b"3" * 100_000)
    older = room.read(mailboxes.must_find, alice, "Versions")
    room.write(meaning.expunge, older, [1], START)
    assert content(room, alice, "Versions") == [b"2" * 100_000]
    assert room.read(items.get, alice, second.id).version == 3
    assert room.is_sound()


def test_all_versions_count(room: Room, alice: int, item: Item) -> None:
    renew(room, item, b"2" * 100_000)
    assert room.read(quota.use, alice).held > 200_000

    def job(tx: Tx) -> None:
        quota.set_quota(tx, alice, 150_000)
        quota.check(tx, alice)

    with pytest.raises(OverQuotaError):
        room.write(job)
