# SPDX-License-Identifier: Apache-2.0
"""What a blob must keep when its writer ends anywhere and another one goes on."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest
from xxhash import xxh3_128

from maild.store import blob_records, checkpoints
from maild.store.blobs import INLINE, SEGMENT, WATERMARK, BlobWriter
from maild.store.checkpoints import Checkpoint, Envelope, Kind
from maild.store.errors import (
    DamagedError,
    InUseError,
    NotFoundError,
    StoreError,
)
from tests.store.room import BOB, Room, run_python

SIZE = WATERMARK + 2 * SEGMENT + 12_345
CONTENT = random.Random(7).randbytes(SIZE)
CUTS = (INLINE + 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, WATERMARK, WATERMARK + 99, SIZE)
LIFETIME = 5000.0


def cut_at(room: Room, durable: int, beyond: int = 0) -> int:
    """Leave a blob that has come that far, with octets that are not durable."""
    writer = room.store.blobs.create(SIZE)
    for start in range(0, durable, 1_000_003):
        writer.append(CONTENT[start : min(durable, start + 1_000_003)])
    assert writer.flush() == durable
    blob = writer.id
    writer.close()
    if beyond:
        with growing(room).open("ab") as file:
            file.write(os.urandom(beyond))
    return blob


def growing(room: Room) -> Path:
    (path,) = (room.path / "incoming").iterdir()
    return path


def go_on(room: Room, blob: int) -> BlobWriter:
    writer = room.store.blobs.reopen(blob)
    for start in range(writer.size, SIZE, 900_001):
        writer.append(CONTENT[start : start + 900_001])
    return writer


def is_whole(room: Room, blob: int) -> None:
    digests = [
        xxh3_128(CONTENT[at : at + SEGMENT]).digest() for at in range(0, SIZE, SEGMENT)
    ]
    assert room.read(blob_records.segments, blob) == digests
    with room.store.blobs.open(blob) as reader:
        assert reader.pread(0, SIZE + 1) == CONTENT
    assert room.is_sound()


@pytest.mark.parametrize("durable", CUTS)
@pytest.mark.parametrize("beyond", [0, 70_000])
def test_it_goes_on_at_its_durable_length(
    room: Room, durable: int, beyond: int
) -> None:
    blob = cut_at(room, durable, beyond)
    writer = room.store.blobs.reopen(blob)
    assert (writer.id, writer.size) == (blob, durable)
    assert growing(room).stat().st_size == durable
    assert writer.flush() == durable
    writer.append(CONTENT[durable:])
    sealed = writer.seal()
    assert (sealed.id, sealed.size) == (blob, SIZE)
    assert sealed.sha256 == hashlib.sha256(CONTENT).hexdigest()
    is_whole(room, blob)


def test_it_may_be_cut_again_and_again(room: Room) -> None:
    chance = random.Random(11)
    blob = cut_at(room, INLINE + 5)
    while (size := room.store.blobs.state(blob).durable) < SIZE:
        writer = room.store.blobs.reopen(blob)
        assert writer.size == size
        writer.append(CONTENT[size : size + chance.randrange(1, 2 * SEGMENT)])
        writer.flush()
        writer.append(CONTENT[writer.size : writer.size + chance.randrange(9)])
        writer.close()
    assert room.store.blobs.reopen(blob).seal().size == SIZE
    is_whole(room, blob)


def test_growth_goes_on_being_read(room: Room) -> None:
    blob = cut_at(room, SEGMENT + 9)
    with room.store.blobs.open(blob) as reader:
        writer = room.store.blobs.reopen(blob)
        writer.append(CONTENT[SEGMENT + 9 : 2 * SEGMENT])
        writer.flush()
        assert reader.pread(0, SIZE) == CONTENT[: 2 * SEGMENT]
        writer.append(CONTENT[2 * SEGMENT :])
        writer.seal()
        assert reader.pread(0, SIZE) == CONTENT


def test_a_killed_process_is_gone_on_with(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from maild.store.house import Store
store = Store(Path(sys.argv[1]))
store.open()
writer = store.blobs.create()
print(writer.id, flush=True)
for _ in range(41):
    writer.append(bytes(range(256)) * 4096)
os.kill(os.getpid(), 9)
"""
    blob = int(run_python(script, str(tmp_path / "store")).split()[0])
    room = Room(tmp_path / "store")
    writer = room.store.blobs.reopen(blob)
    durable = room.store.blobs.state(blob).durable
    assert writer.size == durable
    assert durable <= 41 << 20
    whole = bytes(range(256)) * 4096 * 42
    writer.append(memoryview(whole)[durable:])
    assert writer.seal().sha256 == hashlib.sha256(whole).hexdigest()
    assert room.is_sound()
    room.close()


