# SPDX-License-Identifier: Apache-2.0
"""Jobs on accounts, mailboxes and messages: names, UIDs, counters, references."""

from __future__ import annotations

import pytest

from maild.mail.address import parse_address
from maild.store import accounts, mailboxes, messages, metadata
from maild.store.accounts import MAILBOXES, ScramKeys
from maild.store.errors import (
    ExistsError,
    NotFoundError,
    ProtectedError,
)
from maild.store.mailboxes import Counts
from maild.store.rope import Base64, Constant, Rope
from tests.store.room import ALICE, BOB, KEYS, START, TRACE, Room, stub


def names(room: Room, account_id: int) -> list[str]:
    return [m.name for m in room.read(mailboxes.everything, account_id)]


def test_an_account_begins_with_its_mailboxes(room: Room, alice: int) -> None:
    found = {m.name: m for m in room.read(mailboxes.everything, alice)}
    assert set(found) == {name for name, _, _ in MAILBOXES}
    assert found["Sent"].special_use == "\\Sent"
    assert found["INBOX"].subscribed
    assert not found["Library"].subscribed


def test_an_address_is_taken_in_any_spelling(room: Room, alice: int) -> None:
    with pytest.raises(ExistsError):
        room.account(parse_address("ALICE@A.example"))


@pytest.mark.parametrize(
    "text", ["alice@a.example", "Alice@A.EXAMPLE", "alice+library@a.example"]
)
def test_an_account_is_found_by_what_it_is_written_as(
    room: Room, alice: int, text: str
) -> None:
    found = room.read(accounts.find, parse_address(text))
    assert found is not None
    assert (found.id, found.address, found.keys) == (alice, ALICE, KEYS)


def test_a_number_is_an_account(room: Room) -> None:
    number = parse_address("+14155550101@rcs.example")
    account_id = room.account(number)
    found = room.read(accounts.find, number)
    assert found is not None
    assert (found.id, found.address) == (account_id, number)


def test_an_unknown_account_is_not_found(room: Room, alice: int) -> None:
    assert room.read(accounts.find, BOB) is None
    with pytest.raises(NotFoundError):
        room.read(accounts.get, 99)
    with pytest.raises(NotFoundError):
        room.write(accounts.set_keys, 99, KEYS)


def test_keys_and_policy_are_changed(room: Room, alice: int) -> None:
    keys = ScramKeys(b"1", 5000, b"2", b"3")
    room.write(accounts.set_keys, alice, keys)
    room.write(accounts.set_policy, alice, "contacts", 10)
    (account,) = room.read(accounts.everyone)
    assert (account.keys, account.policy, account.policy_size) == (keys, "contacts", 10)


def test_contacts_are_known_in_any_spelling(room: Room, alice: int) -> None:
    room.write(accounts.add_contact, alice, BOB)
    room.write(accounts.add_contact, alice, BOB)
    assert room.read(accounts.is_contact, alice, parse_address("BOB@b.example"))
    assert not room.read(accounts.is_contact, alice, ALICE)


def test_a_removed_account_gives_back_all_it_held(room: Room, alice: int) -> None:
    item = room.upload(alice, "a.bin", bytes(100))
    room.share(alice, item)
    room.append(alice, "INBOX")
    room.write(accounts.remove, alice)
    assert room.value("SELECT count(*) FROM content") == 0
    assert room.value("SELECT sum(refs) FROM blob") == 0
    assert room.is_sound()
    assert room.account(ALICE)


def test_uid_validity_always_grows(room: Room, alice: int) -> None:
    seen = [m.uid_validity for m in room.read(mailboxes.everything, alice)]
    for _ in range(3):
        made = room.write(mailboxes.create, alice, "a", START)
        seen.append(made.uid_validity)
        room.write(mailboxes.remove, alice, "a")
    seen.append(room.write(mailboxes.create, alice, "a", START - 1e6).uid_validity)
    assert len(set(seen)) == len(seen)
    assert seen[-4:] == sorted(seen[-4:])
    later = room.write(mailboxes.create, alice, "b", START + 1e6)
    assert later.uid_validity == int(START + 1e6)


