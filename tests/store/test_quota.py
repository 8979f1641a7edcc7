# SPDX-License-Identifier: Apache-2.0
"""What an account holds is counted as it changes, and kept within its quota."""

from __future__ import annotations

import random
from importlib import resources
from pathlib import Path

import apsw
import pytest

from maild.store import accounts, consent, items, mailboxes, messages, parting, quota
from maild.store.errors import NotFoundError, OverQuotaError
from maild.store.index import Tx
from maild.store.quota import Use
from tests.store.room import BOB, TICKET, Room, an_offer

RECOUNT = """SELECT coalesce(sum(stored), 0) FROM content WHERE id IN (
    SELECT content_id FROM message JOIN mailbox ON mailbox.id = mailbox_id
    WHERE account_id = ?1)"""


@pytest.fixture
def bob(room: Room) -> int:
    return room.account(BOB)


def used(room: Room, account_id: int) -> Use:
    return room.read(quota.use, account_id)


def decide(room: Room, account_id: int, content_id: int, *, accepted: bool) -> bool:
    fresh = consent.Randomness(TICKET, f"answer-{content_id}")
    return room.write(
        consent.decide, account_id, content_id, fresh, room.now, accepted=accepted
    )


def test_it_is_what_a_count_of_everything_says(room: Room, alice: int) -> None:
    """Whatever happens to messages, the counter follows in the same transaction."""
    chance = random.Random(7)
    names = ["INBOX", "Trash", "Sent", "Made"]
    room.write(mailboxes.create, alice, "Made", room.now)
    places = {name: room.mailbox(alice, name) for name in names}
    held = room.upload(alice, "film", b"x" * 70_000)
    for _ in range(150):
        name = chance.choice(names)
        uids = [line.uid for line in room.lines(alice, name)]
        chosen = chance.sample(uids, min(len(uids), chance.randint(0, 3)))
        match chance.randint(0, 3):
            case 0 | 1:
                room.append(alice, name)
            case 2:
                target = places[chance.choice(names)]
                move = chance.random() < 0.5
                room.write(messages.copy, places[name], chosen, target, move=move)
            case _:
                room.write(messages.expunge, places[name], chosen)
        assert used(room, alice).held == room.value(RECOUNT, alice)
    room.write(mailboxes.remove, alice, "Made")
    room.write(items.remove, alice, held.id, room.now)
    assert used(room, alice).held == room.value(RECOUNT, alice)
    for name in names[:-1]:
        uids = [line.uid for line in room.lines(alice, name)]
        room.write(messages.expunge, places[name], uids)
    assert used(room, alice) == Use(None, 0, 0, 0)


def test_a_content_counts_once_in_each_account(
    room: Room, alice: int, bob: int
) -> None:
    def job(tx: Tx) -> int:
        content_id = room.small(tx)
        for owner in (alice, bob):
            for name in ("INBOX", "Trash"):
                target = mailboxes.must_find(tx, owner, name)
                messages.append(tx, target.id, content_id, (), room.now)
        return messages.content(tx, content_id).rope.size

    size = room.write(job)
    assert used(room, alice).held == used(room, bob).held == size
    room.write(accounts.remove, bob)
    assert used(room, alice).held == size


def test_a_content_whose_size_becomes_known(room: Room, alice: int) -> None:
    room.append(alice, "INBOX")
    before = used(room, alice).held
    room.write(lambda tx: tx.run("UPDATE content SET stored = stored + 1000"))
    assert used(room, alice).held == before + 1000


OLDER = """
INSERT INTO account (id, address, scram_salt, scram_iterations, scram_stored_key,
    scram_server_key, created) VALUES (1, 'alice@a.example', '', 1, '', '', 0);
INSERT INTO mailbox (id, account_id, name, uid_validity) VALUES (1, 1, 'INBOX', 1);
INSERT INTO blob (id, key, durable, expected, created, touched)
    VALUES (1, 'k', 70000, 100000, 0, 0);
INSERT INTO content (id, trace, size, pieces, constants, structure)
    VALUES (1, 't', 99, '[]', x'414243', '{}'), (2, 't', 99, '[]', x'4142', '{}');
INSERT INTO content_blob VALUES (1, 1);
INSERT INTO message (mailbox_id, uid, content_id, internal_date, mod_seq)
    VALUES (1, 1, 1, 0, 1), (1, 2, 2, 0, 1), (1, 3, 2, 0, 1);
"""