@pytest.mark.parametrize("at", [0, SEGMENT - 1, SEGMENT + 1, WATERMARK])
def test_a_damaged_prefix_is_never_sealed(room: Room, at: int) -> None:
    blob = cut_at(room, WATERMARK + 99)
    damage(growing(room), at)
    with pytest.raises(DamagedError):
        go_on(room, blob).seal()
    assert not room.store.broken
    assert not room.value("SELECT count(*) FROM blob WHERE sealed = 1")


def test_a_damaged_writer_is_abandoned(room: Room) -> None:
    blob = cut_at(room, WATERMARK)
    damage(growing(room), 5)
    writer = room.store.blobs.reopen(blob)
    with pytest.raises(DamagedError):
        append_for_ever(writer)
    writer.abandon()
    room.write(lambda tx: None)
    with pytest.raises(NotFoundError):
        room.store.blobs.state(blob)
    assert not list((room.path / "incoming").iterdir())


def append_for_ever(writer: BlobWriter) -> None:
    while True:
        writer.append(bytes(1000))


def damage(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        octet = file.read(1)
        file.seek(at)
        file.write(bytes([octet[0] ^ 1]))


@pytest.mark.parametrize("length", [None, WATERMARK - 1])
def test_a_file_that_is_too_short_is_damage(room: Room, length: int | None) -> None:
    blob = cut_at(room, WATERMARK)
    if length is None:
        growing(room).unlink()
    else:
        os.truncate(growing(room), length)
    with pytest.raises(DamagedError):
        room.store.blobs.reopen(blob)


def test_only_one_may_write(room: Room) -> None:
    writer = room.store.blobs.create()
    writer.append(CONTENT[:SEGMENT])
    writer.flush()
    with pytest.raises(InUseError):
        room.store.blobs.reopen(writer.id)
    writer.append(CONTENT[SEGMENT:])
    assert writer.seal().size == SIZE


def test_nothing_durable_is_a_beginning(room: Room) -> None:
    writer = room.store.blobs.create(SIZE)
    writer.append(CONTENT[:10])
    blob = writer.id
    writer.close()
    assert room.store.blobs.reopen(blob).size == 0
    with pytest.raises(InUseError):
        room.store.blobs.reopen(blob)


def test_from_nothing_to_its_end(room: Room) -> None:
    writer = room.store.blobs.create(SIZE)
    blob = writer.id
    writer.close()
    assert go_on(room, blob).seal().sha256 == hashlib.sha256(CONTENT).hexdigest()
    is_whole(room, blob)


@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_kill_while_it_is_sealed_costs_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch, *, is_renamed: bool
) -> None:
    blob = cut_at(room, WATERMARK)
    writer = go_on(room, blob)
    if is_renamed:
        writer.land()  # and no job that seals it
    else:
        with monkeypatch.context() as kill:
            kill.setattr("maild.store.blob_disk.Disk.place", _be_killed)
            with pytest.raises(KeyboardInterrupt):
                writer.land()
    with room.store.blobs.open(blob) as reader:
        assert reader.pread(0, SIZE + 1) == CONTENT
    assert room.is_sound()
    again = room.store.blobs.reopen(blob)
    assert (again.id, again.size) == (blob, SIZE)
    assert again.seal().sha256 == hashlib.sha256(CONTENT).hexdigest()
    is_whole(room, blob)
    assert list((room.path / "incoming").iterdir()) == []


def _be_killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_was_landed_and_is_not_wanted_is_collected(room: Room) -> None:
    blob = cut_at(room, WATERMARK)
    go_on(room, blob).land()
    room.store.blobs.collect(room.now + 7200.0)
    with pytest.raises(NotFoundError):
        room.store.blobs.state(blob)
    assert [path for path in room.path.rglob("*/*/*") if path.is_file()] == []


@pytest.mark.parametrize("size", [5, SEGMENT + 1])
def test_what_was_sealed_takes_no_more(room: Room, size: int) -> None:
    blob = room.blob(CONTENT[:size])
    writer = room.store.blobs.reopen(blob)
    assert (writer.id, writer.size, writer.flush()) == (blob, size, size)
    with pytest.raises(StoreError):
        writer.append(b"x")
    with pytest.raises(StoreError):
        writer.land()
    sealed = writer.seal()
    assert sealed.sha256 == hashlib.sha256(CONTENT[:size]).hexdigest()
    writer.abandon()
    assert room.store.blobs.state(blob).sealed


def test_there_is_no_blob_of_an_unknown_id(room: Room) -> None:
    with pytest.raises(NotFoundError):
        room.store.blobs.reopen(999)


# Checkpoints


def bound(account: int, key: str = "k") -> Envelope:
    return Envelope(key, Kind.PUSH, account, "a@b", "c@d", 10, "BINARYMIME")


