# SPDX-License-Identifier: Apache-2.0
"""What any back end of blobs must keep: growth, durability, one copy, honest errors."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from xxhash import xxh3_128

from maild.store import blob_records, messages
from maild.store.blobs import INLINE, SEGMENT, WATERMARK, Blobs, BlobWriter
from maild.store.errors import (
    DamagedError,
    NotFoundError,
    StoreBrokenError,
    StoreError,
    StoreFullError,
)
from maild.store.rope import Raw, Rope
from tests.store.room import TRACE, Room, an_offer, run_python, stub

SIZES = (0, 1, INLINE - 1, INLINE, INLINE + 1, SEGMENT - 1, SEGMENT, SEGMENT + 1)


def octets(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def files(room: Room) -> list[Path]:
    found = [*(room.path / "incoming").rglob("*"), *(room.path / "blobs").rglob("*")]
    return [path for path in found if path.is_file()]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chunk", [1 << 30, 100_003])
def test_what_is_sealed_is_read_back(room: Room, size: int, chunk: int) -> None:
    content = octets(size)
    writer = room.store.blobs.create(size)
    for start in range(0, size, chunk):
        writer.append(memoryview(content)[start : start + chunk])
    sealed = writer.seal()
    assert (sealed.size, sealed.sha256) == (size, hashlib.sha256(content).hexdigest())
    with room.store.blobs.open(sealed.id) as reader:
        assert reader.pread(0, size + 10) == content
        assert reader.pread(size // 2, 7) == content[size // 2 : size // 2 + 7]
        assert reader.pread(size, 1) == b""
        assert (reader.fileno() is None) == (size <= INLINE)
    assert room.is_sound()


def test_segments_are_recorded_with_the_seal(room: Room) -> None:
    content = octets(2 * SEGMENT + 5)
    blob = room.blob(content)
    expected = [
        xxh3_128(content[start : start + SEGMENT]).digest()
        for start in range(0, len(content), SEGMENT)
    ]
    assert room.read(blob_records.segments, blob) == expected


def test_a_small_blob_makes_no_file_and_no_thread(room: Room) -> None:
    before = threading.active_count()
    blob = room.blob(octets(INLINE))
    assert not files(room)
    assert threading.active_count() == before
    assert room.value("SELECT length(inline) FROM blob WHERE id = ?1", blob) == INLINE


def test_a_small_blob_costs_one_commit_with_what_refers_to_it(room: Room) -> None:
    writer = room.store.blobs.create()
    writer.append(b"small")
    landed = writer.land()
    assert landed.id is None
    sealed = room.write(blob_records.seal, landed, room.now)
    with room.store.blobs.open(sealed.id) as reader:
        assert reader.pread(0, 5) == b"small"


def test_the_caller_may_use_its_buffer_again(room: Room) -> None:
    buffer = bytearray(octets(INLINE))
    content = bytes(buffer) * 3
    writer = room.store.blobs.create()
    for _ in range(3):
        writer.append(buffer)
        kept, buffer[:] = bytes(buffer), bytes(len(buffer))
        buffer[:] = kept
    assert writer.seal().sha256 == hashlib.sha256(content).hexdigest()


def test_a_growing_blob_is_read_up_to_its_durable_length(room: Room) -> None:
    content = octets(INLINE * 4)
    writer = room.store.blobs.create(len(content))
    writer.append(content[: INLINE * 2])
    assert room.store.blobs.state(writer.id).durable == 0
    assert writer.flush() == INLINE * 2
    with room.store.blobs.open(writer.id) as reader:
        writer.append(content[INLINE * 2 :])
        assert reader.pread(0, 1 << 20) == content[: INLINE * 2]
        writer.flush()
        assert reader.pread(0, 1 << 20) == content
        state = room.store.blobs.state(writer.id)
        assert (state.durable, state.sealed) == (len(content), False)
        assert state.expected == len(content)
        sealed = writer.seal()
        assert reader.pread(5, 1 << 20) == content[5:]  # the descriptor stays good
    assert sealed.id == writer.id
    assert room.store.blobs.state(sealed.id).sealed


def test_a_reader_may_come_before_the_first_octet(room: Room) -> None:
    writer = room.store.blobs.create()
    with room.store.blobs.open(writer.id) as reader:
        assert reader.pread(0, 10) == b""
        writer.append(b"now")
        writer.flush()
        assert reader.pread(0, 10) == b"now"
        writer.append(b" more")
        writer.seal()
        assert reader.pread(0, 10) == b"now more"


def test_the_watermark_follows_by_itself(room: Room) -> None:
    piece = octets(1 << 20)
    writer = room.store.blobs.create()
    writer.append(piece)
    blob = writer.id
    durable = 0
    while durable < WATERMARK and writer.size < 8 * WATERMARK:
        writer.append(piece)
        durable = room.store.blobs.state(blob).durable
    writer.close()  # waits for the watermark under way
    assert room.store.blobs.state(blob).durable >= WATERMARK
    whole = room.read(blob_records.segments, blob)[: WATERMARK // SEGMENT]
    assert whole == [xxh3_128(piece * 4).digest()] * len(whole)
    assert len(whole) == WATERMARK // SEGMENT


async def test_growth_is_durable_though_its_source_stalls(tmp_path: Path) -> None:
    room = Room(tmp_path / "store")
    blobs = Blobs(
        room.path, room.store.index, room.store.changes, lambda: room.now, pulse=0.01
    )
    blobs.start()
    writer = blobs.create()
    writer.append(octets(INLINE + 1))
    with room.store.changes.watch(f"blob:{writer.id}") as watch:
        while not blobs.state(writer.id).durable:
            assert await watch.wait(30)
    assert blobs.state(writer.id).durable == INLINE + 1
    blobs.close()
    room.close()


def test_the_same_octets_are_kept_once(room: Room) -> None:
    for size in (10, INLINE + 1):
        first, second = room.blob(octets(size)), room.blob(octets(size))
        assert first == second
    assert len(files(room)) == 1
    assert room.value("SELECT count(*) FROM blob") == 2


def test_a_blob_somebody_refers_to_keeps_its_id_and_shares_the_file(
    room: Room,
) -> None:
    content = octets(INLINE + 1)
    first = room.blob(content)
    writer = room.store.blobs.create(len(content))
    writer.append(content)
    writer.flush()
    rope = Rope([Raw(writer.id, 0, len(content))])
    room.write(messages.add_content, rope, stub().structure, TRACE, complete=False)
    second = writer.seal().id
    assert second == writer.id != first
    assert len(files(room)) == 1
    for blob in (first, second):
        with room.store.blobs.open(blob) as reader:
            assert reader.pread(0, len(content)) == content
    room.now += 1e9
    room.store.blobs.collect(room.now)
    with room.store.blobs.open(second) as reader:
        assert reader.pread(0, len(content)) == content


def test_an_abandoned_blob_leaves_nothing(room: Room) -> None:
    for size in (10, INLINE + 1):
        writer = room.store.blobs.create()
        writer.append(octets(size))
        blob = writer.id
        writer.abandon()
        writer.abandon()
        room.write(lambda tx: None)
        with pytest.raises(NotFoundError):
            room.store.blobs.state(blob)
    assert not files(room)


def test_a_closed_blob_keeps_what_is_durable(tmp_path: Path) -> None:
    room = Room(tmp_path / "store")
    content = octets(INLINE * 2)
    writer = room.store.blobs.create()
    writer.append(content)
    writer.flush()
    writer.append(b"not yet durable")
    blob = writer.id
    room.close()
    again = Room(tmp_path / "store")
    state = again.store.blobs.state(blob)
    assert (state.durable, state.sealed) == (len(content), False)
    with again.store.blobs.open(blob) as reader:
        assert reader.pread(0, 1 << 20) == content
    assert again.is_sound()
    again.close()


def test_a_killed_writer_leaves_what_it_recorded(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from maild.store.house import Store
store = Store(Path(sys.argv[1]))
store.open()
writer = store.blobs.create()
for _ in range(5):
    writer.append(bytes(1_000_000))
    print(writer.id, writer.flush(), flush=True)
writer.append(bytes(3_000_000))
os.kill(os.getpid(), 9)
"""
    said = run_python(script, str(tmp_path / "store")).splitlines()
    blob, durable = map(int, said[-1].split())
    room = Room(tmp_path / "store")
    assert room.store.blobs.state(blob).durable >= durable == 5_000_000
    with room.store.blobs.open(blob) as reader:
        assert reader.pread(0, durable) == bytes(durable)
    assert room.is_sound()
    room.store.blobs.collect(room.now + 1e9)
    assert not files(room)
    room.close()


