# SPDX-License-Identifier: Apache-2.0
"""Content that waits for its sender's go: the word is never lost, and never skipped."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from maild.mail.reply import Reply
from maild.mail.transfer import Event, IllegalTransitionError, Kind, State
from maild.queue import notices
from maild.store import items, mailboxes, meaning, metadata, trace, transfers
from maild.store.errors import ExistsError
from maild.store.index import Tx
from maild.store.transfers import Transfer
from tests.store.room import ALICE, BOB, START, Room, move
from tests.store.test_answers import an_answer

WITHIN = 600.0
READY = Reply(250, "1.5", "it would be taken")
ENTRY = "/private/vendor/maild/transfer/share-1"


@pytest.fixture
def waiting(room: Room, alice: int) -> Transfer:
    """Return a share that was offered, and waits for a word of its sender's, too."""
    item = room.upload(alice, "film.mov", bytes(100))
    share = room.share(alice, item, confirm=WITHIN)
    return move(room, share, Event.CLAIM, Event.OFFER_TAKEN)


def accepted(room: Room) -> None:
    assert room.write(transfers.answered, an_answer(), BOB, room.now)


def prepared(room: Room, share: Transfer) -> Transfer:
    accepted(room)
    move(room, share, Event.CLAIM)
    return room.write(transfers.prepared, share.id, room.now, READY, "mx.b.example")


def go(room: Room, share: Transfer) -> bool:
    return room.write(transfers.go, share.id, room.now)


def claimed(room: Room) -> list[Transfer]:
    return room.write(transfers.claim, "test", room.now, 9)


def test_prepared_it_waits_until_its_deadline(
    room: Room, alice: int, waiting: Transfer
) -> None:
    room.now += 50
    ready = prepared(room, waiting)
    assert ready.state is State.PREPARED
    assert (ready.status, ready.reply, ready.relay) == (
        "2.1.5",
        "it would be taken",
        "mx.b.example",
    )
    assert ready.expires == room.now + WITHIN
    assert claimed(room) == []
    assert room.read(transfers.next_due) is None
    shown = json.loads(room.read(metadata.everything, alice, "Transfers")[ENTRY])
    assert (shown["state"], shown["confirm"]) == ("prepared", WITHIN)
    assert shown["expires"] == int(ready.expires)
    (line,) = room.lines(alice, "Transfers")
    assert "$Prepared" in line.flags
    assert "\\Seen" not in line.flags  # somebody is to look at it


def test_the_deadline_is_never_later_than_the_ticket(
    room: Room, alice: int, waiting: Transfer
) -> None:
    room.now = START + 9000 - 10  # the ticket is good until START + 9000
    accepted_at = room.now
    room.now = START + 1
    accepted(room)
    room.now = accepted_at
    move(room, waiting, Event.CLAIM)
    ready = room.write(transfers.prepared, waiting.id, room.now, READY, "")
    assert ready.expires == START + 9000


def test_go_makes_it_due_and_gives_it_its_time_back(
    room: Room, alice: int, waiting: Transfer
) -> None:
    prepared(room, waiting)
    assert go(room, waiting)
    after = room.read(transfers.get, waiting.id)
    assert (after.state, after.confirm, after.lasts) == (State.ACCEPTED, 0, None)
    assert (after.expires, after.due) == (START + 9000, room.now)
    (claim,) = claimed(room)
    assert claim.confirm == 0
    assert not go(room, waiting)
    story = room.read(trace.story, waiting.id)
    assert [e.text.split(" ")[0] for e in story][-3:] == ["prepare", "go", "claim"]


@pytest.mark.parametrize("when", ["offered", "accepted", "connecting", "deferred"])
def test_go_may_come_first(
    room: Room, alice: int, waiting: Transfer, when: str
) -> None:
    if when != "offered":
        accepted(room)
    if when in ("connecting", "deferred"):
        move(room, waiting, Event.CLAIM)
    if when == "deferred":
        move(room, waiting, Event.FAIL_FOR_NOW)
    assert go(room, waiting)
    before = room.read(transfers.get, waiting.id)
    assert (before.state.value, before.confirm) == (when, 0)
    shown = json.loads(room.read(metadata.everything, alice, "Transfers")[ENTRY])
    assert shown["confirm"] == 0
    if when == "connecting":  # the attempt still asks; its answer finds the word said
        after = room.write(transfers.prepared, waiting.id, room.now, READY, "")
        assert (after.state, after.due) == (State.ACCEPTED, room.now)
        assert after.expires == START + 9000