def begin(room: Room, blob: int, envelope: Envelope) -> None:
    key = room.value("SELECT key FROM blob WHERE id = ?1", blob)
    kept = Checkpoint(envelope, "id", b"front", 2, None, None, LIFETIME)
    room.write(checkpoints.begin, kept, key, room.now)


def test_a_checkpoint_keeps_its_blob_until_nobody_comes_back(
    room: Room, alice: int
) -> None:
    blob = cut_at(room, SEGMENT)
    begin(room, blob, bound(alice))
    room.now += LIFETIME - 1
    assert room.store.blobs.collect(room.now).blobs == 0
    found = room.read(checkpoints.find, "k", room.now)
    assert found is not None
    assert (found.envelope, found.head, found.ours) == (bound(alice), b"front", 2)
    assert (found.blob_id, found.final_reply) == (blob, None)
    writer = room.store.blobs.reopen(blob)  # growth renews it
    writer.append(CONTENT[SEGMENT : SEGMENT + 1])
    writer.flush()
    writer.close()
    room.now += LIFETIME - 1
    assert room.store.blobs.collect(room.now).blobs == 0
    (listed,) = room.read(checkpoints.everything)
    assert (listed.octets, listed.touched) == (SEGMENT + 1, room.now - LIFETIME + 1)
    room.now += 1
    assert room.read(checkpoints.find, "k", room.now) is None
    assert room.store.blobs.collect(room.now).blobs == 1
    assert room.read(checkpoints.everything) == []


def test_a_blob_goes_with_the_last_checkpoint_that_needs_it(
    room: Room, alice: int
) -> None:
    """Who has borrowed it goes on with it, whatever becomes of its lender."""
    blob = cut_at(room, SEGMENT)
    keys = ["lender", "borrower"]
    for key in keys:
        begin(room, blob, bound(alice, key))
    room.store.blobs.reopen(blob).abandon()
    for key in keys:
        assert room.store.blobs.state(blob).durable == SEGMENT
        found = room.read(checkpoints.find, key, room.now)
        assert found is not None
        assert found.blob_id == blob
        assert room.write(checkpoints.drop, key, "id") == blob
        room.store.blobs.forget(blob)
        room.write(lambda tx: None)
    with pytest.raises(NotFoundError):
        room.store.blobs.state(blob)


def test_a_blob_that_is_known_is_gone_on_with(room: Room, alice: int) -> None:
    older = room.blob(CONTENT[:SEGMENT])
    blob = cut_at(room, SEGMENT)
    begin(room, blob, bound(alice))
    assert room.store.blobs.reopen(blob).seal().id == older
    found = room.read(checkpoints.find, "k", room.now)
    assert found is not None
    assert found.blob_id == older
    assert room.store.blobs.reopen(older).size == SEGMENT


def test_a_blob_that_was_given_up_has_no_checkpoint(room: Room, alice: int) -> None:
    kept = Checkpoint(bound(alice), "id", b"", 0, None, None, LIFETIME)
    room.write(checkpoints.begin, kept, "gone", room.now)
    assert room.read(checkpoints.everything) == []


def test_the_end_is_told_again(room: Room, alice: int) -> None:
    blob = cut_at(room, SEGMENT)
    begin(room, blob, bound(alice))
    room.write(checkpoints.finish, bound(alice), "id", "250 ok", LIFETIME, room.now)
    found = room.read(checkpoints.find, "k", room.now)
    assert found is not None
    assert (found.blob_id, found.final_reply) == (None, "250 ok")


def test_there_are_so_many_and_no_more(
    room: Room, alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MOST_EACH", 3)
    monkeypatch.setattr(checkpoints, "MOST", 4)
    other = room.account(BOB)

    def finish(account: int, key: str) -> None:
        room.now += 1
        envelope = bound(account, key)
        room.write(checkpoints.finish, envelope, key, "250 ok", LIFETIME, room.now)

    def keys() -> list[str]:
        found = room.read(checkpoints.everything)
        return [listed.checkpoint.envelope.key for listed in found]

    for key in "abcd":
        finish(alice, key)
    assert keys() == ["b", "c", "d"]
    for key in "ef":
        finish(other, key)
    assert keys() == ["c", "d", "e", "f"]
    finish(alice, "c")  # the same again takes no more room
    assert keys() == ["d", "e", "f", "c"]


def test_an_account_takes_its_checkpoints_along(room: Room, alice: int) -> None:
    begin(room, cut_at(room, SEGMENT), bound(alice))
    room.write(lambda tx: tx.run("DELETE FROM account"))
    assert room.read(checkpoints.everything) == []
    room.now += 1e6
    assert room.store.blobs.collect(room.now).blobs == 1
