# SPDX-License-Identifier: Apache-2.0
"""Jobs on transfers: the whole table, what is shown and who is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from maild.mail.address import parse_address
from maild.mail.reply import Reply
from maild.mail.transfer import (
    ACTIVE,
    CLAIMABLE,
    FINAL,
    KEYWORD,
    NEXT,
    Event,
    IllegalTransitionError,
    Kind,
    State,
)
from maild.store import (
    accounts,
    messages,
    metadata,
    trace,
    transfers,
)
from maild.store.errors import NotFoundError
from maild.store.transfers import Transfer
from tests.store.room import (
    ALICE,
    BOB,
    LIFETIMES,
    NONCE,
    START,
    TRACE,
    Room,
    a_mail,
    move,
    put_in,
    stub,
)

ENTRY = "/private/vendor/maild/transfer/share-1"


@pytest.mark.parametrize("state", list(State))
def test_the_table_is_kept(
    room: Room, alice: int, share: Transfer, state: State
) -> None:
    for event in Event:
        put_in(room, share, state)
        before = room.read(transfers.get, share.id)
        following = NEXT[state].get(event)
        if following is None:
            with pytest.raises(IllegalTransitionError):
                move(room, share, event)
            assert room.read(transfers.get, share.id) == before
        else:
            after = move(room, share, event)
            assert after == room.read(transfers.get, share.id)
            assert after.state is following
            assert (after.finished is not None) == (following in FINAL)
            check_shown(room, alice, after)


def check_shown(room: Room, account_id: int, transfer: Transfer) -> None:
    (line,) = room.lines(account_id, "Transfers")
    assert line.uid == transfer.view_uid
    keywords = [flag for flag in line.flags if flag in KEYWORD.values()]
    assert keywords == [KEYWORD[transfer.state]]
    shown = room.read(metadata.everything, account_id, "Transfers")
    assert json.loads(shown[ENTRY])["state"] == transfer.state.value


def test_a_share_is_queued_and_shown(room: Room, alice: int, share: Transfer) -> None:
    assert share.state is State.QUEUED
    assert (share.kind, share.size, share.name) == (Kind.SHARE, 100, "film.mov")
    assert share.expires == START + LIFETIMES.offer
    assert room.read(accounts.is_contact, alice, BOB)
    (line,) = room.lines(alice, "Transfers")
    content = room.read(messages.content, line.content_id)
    assert b"film.mov" in b"".join(
        p.octets for p in content.rope.pieces if hasattr(p, "octets")
    )
    found = room.read(transfers.by_view, room.mailbox(alice, "Transfers"), line.uid)
    assert found == share
    assert room.read(transfers.by_view, room.mailbox(alice, "INBOX"), 1) is None


def test_the_same_item_goes_to_an_address_once(
    room: Room, alice: int, share: Transfer
) -> None:
    item = room.upload(alice, "other", b"1")
    again = parse_address("BOB@b.example")
    same = replace(item, id=share.item_id or "")
    assert room.share(alice, same, again, "share-2") == share
    assert room.share(alice, item, again, "share-3").id == "share-3"
    assert not room.write(transfers.add, replace(share, id="share-4"), START)


@pytest.mark.parametrize("state", [State.SENT, *sorted(FINAL - {State.SENT})])
def test_what_failed_may_be_sent_again(
    room: Room, alice: int, share: Transfer, state: State
) -> None:
    put_in(room, share, state)
    again = room.write(transfers.add, replace(share, id="share-2"), START)
    assert again == (state is not State.SENT)


def test_an_item_of_somebody_else_cannot_be_shared(
    room: Room, alice: int, share: Transfer
) -> None:
    bob = room.account(BOB)
    fresh = transfers.FreshShare("x", NONCE)
    with pytest.raises(NotFoundError):
        room.write(
            transfers.share, bob, share.item_id or "", ALICE, fresh, LIFETIMES, START
        )


def test_a_reply_is_recorded_in_one_line(room: Room, share: Transfer) -> None:
    reply = Reply(450, "2.1", "try\r\nlater\x1b" + "x" * 2000)
    move(room, share, Event.CLAIM)
    after = room.write(
        transfers.advance, share.id, Event.FAIL_FOR_NOW, START, reply=reply, relay="mx"
    )
    assert (after.status, after.relay, after.attempts) == ("4.2.1", "mx", 1)
    assert after.reply.startswith("try??later?x")
    assert len(after.reply) <= 500
    assert after.due > START


def test_backoff_doubles_and_ends_with_acceptance(room: Room, share: Transfer) -> None:
    waits: list[float] = []
    for _ in range(3):
        share = move(room, share, Event.CLAIM, Event.FAIL_FOR_NOW)
        waits.append(share.due - START)
    assert waits == [60, 120, 240]
    due = room.write(
        transfers.advance, move(room, share, Event.CLAIM).id, Event.FAIL_FOR_NOW,
        START, due=START + 7,
    ).due  # fmt: skip
    assert due == START + 7
    accepted = move(room, share, Event.ACCEPT)
    assert (accepted.attempts, accepted.due) == (0, START)


def test_short_states_change_only_the_keyword(
    room: Room, alice: int, share: Transfer
) -> None:
    connecting = move(room, share, Event.CLAIM)
    assert connecting.view_uid == share.view_uid
    transferring = move(room, share, Event.CONTENT_STARTS)
    assert transferring.view_uid != share.view_uid
    assert len(room.lines(alice, "Transfers")) == 1


def test_a_bad_end_is_unseen_a_good_one_seen(room: Room, alice: int) -> None:
    for name, event, seen in (
        ("good", Event.DELIVER, True),
        ("bad", Event.FAIL_FOR_GOOD, False),
    ):
        item = room.upload(alice, name, b"1")
        share = room.share(alice, item, BOB, name)
        end = move(room, share, Event.CLAIM, event)
        flags = {line.uid: line.flags for line in room.lines(alice, "Transfers")}
        assert ("\\Seen" in flags[end.view_uid or 0]) == seen
        assert end.octets == (end.size if seen else 0)


def test_progress_never_goes_backwards(room: Room, alice: int, share: Transfer) -> None:
    for octets, shown in ((50, 50), (20, 50), (70, 70)):
        room.write(transfers.progress, share.id, octets, START)
        assert room.read(transfers.get, share.id).octets == shown
        entries = room.read(metadata.everything, alice, "Transfers")
        assert json.loads(entries[ENTRY]) == {
            "id": "share-1",
            "state": "queued",
            "octets": shown,
            "size": 100,
            "rate": 0,
            "recipient": "bob@b.example",
            "name": "film.mov",
            "created": int(START),
            "status": "",
            "reply": "",
            "route": "",
            "expires": int(START + LIFETIMES.offer),
            "confirm": 0,
        }
    assert len(room.lines(alice, "Transfers")) == 1


async def test_progress_and_state_wake_who_watches(
    room: Room, alice: int, share: Transfer
) -> None:
    index, changes = room.store.index, room.store.changes
    mailbox = f"mailbox:{room.mailbox(alice, 'Transfers')}"
    numbers = changes.watch(metadata.topic(alice))
    with changes.watch(mailbox) as shown, changes.watch("queue") as queue, numbers:
        await index.write(transfers.progress, share.id, 10, START)
        assert await numbers.wait(30)
        assert not await shown.wait(0)
        assert not await queue.wait(0)
        await index.write(transfers.advance, share.id, Event.CLAIM, START)
        assert await shown.wait(30)
        assert await queue.wait(30)


@pytest.mark.parametrize("state", list(State))
def test_time_ends_what_is_idle(room: Room, share: Transfer, state: State) -> None:
    put_in(room, share, state)
    room.write(
        lambda tx: tx.run("UPDATE transfer SET finished = 1") if state in FINAL else 0
    )
    nearest = None if state in FINAL else share.expires
    assert room.read(transfers.next_expiry) == nearest
    assert room.write(transfers.expire_due, share.expires - 1) == []
    expired = room.write(transfers.expire_due, share.expires)
    if state in FINAL | ACTIVE:
        assert expired == []
        return
    (ended,) = expired
    assert ended.state is NEXT[state][Event.EXPIRE]
    assert room.read(transfers.next_expiry) is None


def test_everything_lists_by_account_and_end(
    room: Room, alice: int, share: Transfer
) -> None:
    room.write(transfers.add, a_mail(None), START)
    listed = [t.id for t in room.read(transfers.everything)]
    assert sorted(listed) == ["mail-0001", "share-1"]
    assert [t.id for t in room.read(transfers.everything, alice)] == ["share-1"]
    move(room, share, Event.CANCEL)
    assert [t.id for t in room.read(transfers.everything, None, final=False)] == [
        "mail-0001"
    ]


def test_senders_are_told_once_of_delay_and_end(room: Room, share: Transfer) -> None:
    move(room, share, Event.CLAIM, Event.FAIL_FOR_NOW)

    def due(at: float, warning: float = 100.0) -> list[tuple[str, bool]]:
        found = room.read(transfers.notices_due, at, warning)
        return [(notice.name, notice.delayed) for notice in found]

    assert room.read(transfers.next_warning, 100.0) == START + 100
    assert room.read(transfers.next_warning, 0.0) is None
    assert due(START + 99) == []
    assert due(START + 100, warning=0) == []
    assert due(START + 100) == [("film.mov", True)]
    room.write(transfers.notified, share.id, delayed=True)
    assert room.read(transfers.next_warning, 100.0) is None
    assert due(START + 100) == []
    move(room, share, Event.FAIL_FOR_GOOD)
    assert due(START + 100) == [("film.mov", False)]
    room.write(transfers.notified, share.id, delayed=False)
    assert due(START + 100) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [({}, True), ({"sender": None}, False), ({"kind": Kind.ANSWER}, False)],
)
def test_nobody_is_told_about_answers_and_the_null_path(
    room: Room, changes: dict[str, object], told: bool
) -> None:
    content = room.write(lambda tx: room.small(tx))
    room.write(transfers.add, a_mail(content, **changes), START)
    room.write(transfers.advance, "mail-0001", Event.FAIL_FOR_GOOD, START)
    assert bool(room.read(transfers.notices_due, START, 1.0)) == told
    assert bool(room.value("SELECT count(*) FROM content")) == told
    room.write(transfers.notified, "mail-0001", delayed=False)
    assert room.value("SELECT count(*) FROM content") == 0


def test_mail_of_a_user_is_shown_by_its_subject(room: Room, alice: int) -> None:
    structure = replace(
        stub().structure,
        envelope=(None, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", *stub().structure.envelope[2:]),
    )
    content = room.write(messages.add_small, b"x", structure, TRACE)
    room.write(transfers.add, a_mail(content, account_id=alice), START)
    assert room.read(transfers.get, "mail-0001").name == "Grüße"
    assert len(room.lines(alice, "Transfers")) == 1


def test_sent_mail_gives_its_content_back(room: Room) -> None:
    content = room.write(lambda tx: room.small(tx))
    room.write(transfers.add, a_mail(content), START)
    assert room.value("SELECT refs FROM content") == 1
    for event in (Event.CLAIM, Event.DELIVER):
        room.write(transfers.advance, "mail-0001", event, START)
    assert room.value("SELECT count(*) FROM content") == 0
    assert room.is_sound()


def test_finished_transfers_are_forgotten(
    room: Room, alice: int, share: Transfer
) -> None:
    room.write(transfers.add, a_mail(None), START)
    move(room, share, Event.FAIL_FOR_GOOD)
    assert room.write(transfers.forget_finished, START) == 0
    assert room.write(transfers.forget_finished, START + 1) == 1
    assert [t.id for t in room.read(transfers.everything)] == ["mail-0001"]
    assert room.lines(alice, "Transfers") == []
    assert room.read(metadata.everything, alice, "Transfers") == {}


def test_the_first_rendering_is_frozen(room: Room, share: Transfer) -> None:
    item = share.item_id or ""

    def freeze(hop: str, head: bytes) -> tuple[bytes, bytes]:
        return room.write(transfers.freeze_rendering, item, hop, head, b"tail", START)

    assert freeze("b.example", b"1") == (b"1", b"tail")
    assert freeze("b.example", b"2") == (b"1", b"tail")
    assert freeze("c.example", b"2") == (b"2", b"tail")


def test_the_story_of_a_transfer(room: Room, share: Transfer) -> None:
    move(room, share, Event.CLAIM)
    for key in (TRACE, share.id, share.item_id or ""):
        told = [event.text for event in room.read(trace.story, key)]
        assert told == ["share for bob@b.example queued", "claim"]
    assert room.read(trace.story, "nothing") == []
    assert room.write(trace.forget, START) == 0
    assert room.write(trace.forget, START + 1) == 2


def test_claimable_states_are_those_of_the_index(room: Room, share: Transfer) -> None:
    for state in State:
        put_in(room, share, state)
        assert (room.read(transfers.next_due) is not None) == (state in CLAIMABLE)