def test_what_is_there_already_is_counted(tmp_path: Path) -> None:
    """An index of the version before is migrated."""
    root = tmp_path / "store"
    root.mkdir()
    connection = apsw.Connection(str(root / "index.sqlite"))
    folder = resources.files("maild.store") / "schema"
    for number in range(1, 5):
        connection.execute((folder / f"{number:04}.sql").read_text())
    connection.execute(OLDER)
    connection.pragma("user_version", 4)
    connection.close()
    room = Room(root)
    assert used(room, 1).held == 100_003 + 2
    room.close()


def test_an_accepted_offer_reserves_its_size(room: Room, bob: int) -> None:
    content_id = room.offer(bob, an_offer())
    held = used(room, bob).held
    room.write(quota.set_quota, bob, held + 1000)
    assert decide(room, bob, content_id, accepted=True)
    assert used(room, bob) == Use(held + 1000, held, 0, 1000)
    room.write(parting.expire, "b.example", room.now + 90 * 86400)
    assert used(room, bob).reserved == 0


def test_an_offer_without_room_stays_open(room: Room, bob: int) -> None:
    content_id = room.offer(bob, an_offer())
    held = used(room, bob).held
    room.write(quota.set_quota, bob, held + 999)
    with pytest.raises(OverQuotaError):
        decide(room, bob, content_id, accepted=True)
    ((_, state),) = room.read(consent.open_offers, bob, room.now)
    assert state == "open"
    room.write(quota.set_quota, bob, None)
    assert decide(room, bob, content_id, accepted=True)


def test_an_offer_without_room_can_be_declined(room: Room, bob: int) -> None:
    content_id = room.offer(bob, an_offer())
    room.write(quota.set_quota, bob, 1)
    assert decide(room, bob, content_id, accepted=False)


def test_two_offers_do_not_get_the_same_room(room: Room, bob: int) -> None:
    first = room.offer(bob, an_offer())
    second = room.offer(bob, an_offer(id="offer-0002"))
    room.write(quota.set_quota, bob, used(room, bob).held + 1999)
    assert decide(room, bob, first, accepted=True)
    with pytest.raises(OverQuotaError):
        decide(room, bob, second, accepted=True)


def test_what_is_coming_is_counted_beside(room: Room, alice: int) -> None:
    film = room.upload(alice, "film", b"x" * 100)
    held = used(room, alice).held
    room.write(quota.set_quota, alice, held + 50)
    coming = {"other": 30, film.id: 1000}  # the film is shown, and so counted
    found = room.read(quota.room, alice, coming)
    assert found == quota.Room(held + 50, 20)
    assert room.read(quota.fits, alice, 50)
    assert not room.read(quota.fits, alice, 51)


def test_any_number_of_octets_may_be_reserved(room: Room, bob: int) -> None:
    for number in range(3):
        content_id = room.offer(bob, an_offer(id=f"offer-{number:04}", size=2**62))
        assert decide(room, bob, content_id, accepted=True)
    assert used(room, bob).reserved > 2**63
    room.write(quota.set_quota, bob, 2**40)
    assert not room.read(quota.fits, bob, 0)


def test_nobody_has_no_quota(room: Room) -> None:
    with pytest.raises(NotFoundError):
        room.read(quota.use, 99)
    with pytest.raises(NotFoundError):
        room.write(quota.set_quota, 99, 1)


def test_it_is_looked_up_and_not_counted(room: Room, alice: int) -> None:
    """What it costs does not grow with what the account holds."""
    for _ in range(50):
        room.append(alice, "INBOX")

    def plans(tx: Tx) -> list[str]:
        asked = [
            """SELECT total(reserved) FROM offer WHERE account_id = 1 AND reserved > 0
            AND NOT EXISTS (SELECT 1 FROM item WHERE item.id = offer.item_id)""",
            """SELECT message_id, durable FROM checkpoint JOIN blob ON blob.id = blob_id
            WHERE account_id = 1 AND kind = 'upload'
            AND NOT EXISTS (SELECT 1 FROM item
                WHERE item.id = message_id AND library_uid IS NOT NULL)""",
        ]
        return [row[3] for sql in asked for row in tx.all("EXPLAIN QUERY PLAN " + sql)]

    assert not [step for step in room.read(plans) if step.startswith("SCAN")]