def test_what_is_being_sent_cannot_be_made_to_wait(
    room: Room, alice: int, waiting: Transfer
) -> None:
    item = room.read(items.get, alice, waiting.item_id or "")
    assert room.share(alice, item, name="share-2", confirm=WITHIN).id == waiting.id
    assert go(room, waiting)
    with pytest.raises(ExistsError):
        room.share(alice, item, name="share-2", confirm=WITHIN)
    assert room.share(alice, item, name="share-2").id == waiting.id


def test_what_waits_for_nobody_is_not_told_to_go(room: Room, share: Transfer) -> None:
    before = room.read(transfers.get, share.id)
    assert not go(room, share)
    assert room.read(transfers.get, share.id) == before


def test_after_a_kill_it_is_asked_again_and_still_waits(
    room: Room, alice: int, waiting: Transfer
) -> None:
    accepted(room)
    claimed(room)
    room.write(transfers.abandon_claims, "test", room.now)
    (again,) = claimed(room)
    assert again.confirm == WITHIN
    with pytest.raises(IllegalTransitionError):
        move(room, waiting, Event.GO, Event.GO)


def test_without_go_it_is_dropped_and_both_sides_are_told(
    room: Room, alice: int, waiting: Transfer
) -> None:
    prepared(room, waiting)
    room.now += WITHIN
    (expired,) = room.write(transfers.expire_due, room.now)
    assert expired.state is State.EXPIRED
    every = room.read(transfers.everything)
    assert [t.recipient for t in every if t.kind is Kind.WITHDRAWAL] == [BOB]
    (notice,) = room.write(notices.file_due, room.now, 0.0, "mx.a.example")
    reason = notices.reason(notice.transfer, delayed=False)
    assert str(reason) == "550 5.4.7 nobody said go in time; nothing was sent"
    assert not go(room, waiting)  # too late


def test_what_is_held_waits_for_whoever_holds_it(
    room: Room, alice: int, waiting: Transfer
) -> None:
    prepared(room, waiting)
    room.write(transfers.hold, waiting.id, room.now, held=True)
    room.now += WITHIN
    assert room.write(transfers.expire_due, room.now) == []
    assert go(room, waiting)
    assert claimed(room) == []
    room.write(transfers.hold, waiting.id, room.now, held=False)
    assert [t.id for t in claimed(room)] == [waiting.id]


def cancel(room: Room, share: Transfer) -> None:
    move(room, share, Event.CANCEL)


def remove_item(room: Room, share: Transfer) -> None:
    assert share.account_id is not None
    assert share.item_id is not None
    room.write(items.remove, share.account_id, share.item_id, room.now)


@pytest.mark.parametrize("end", [cancel, remove_item])
def test_what_is_taken_back_is_told(
    room: Room, alice: int, waiting: Transfer, end: Callable[[Room, Transfer], None]
) -> None:
    prepared(room, waiting)
    end(room, waiting)
    assert room.read(transfers.get, waiting.id).state is State.CANCELLED
    every = room.read(transfers.everything)
    assert len([t for t in every if t.kind is Kind.WITHDRAWAL]) == 1


@pytest.mark.parametrize(
    ("keyword", "goes"), [("$Go", True), ("$GO", True), ("$go", True), ("Go", False)]
)
def test_any_mail_program_says_go(
    room: Room, alice: int, waiting: Transfer, keyword: str, goes: bool
) -> None:
    prepared(room, waiting)
    (line,) = room.lines(alice, "Transfers")

    def set_keyword(tx: Tx) -> None:
        box = mailboxes.must_find(tx, alice, "Transfers")
        meaning.store_flags(tx, box, [line.uid], "+", [keyword], room.now)

    room.write(set_keyword)
    after = room.read(transfers.get, waiting.id)
    assert (after.state is State.ACCEPTED) == goes
    (shown,) = room.lines(alice, "Transfers")
    assert shown.uid == line.uid  # whoever has set it finds it there
    assert ("$Accepted" in shown.flags, keyword in shown.flags) == (goes, True)


def test_the_keyword_elsewhere_means_nothing(
    room: Room, alice: int, waiting: Transfer
) -> None:
    prepared(room, waiting)
    uid = room.append(alice, "INBOX")

    def set_keyword(tx: Tx) -> None:
        box = mailboxes.must_find(tx, alice, "INBOX")
        meaning.store_flags(tx, box, [uid], "+", ["$Go"], room.now)

    room.write(set_keyword)
    assert room.read(transfers.get, waiting.id).state is State.PREPARED


def test_the_same_share_again_changes_no_word(
    room: Room, alice: int, waiting: Transfer
) -> None:
    item = room.read(items.get, alice, waiting.item_id or "")
    again = room.share(alice, item, BOB, "share-2")
    assert (again.id, again.confirm) == (waiting.id, WITHIN)
    assert again.sender == ALICE