def test_names(room: Room, alice: int) -> None:
    room.write(mailboxes.create, alice, "a/b/c/", START)
    assert {"a", "a/b", "a/b/c"} <= set(names(room, alice))
    assert room.read(mailboxes.find, alice, "inBox") is not None
    assert room.read(mailboxes.find, alice, "A") is None
    for taken in ("a/b", "inbox"):
        with pytest.raises(ExistsError):
            room.write(mailboxes.create, alice, taken, START)
    with pytest.raises(ProtectedError):
        room.write(mailboxes.create, alice, "x//y", START)


def test_renaming_takes_what_is_below_and_the_metadata(room: Room, alice: int) -> None:
    room.write(mailboxes.create, alice, "a/b", START)
    room.write(metadata.put, alice, "a/b", "/private/comment", b"x")
    old = room.mailbox(alice, "a/b")
    room.write(mailboxes.rename, alice, "a", "n/m", START)
    assert {"n", "n/m", "n/m/b"} <= set(names(room, alice))
    assert not {"a", "a/b"} & set(names(room, alice))
    assert room.mailbox(alice, "n/m/b") == old
    kept = room.read(metadata.everything, alice, "n/m/b")
    assert kept == {"/private/comment": b"x"}


def test_renaming_inbox_moves_its_messages(room: Room, alice: int) -> None:
    room.append(alice, "INBOX")
    room.write(mailboxes.rename, alice, "INBOX", "old", START)
    assert not room.lines(alice, "INBOX")
    assert len(room.lines(alice, "old")) == 1


@pytest.mark.parametrize("name", sorted(mailboxes.PROTECTED))
def test_what_has_a_meaning_stays(room: Room, alice: int, name: str) -> None:
    if name == "Versions":  # made when an item gets its second one
        room.write(mailboxes.create, alice, name, START)
    with pytest.raises(ProtectedError):
        room.write(mailboxes.remove, alice, name)
    if name != "INBOX":
        with pytest.raises(ProtectedError):
            room.write(mailboxes.rename, alice, name, "other", START)


def test_a_rename_that_cannot_be_changes_nothing(room: Room, alice: int) -> None:
    room.write(mailboxes.create, alice, "a/b", START)
    room.write(mailboxes.create, alice, "c", START)
    before = names(room, alice)
    with pytest.raises(ExistsError):
        room.write(mailboxes.rename, alice, "a", "c", START)
    with pytest.raises(ProtectedError):
        room.write(mailboxes.rename, alice, "a", "a/x", START)
    with pytest.raises(NotFoundError):
        room.write(mailboxes.rename, alice, "nowhere", "d", START)
    assert names(room, alice) == before


def test_removing_needs_an_empty_branch(room: Room, alice: int) -> None:
    room.write(mailboxes.create, alice, "a/b", START)
    room.append(alice, "a/b")
    with pytest.raises(ProtectedError):
        room.write(mailboxes.remove, alice, "a")
    room.write(mailboxes.remove, alice, "a/b")
    room.write(mailboxes.remove, alice, "a")
    assert room.value("SELECT count(*) FROM content") == 0
    with pytest.raises(NotFoundError):
        room.write(mailboxes.remove, alice, "a")


def test_metadata_names_know_no_case(room: Room, alice: int) -> None:
    room.write(metadata.put, alice, "", "/Private/X", b"1")
    room.write(metadata.put, alice, "", "/private/x", b"2")
    assert room.read(metadata.everything, alice, "") == {"/private/x": b"2"}
    room.write(metadata.put, alice, "", "/private/X", None)
    assert room.read(metadata.everything, alice, "") == {}


def test_subscriptions(room: Room, alice: int) -> None:
    room.write(mailboxes.subscribe, alice, "Library", subscribed=True)
    assert room.read(mailboxes.must_find, alice, "Library").subscribed


