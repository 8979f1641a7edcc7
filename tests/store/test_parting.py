# SPDX-License-Identifier: Apache-2.0
"""What will not come: removed, its offer closed, whom it was for told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from maild.mail.address import parse_address
from maild.mail.offer import Withdrawal, proof
from maild.mail.parting import Cause
from maild.store import arriving, checkpoints, consent, items, messages, parting
from maild.store.arriving import GRACE, Beginning
from maild.store.checkpoints import Checkpoint, Envelope, Kind
from maild.store.errors import NotFoundError
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.parting import Ended
from maild.store.rope import Constant
from tests.store.room import (
    ALICE,
    BOB,
    NONCE,
    START,
    TICKET,
    TRACE,
    Room,
    an_offer,
    stub,
)

HOST = "mx.b.example"
SIZE = 100_000
LANDED = 70_000
PROOF = proof(TICKET, "offer-0001", ALICE, BOB)
PATIENCE = 5 * 86400.0
WITHDRAWAL = Withdrawal("offer-0001", NONCE, ALICE, BOB, TRACE)


@pytest.fixture
def bob(room: Room) -> int:
    return room.account(BOB)


def accept(room: Room, bob: int) -> None:
    content = room.offer(bob, an_offer(size=SIZE))
    fresh = consent.Randomness(TICKET, "answer-1")
    assert room.write(consent.decide, bob, content, fresh, room.now, accepted=True)


def arrive(room: Room, account: int, *, own: bool = False) -> Item:
    """Let most of an item arrive, and keep its checkpoint."""
    writer = room.store.blobs.create(SIZE)
    writer.append(bytes(LANDED))
    writer.flush()
    blob_id = writer.id
    writer.close()
    item = Item(
        id="item-1",
        account_id=account,
        own=own,
        content_id=0,
        blob_id=0,
        section="2",
        name="film.mov",
        type="video/quicktime",
        size=SIZE,
        sha256=None,
        number=None,
        code=None,
        terminal=None,
        sender=None if own else ALICE,
        library_uid=None,
        items_uid=None,
        trace=TRACE,
        created=room.now,
    )
    known = None if own else PROOF
    beginning = Beginning(item, b"A: b\r\n\r\n", False, False, stub().structure, known)
    kind = Kind.UPLOAD if own else Kind.PUSH
    envelope = Envelope("key", kind, account, "a@a", "b@b", SIZE, "BINARYMIME")
    kept = Checkpoint(envelope, item.id, b"A: b\r\n\r\n", 0, None, None, PATIENCE)

    def job(tx: Tx) -> None:
        checkpoints.begin(tx, kept, writer.key, room.now)
        arriving.begin(tx, beginning, blob_id, stub("film.mov"), room.now)

    room.write(job)
    return room.read(items.get, account, item.id)


def withdraw(room: Room, account: int, withdrawal: Withdrawal) -> Ended | None:
    return room.write(parting.withdrawn, account, withdrawal, HOST, room.now)


def sweep(room: Room) -> list[Ended]:
    return parting.sweep(room.store.index, PATIENCE, HOST, room.now)


def notices(room: Room, account: int) -> list[str]:
    """Return what has been put into INBOX beside the offer."""
    found = []
    for line in room.lines(account, "INBOX"):
        (piece,) = room.read(messages.content, line.content_id).rope.pieces
        assert isinstance(piece, Constant)
        if b"mailer-daemon@" in piece.octets:
            found.append(" ".join(piece.octets.decode().split()))
    return found


def is_gone(room: Room, account: int, item: Item | None) -> None:
    """Check that nothing is left of what had arrived, nor kept free for it."""
    for mailbox in ("Library", "Items"):
        assert room.lines(account, mailbox) == []
    assert room.read(items.everything, account) == []
    assert room.read(checkpoints.everything) == []
    assert not room.value("SELECT sum(reserved) FROM offer")
    assert room.read(consent.redeem, PROOF, ALICE, BOB, room.now) is None
    with pytest.raises(NotFoundError):
        room.write(consent.arrived, PROOF, "item-2", "250", room.now)
    assert room.is_sound()
    room.store.blobs.collect(room.now)
    assert item is None or room.value("SELECT count(*) FROM blob") == 0


def test_what_is_arriving_is_removed(room: Room, bob: int) -> None:
    accept(room, bob)
    item = arrive(room, bob)
    ended = withdraw(room, bob, WITHDRAWAL)
    assert ended is not None
    assert (ended.id, ended.proof, ended.blob_id) == ("item-1", PROOF, item.blob_id)
    assert ended.parting.cause is Cause.STOPPED
    assert (ended.parting.landed, ended.parting.size) == (LANDED, SIZE)
    (said,) = notices(room, bob)
    assert "Subject: alice@a.example has stopped sending film.mov" in said
    assert "Auto-Submitted: auto-generated" in said
    assert f"Maild-Trace: {TRACE}" in said
    assert "What had arrived (70.0 kB of 100 kB) was removed." in said
    is_gone(room, bob, item)


def test_an_open_offer_offers_nothing_any_more(room: Room, bob: int) -> None:
    content = room.offer(bob, an_offer(size=SIZE))
    ended = withdraw(room, bob, WITHDRAWAL)
    assert ended is not None
    assert ended.parting.cause is Cause.WITHDRAWN
    assert all("$Offer" not in line.flags for line in room.lines(bob, "INBOX"))
    (said,) = notices(room, bob)
    assert "Subject: alice@a.example has withdrawn film.mov" in said
    fresh = consent.Randomness(TICKET, "answer-1")
    assert not room.write(consent.decide, bob, content, fresh, room.now, accepted=True)
    is_gone(room, bob, None)


def test_who_has_deleted_an_offer_hears_no_more_of_it(room: Room, bob: int) -> None:
    room.offer(bob, an_offer())
    room.write(messages.expunge, room.mailbox(bob, "INBOX"), [1])
    assert withdraw(room, bob, WITHDRAWAL) is not None
    assert notices(room, bob) == []
    is_gone(room, bob, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "6" * 32},
        {"offer_id": "offer-0002"},
        {"sender": parse_address("mallory@a.example")},
        {"recipient": parse_address("carol@b.example")},
    ],
)
def test_it_counts_only_with_the_nonce_between_the_two(
    room: Room, bob: int, changes: dict[str, object]
) -> None:
    accept(room, bob)
    arrive(room, bob)
    forged = replace(WITHDRAWAL, **changes)  # type: ignore[arg-type]
    assert withdraw(room, bob, forged) is None
    carol = room.account(parse_address("carol@b.example"))
    assert withdraw(room, carol, WITHDRAWAL) is None
    assert notices(room, bob) == []
    assert room.read(consent.redeem, PROOF, ALICE, BOB, START) is not None
    assert len(room.read(items.everything, bob)) == 1


def test_what_has_arrived_stays(room: Room, bob: int) -> None:
    accept(room, bob)
    room.write(consent.arrived, PROOF, "item-1", "250 2.0.0 item-1", START)
    assert withdraw(room, bob, WITHDRAWAL) is None
    assert notices(room, bob) == []
    opened = room.read(consent.redeem, PROOF, ALICE, BOB, START)
    assert opened is not None
    assert opened.final_reply == "250 2.0.0 item-1"


def test_who_wants_no_more_of_it_is_not_told(room: Room, bob: int) -> None:
    accept(room, bob)
    item = arrive(room, bob)
    room.write(arriving.refuse, item, START)
    assert withdraw(room, bob, WITHDRAWAL) is None
    assert notices(room, bob) == []
    is_gone(room, bob, item)


def _by_its_sender(room: Room, bob: int) -> bool:
    return withdraw(room, bob, WITHDRAWAL) is not None


def _by_time(room: Room, bob: int) -> bool:
    room.now = max(room.now, START + 90 * 86400)
    return bool(room.write(parting.expire, HOST, room.now))


def _by_silence(room: Room, bob: int) -> bool:
    room.now = max(room.now, START + PATIENCE + 1)
    return bool(sweep(room))


ENDS = [_by_its_sender, _by_time, _by_silence]


@pytest.mark.parametrize("has_begun", [True, False])
@pytest.mark.parametrize("first", ENDS)
def test_whatever_ends_it_is_told_once(
    room: Room, bob: int, first: Callable[[Room, int], bool], has_begun: bool
) -> None:
    accept(room, bob)
    item = arrive(room, bob) if has_begun else None
    told = int(first(room, bob))
    for end in (*ENDS, *reversed(ENDS)):
        told += end(room, bob)
    assert told == 1
    assert len(notices(room, bob)) == 1
    is_gone(room, bob, item)


def test_what_arrives_outlives_its_ticket(room: Room, bob: int) -> None:
    accept(room, bob)
    arrive(room, bob)
    assert not _by_time(room, bob)
    assert notices(room, bob) == []
    room.write(consent.arrived, PROOF, "item-1", "250 2.0.0 item-1", room.now)


def test_what_stopped_arriving_is_told(room: Room, bob: int) -> None:
    accept(room, bob)
    item = arrive(room, bob)
    room.now += PATIENCE - 1
    assert sweep(room) == []
    room.now += 2
    (ended,) = sweep(room)
    assert ended.parting.cause is Cause.LOST
    (said,) = notices(room, bob)
    assert "Subject: Not arrived: film.mov from alice@a.example" in said
    assert "What had arrived (70.0 kB of 100 kB) was removed." in said
    is_gone(room, bob, item)


def test_a_push_that_had_to_make_room_begins_anew(room: Room, bob: int) -> None:
    """Its checkpoint went, not its sender's patience."""
    accept(room, bob)
    arrive(room, bob)
    room.write(checkpoints.forget_message, "item-1")
    room.now += GRACE + 1
    assert sweep(room) == []
    assert room.read(items.everything, bob) == []
    assert notices(room, bob) == []
    assert room.read(consent.redeem, PROOF, ALICE, BOB, room.now) is not None
    assert room.is_sound()


def test_who_forgot_an_upload_is_told(room: Room, bob: int) -> None:
    item = arrive(room, bob, own=True)
    room.now += PATIENCE + 1
    (ended,) = sweep(room)
    assert (ended.to, ended.parting.cause) == (BOB, Cause.UPLOAD)
    (said,) = notices(room, bob)
    assert "Subject: Not uploaded: film.mov" in said
    assert "upload it again" in said
    is_gone(room, bob, item)
    assert sweep(room) == []
