# SPDX-License-Identifier: Apache-2.0
"""Garbage collection and fsck: what goes, what stays, what is found and mended."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from maild.store import messages
from maild.store.blobs import INLINE, SEGMENT
from maild.store.errors import NotFoundError
from maild.store.fsck import Finding, Kind
from maild.store.gc import Collected
from maild.store.index import Tx
from maild.store.rope import Raw, Rope
from tests.store.room import ALICE, START, TRACE, Room, stub

CONTENT = bytes(range(256)) * (INLINE // 256 + 1)
NOTHING = Collected(0, 0, 0)


@pytest.fixture
def room(room: Room) -> Room:
    """Set the clock to that of the file system: files carry its times."""
    room.now = time.time()
    return room


def later(room: Room) -> Room:
    room.now += 7200
    return room


def collect(room: Room) -> Collected:
    return room.store.blobs.collect(room.now)


def check(room: Room, *, repair: bool = False) -> list[Finding]:
    return list(room.store.blobs.check(repair=repair))


def kept(room: Room, blob: int) -> int:
    """Let a message in INBOX refer to a blob; return its UID."""
    mailbox = room.mailbox(room.account(ALICE), "INBOX")
    size = room.store.blobs.state(blob).durable
    content_id = room.write(
        messages.add_content, Rope([Raw(blob, 0, size)]), stub().structure, TRACE
    )
    return room.write(messages.append, mailbox, content_id, (), START)


def sealed_file(room: Room) -> Path:
    (path,) = (p for p in (room.path / "blobs").rglob("*") if p.is_file())
    return path


def test_young_blobs_and_files_stay(room: Room) -> None:
    room.blob(CONTENT)
    room.blob(b"small")
    (room.path / "incoming" / "stray").write_bytes(b"x")
    assert collect(room) == NOTHING
    assert check(room) == []


def test_what_nobody_refers_to_goes(room: Room) -> None:
    first, second = room.blob(CONTENT), room.blob(b"small")
    path = sealed_file(room)
    assert collect(later(room)) == Collected(2, 1, len(CONTENT))
    assert not path.exists()
    for blob in (first, second):
        with pytest.raises(NotFoundError):
            room.store.blobs.state(blob)
    assert check(room) == []


def test_what_a_message_refers_to_stays_until_it_goes(room: Room) -> None:
    uid = kept(room, room.blob(CONTENT))
    assert collect(later(room)) == NOTHING
    inbox = room.value("SELECT mailbox_id FROM message")
    room.write(messages.expunge, inbox, [uid])
    assert collect(room) == Collected(1, 1, len(CONTENT))


def test_a_blob_that_is_sealed_again_is_young_again(room: Room) -> None:
    first = room.blob(CONTENT)
    assert room.blob(CONTENT) == first
    later(room)
    assert room.blob(CONTENT) == first
    assert collect(room) == NOTHING


def test_an_open_reader_outlives_its_blob(room: Room) -> None:
    with room.store.blobs.open(room.blob(CONTENT)) as reader:
        collect(later(room))
        assert reader.pread(0, 1 << 20) == CONTENT


def test_a_writer_is_left_alone_however_long_it_stalls(room: Room) -> None:
    writer = room.store.blobs.create()
    writer.append(CONTENT)
    writer.flush()
    assert collect(later(room)) == NOTHING
    assert writer.seal().size == len(CONTENT)


def test_what_a_writer_left_behind_goes(room: Room) -> None:
    writer = room.store.blobs.create()
    writer.append(CONTENT)
    writer.flush()
    writer.close()
    assert collect(room) == NOTHING
    assert collect(later(room)) == Collected(1, 1, len(CONTENT))


@pytest.mark.parametrize("where", ["incoming/stray", "blobs/ab/cd/abcdef"])
def test_an_orphan_file_is_found_and_goes(room: Room, where: str) -> None:
    path = room.path / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"12345")
    assert check(room) == []
    later(room)
    (finding,) = check(room)
    assert (finding.kind, finding.repaired) == (Kind.ORPHAN_FILE, False)
    assert collect(room) == Collected(0, 1, 5)
    path.write_bytes(b"12345")
    (finding,) = check(room, repair=True)
    assert finding.repaired
    assert not path.exists()


def test_a_missing_file_is_found(room: Room) -> None:
    kept(room, room.blob(CONTENT))
    sealed_file(room).unlink()
    (finding,) = check(room, repair=True)
    assert (finding.kind, finding.repaired) == (Kind.MISSING_FILE, False)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_length_is_found(room: Room, change: int) -> None:
    kept(room, room.blob(CONTENT))
    os.truncate(sealed_file(room), len(CONTENT) + change)
    (finding,) = check(room)
    assert finding.kind is Kind.WRONG_LENGTH


def test_a_flipped_bit_is_found_in_its_segment(room: Room) -> None:
    kept(room, room.blob(bytes(SEGMENT) + CONTENT))
    with sealed_file(room).open("r+b") as file:
        file.seek(SEGMENT + 5)
        file.write(b"\x04")
    (finding,) = check(room)
    assert finding.kind is Kind.WRONG_DIGEST
    assert str(finding) == "wrong digest: blob 1: segments 1 differ"


def damage(tx: Tx, sql: str) -> None:
    tx.run(sql)


def test_damage_within_the_index_is_found(room: Room) -> None:
    for sql, kind in (
        ("UPDATE blob SET inline = x'00'", Kind.WRONG_LENGTH),
        ("UPDATE blob SET inline = x'0000000000'", Kind.WRONG_DIGEST),
    ):
        room.blob(b"small")
        room.write(damage, sql)
        (finding,) = check(room)
        assert finding.kind is kind


def test_a_growing_blob_is_checked_to_its_durable_length(room: Room) -> None:
    writer = room.store.blobs.create()
    writer.append(CONTENT)
    writer.flush()
    writer.append(b"more, not yet durable")
    assert check(room) == []
    (path,) = (room.path / "incoming").iterdir()
    with path.open("r+b") as file:
        file.write(b"\xff")
    (finding,) = check(room)
    assert finding.kind is Kind.WRONG_DIGEST


def test_wrong_references_are_mended(room: Room) -> None:
    blob = room.blob(CONTENT)
    kept(room, blob)
    room.write(lambda tx: tx.run("UPDATE blob SET refs = 7"))
    room.write(lambda tx: tx.run("UPDATE content SET refs = 5"))
    kinds = [finding.kind for finding in check(room)]
    assert kinds == [Kind.WRONG_CONTENT_REFS, Kind.WRONG_BLOB_REFS]
    assert all(finding.repaired for finding in check(room, repair=True))
    assert check(room) == []
    assert room.value("SELECT refs FROM blob") == 1


def test_a_content_without_a_place_is_mended_away(room: Room) -> None:
    blob = room.blob(CONTENT)
    rope = Rope([Raw(blob, 0, len(CONTENT))])
    room.write(messages.add_content, rope, stub().structure, TRACE)
    assert [finding.kind for finding in check(room)] == [Kind.WRONG_CONTENT_REFS]
    check(room, repair=True)
    assert room.value("SELECT count(*) FROM content") == 0
    assert room.value("SELECT refs FROM blob") == 0
    assert check(room) == []