def test_a_sealed_or_abandoned_writer_takes_nothing(room: Room) -> None:
    writer = room.store.blobs.create()
    writer.seal()
    with pytest.raises(StoreError):
        writer.append(b"x")
    with pytest.raises(StoreError):
        writer.seal()


def test_there_is_no_blob_of_an_unknown_id(room: Room) -> None:
    with pytest.raises(NotFoundError):
        room.store.blobs.open(999)
    with pytest.raises(NotFoundError):
        room.store.blobs.state(999)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_device_refuses_an_append_and_takes_the_next(
    room: Room, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    content = octets(INLINE * 3)
    writer = room.store.blobs.create()
    for start in (0, INLINE * 2):  # while it spills, and while it grows
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", failing(code))
            with pytest.raises(StoreFullError):
                writer.append(content[start : start + INLINE * 2])
        assert writer.size == start
        writer.append(content[start : start + INLINE * 2])
    assert writer.seal().sha256 == hashlib.sha256(content).hexdigest()
    assert not room.store.broken


@pytest.mark.parametrize("when", ["watermark", "seal", "directory"])
def test_a_failed_sync_is_never_retried(
    room: Room, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    writer = room.store.blobs.create()
    writer.append(octets(INLINE * 2))
    syscall = {"watermark": "fdatasync", "seal": "fsync", "directory": "fsync"}[when]
    calls: list[int] = []
    real = getattr(os, syscall)

    def fails(descriptor: int) -> None:
        is_directory = os.path.isdir(f"/proc/self/fd/{descriptor}")  # noqa: PTH112 - a descriptor's
        if when == "directory" and not is_directory:
            real(descriptor)
            return
        calls.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, syscall, fails)
        with pytest.raises(StoreBrokenError):
            writer.flush() if when == "watermark" else writer.seal()
    assert len(calls) == 1
    assert room.store.broken
    with pytest.raises(StoreError):
        writer.seal()
    with pytest.raises(StoreBrokenError):
        room.blob(b"another")


def test_room_that_runs_out_at_the_sync_ends_only_that_blob(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = room.store.blobs.create()
    writer.append(octets(INLINE * 2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing(errno.ENOSPC))
        with pytest.raises(StoreFullError):
            writer.flush()
    with pytest.raises(StoreFullError):
        writer.append(b"x")
    with pytest.raises(StoreFullError):
        writer.seal()
    writer.abandon()
    assert not room.store.broken
    room.blob(octets(INLINE * 2))


def test_a_missing_file_is_damage(room: Room) -> None:
    blob = room.blob(octets(INLINE + 1))
    (path,) = files(room)
    path.unlink()
    with pytest.raises(DamagedError):
        room.store.blobs.open(blob)


def test_free_space_leaves_what_is_reserved(room: Room) -> None:
    bob = room.account(an_offer().recipient)
    room.offer(bob, an_offer(size=1 << 50))
    free = room.store.blobs.free_space()
    room.write(lambda tx: tx.run("UPDATE offer SET reserved = size"))
    assert room.store.blobs.free_space() < free // 5  # a tenth is nobody's
    room.write(lambda tx: tx.run("UPDATE offer SET reserved = 0"))
    assert room.store.blobs.free_space() > free // 5


def test_many_blobs_grow_side_by_side(room: Room) -> None:
    contents = [octets(SEGMENT + n * 1000, n) for n in range(8)]
    writers = [room.store.blobs.create() for _ in contents]

    def fill(writer: BlobWriter, content: bytes, sealed: list[Any]) -> None:
        for start in range(0, len(content), 77_777):
            writer.append(content[start : start + 77_777])
        sealed.append(writer.seal())

    results: list[list[Any]] = [[] for _ in contents]
    workers = [
        threading.Thread(target=fill, args=each)
        for each in zip(writers, contents, results, strict=True)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for content, (sealed,) in zip(contents, results, strict=True):
        assert sealed.sha256 == hashlib.sha256(content).hexdigest()
    assert room.is_sound()


def failing(code: int) -> Any:
    def fails(*_: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fails
