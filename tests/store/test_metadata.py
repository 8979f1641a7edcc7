# SPDX-License-Identifier: Apache-2.0
"""Annotations: changes are numbered, removals are remembered for a while."""

from __future__ import annotations

from importlib import resources

import apsw
import pytest

from maild.store import metadata
from maild.store.errors import NotFoundError
from maild.store.index import Tx
from tests.store.room import Room


def test_changes_are_numbered_and_each_entry_is_told_once(
    room: Room, alice: int
) -> None:
    began = room.read(metadata.last_change, alice)
    for value in (b"1", b"2"):
        room.write(metadata.put, alice, "INBOX", "/private/a", value)
    room.write(metadata.put, alice, "", "/private/b", b"3")
    changed = room.read(metadata.changes, alice, began, 10)
    assert changed.entries == (("INBOX", "/private/a"), ("", "/private/b"))
    assert changed.last == began + 3
    assert room.read(metadata.changes, alice, changed.last, 10).entries == ()
    first = room.read(metadata.changes, alice, began, 1)
    assert first.entries == changed.entries[:1]
    assert (
        room.read(metadata.changes, alice, first.last, 1).entries
        == (changed.entries[1:])
    )


def test_a_removal_is_a_change_and_forgotten_later(room: Room, alice: int) -> None:
    room.write(metadata.put, alice, "INBOX", "/private/a", b"1")
    seen = room.write(metadata.put, alice, "INBOX", "/private/b", b"1")
    room.write(metadata.put, alice, "INBOX", "/private/a", None)
    changed = room.read(metadata.changes, alice, seen, 10)
    assert changed.entries == (("INBOX", "/private/a"),)
    assert room.read(metadata.everything, alice, "INBOX") == {"/private/b": b"1"}

    def job(tx: Tx) -> int:
        for number in range(2 * metadata.REMEMBERED):
            metadata.put(tx, alice, "INBOX", f"/private/{number}", None)
        kept = tx.value("SELECT count(*) FROM metadata WHERE account_id = ?1", alice)
        return int(kept)

    assert room.write(job) <= metadata.REMEMBERED + 1


def test_nothing_is_kept_where_there_is_no_mailbox_or_account(
    room: Room, alice: int
) -> None:
    with pytest.raises(NotFoundError):
        room.write(metadata.put, alice, "Nowhere", "/private/a", b"1")
    with pytest.raises(NotFoundError):
        room.write(metadata.put, alice + 100, "", "/private/a", b"1")


def test_what_was_kept_before_is_still_there() -> None:
    folder = resources.files("maild.store") / "schema"
    connection = apsw.Connection(":memory:")
    for name in ("0001.sql", "0002.sql", "0003.sql"):
        connection.execute((folder / name).read_text())
    connection.execute(
        """INSERT INTO account (address, scram_salt, scram_iterations,
            scram_stored_key, scram_server_key, created)
        VALUES ('a@a.example', x'', 1, x'', x'', 0);
        INSERT INTO metadata VALUES (1, 'INBOX', '/private/a', x'31')"""
    )
    connection.execute((folder / "0004.sql").read_text())
    assert metadata.everything(Tx(connection), 1, "INBOX") == {"/private/a": b"1"}
    assert metadata.put(Tx(connection), 1, "", "/private/a", b"2") == 1