def test_counts(room: Room, alice: int) -> None:
    inbox = room.mailbox(alice, "INBOX")
    assert room.read(mailboxes.counts, inbox) == Counts(0, 0, 0, 0, 0)
    room.append(alice, "INBOX")
    room.append(alice, "INBOX", ("\\Seen", "\\Deleted", "$Seen"))
    room.append(alice, "INBOX", ("\\seen", "x\\Deleted"))
    size = sum(line.size for line in room.lines(alice, "INBOX"))
    assert room.read(mailboxes.counts, inbox) == Counts(3, 1, 1, size, size // 3)


def test_uids_grow_and_are_never_used_again(room: Room, alice: int) -> None:
    inbox = room.mailbox(alice, "INBOX")
    uids = [room.append(alice, "INBOX") for _ in range(3)]
    assert uids == [1, 2, 3]
    assert room.write(messages.expunge, inbox, [3, 9, 1]) == [3, 1]
    assert room.append(alice, "INBOX") == 4
    assert [line.uid for line in room.lines(alice, "INBOX")] == [2, 4]


def test_every_change_raises_the_mod_seq(room: Room, alice: int) -> None:
    inbox = room.mailbox(alice, "INBOX")
    room.append(alice, "INBOX")
    room.append(alice, "INBOX")
    _, _, start = room.read(messages.lines, inbox)
    (changed,) = room.write(messages.store_flags, inbox, [2], "+", ["\\SEEN", "kw"])
    assert changed.flags == ("\\Seen", "kw")
    assert changed.mod_seq == start + 1
    assert room.write(messages.store_flags, inbox, [2], "+", ["kw"]) == []
    room.write(messages.expunge, inbox, [1])
    lines, gone, now = room.read(messages.lines, inbox, since=start)
    assert ([line.uid for line in lines], gone, now) == ([2], [1], start + 2)
    assert room.read(messages.lines, inbox, since=now) == ([], [], now)


@pytest.mark.parametrize(
    ("mode", "result"),
    [
        ("+", ("\\Flagged", "\\Seen", "a")),
        ("-", ("a",)),
        ("=", ("\\Flagged", "\\Seen")),
    ],
)
def test_flag_modes(room: Room, alice: int, mode: str, result: tuple[str, ...]) -> None:
    inbox = room.mailbox(alice, "INBOX")
    uid = room.append(alice, "INBOX", ("\\Seen", "a"))
    given = ["\\Seen", "\\Flagged"]
    (changed,) = room.write(messages.store_flags, inbox, [uid], mode, given)
    assert changed.flags == result


def test_copy_and_move(room: Room, alice: int) -> None:
    inbox, sent = room.mailbox(alice, "INBOX"), room.mailbox(alice, "Sent")
    for _ in range(3):
        room.append(alice, "INBOX", ("\\Seen",))
    copied = room.write(messages.copy, inbox, [1, 7, 3], sent, move=False)
    assert copied == [(1, 1), (3, 2)]
    assert room.write(messages.copy, inbox, [2], sent, move=True) == [(2, 3)]
    assert [line.uid for line in room.lines(alice, "INBOX")] == [1, 3]
    assert [line.flags for line in room.lines(alice, "Sent")] == [("\\Seen",)] * 3
    within = room.write(messages.copy, inbox, [1], inbox, move=True)
    assert within == [(1, 4)]
    assert room.is_sound()


def test_there_is_no_unknown_mailbox_or_content(room: Room, alice: int) -> None:
    for job in (
        lambda: room.read(messages.lines, 999),
        lambda: room.read(messages.content, 999),
        lambda: room.read(mailboxes.get, 999),
        lambda: room.write(messages.append, 999, 1, (), START),
        lambda: room.write(messages.hold_content, 999),
    ):
        with pytest.raises(NotFoundError):
            job()


def test_a_content_claims_each_blob_once_until_its_last_place(
    room: Room, alice: int
) -> None:
    blob = room.blob(b"x" * 200)
    inbox = room.mailbox(alice, "INBOX")
    rope = Rope([Constant(b"a"), Base64(blob, 200), Base64(blob, 200)])
    content_id = room.write(messages.add_content, rope, stub().structure, TRACE)
    kept = room.read(messages.content, content_id)
    assert kept.rope.pieces == rope.pieces
    assert (kept.structure, kept.complete) == (stub().structure, True)
    first = room.write(messages.append, inbox, content_id, (), START)
    room.write(messages.copy, inbox, [first], inbox, move=False)
    assert room.value("SELECT refs FROM blob") == 1
    room.write(messages.expunge, inbox, [first])
    assert room.value("SELECT refs FROM blob") == 1
    room.write(messages.expunge, inbox, [first + 1])
    assert room.value("SELECT refs FROM blob") == 0
    with pytest.raises(NotFoundError):
        room.read(messages.content, content_id)


def test_a_content_needs_its_blobs(room: Room) -> None:
    rope = Rope([Base64(999, 5)])
    with pytest.raises(NotFoundError):
        room.write(messages.add_content, rope, stub().structure, TRACE)
    assert room.value("SELECT count(*) FROM content") == 0
