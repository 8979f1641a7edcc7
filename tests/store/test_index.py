# SPDX-License-Identifier: Apache-2.0
"""The index: group commit, isolation of jobs, durability of what was acknowledged."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import apsw
import pytest

from maild.store import accounts
from maild.store.changes import Changes
from maild.store.errors import StoreBrokenError, StoreError, StoreFullError
from maild.store.index import Index, Tx
from maild.store.index_file import CHECKPOINT, Journal, typed
from tests.store.room import Room, run_python


def put(tx: Tx, name: str, value: bytes) -> None:
    tx.run("INSERT INTO fact (name, value) VALUES (?1, ?2)", name, value)
    tx.changed(f"fact:{name}")


def held_up(room: Room) -> threading.Event:
    """Keep the writer busy until the event is set, so that jobs gather behind it."""
    begun, go = threading.Event(), threading.Event()

    def wait(tx: Tx) -> None:
        begun.set()
        go.wait(30)

    room.store.index.submit(wait)
    begun.wait(30)
    return go


def test_a_write_is_read_by_another_connection(room: Room) -> None:
    room.write(put, "a", b"1")
    assert room.value("SELECT value FROM fact WHERE name = 'a'") == b"1"


def test_one_failing_job_leaves_the_others_of_its_batch(room: Room) -> None:
    def fails(tx: Tx) -> None:
        put(tx, "half", b"")
        raise ValueError("on purpose")

    go = held_up(room)
    before = room.store.index.submit(put, "before", b"")
    bad = room.store.index.submit(fails)
    clash = room.store.index.submit(put, "before", b"")
    after = room.store.index.submit(put, "after", b"")
    go.set()
    assert before.result() is None
    assert after.result() is None
    with pytest.raises(ValueError, match="on purpose"):
        bad.result()
    with pytest.raises(StoreError):
        clash.result()
    names = room.read(lambda tx: tx.all("SELECT name FROM fact ORDER BY name"))
    assert names == [("after",), ("before",)]


def test_jobs_that_wait_share_one_commit(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    commit = Index._commit

    def counted(index: Index, connection: apsw.Connection, batch: list[Any]) -> None:
        batches.append(len(batch))
        commit(index, connection, batch)

    go = held_up(room)
    monkeypatch.setattr(Index, "_commit", counted)
    waiting: list[Future[None]] = [
        room.store.index.submit(put, f"n{n}", b"") for n in range(500)
    ]
    go.set()
    for future in waiting:
        future.result()
    assert batches == [500]


def test_reopening_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    room = Room(tmp_path / "store")
    for n in range(20):
        room.write(put, f"n{n}", b"")
    room.close()
    again = Room(tmp_path / "store")
    assert again.value("SELECT count(*) FROM fact") == 20
    again.close()


def test_a_killed_process_loses_nothing_acknowledged(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from maild.store.house import Store
store = Store(Path(sys.argv[1]))
store.open()
for n in range(50):
    store.index.submit(
        lambda tx: tx.run("INSERT INTO fact VALUES (?1, x'00')", f"n{n}")
    ).result()
    print(n, flush=True)
os.kill(os.getpid(), 9)
"""
    said = run_python(script, str(tmp_path / "store"))
    room = Room(tmp_path / "store")
    assert room.value("SELECT count(*) FROM fact") >= len(said.split()) == 50
    room.close()


async def test_another_process_wakes_our_watchers(room: Room, tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from maild.store.house import Store
store = Store(Path(sys.argv[1]))
store.open()
store.index.submit(lambda tx: tx.run("INSERT INTO fact VALUES ('x', x'00')")).result()
store.close()
"""
    with room.store.changes.watch("mailbox:7") as watch:
        await asyncio.to_thread(run_python, script, str(room.path))
        assert await watch.wait(30)
    assert room.value("SELECT count(*) FROM fact") == 1


async def test_a_commit_wakes_whoever_watches_its_topic(room: Room) -> None:
    changes = room.store.changes
    with changes.watch("fact:a") as watch, changes.watch("fact:b") as other:
        await room.store.index.write(put, "a", b"")
        assert await watch.wait(30)
        assert not await other.wait(0)


async def test_a_cancelled_waiter_does_not_undo_its_job(room: Room) -> None:
    go = held_up(room)
    waiting = asyncio.create_task(room.store.index.write(put, "a", b""))
    await asyncio.sleep(0)
    waiting.cancel()
    go.set()
    await room.store.index.write(put, "b", b"")
    assert (
        await room.store.index.read(lambda tx: tx.value("SELECT count(*) FROM fact"))
        == 2
    )


def test_a_full_device_is_told_and_passes(room: Room) -> None:
    pages = room.value("PRAGMA page_count")

    def limit(tx: Tx, most: int) -> None:
        tx.run(f"PRAGMA max_page_count = {most}")

    room.write(limit, pages + 4)
    with pytest.raises(StoreFullError):
        room.write(put, "big", bytes(1 << 20))
    room.write(limit, 1 << 30)
    room.write(put, "big", bytes(1 << 20))


def test_a_failed_sync_ends_all_acknowledging(room: Room) -> None:
    def fails(tx: Tx) -> None:
        raise apsw.IOError("disk I/O error")

    with pytest.raises(StoreBrokenError):
        room.write(fails)
    assert room.store.broken
    with pytest.raises(StoreBrokenError):
        room.write(put, "a", b"")
    with pytest.raises(StoreBrokenError):
        room.blob(b"x")


def test_the_journal_is_moved_into_the_index(room: Room) -> None:
    for n in range(40):
        room.write(put, f"a{n}", bytes(200_000))
    journal = room.path / "index.sqlite-wal"
    assert journal.stat().st_size < 2 * CHECKPOINT * 4096


def test_a_sync_that_fails_outside_of_a_commit_ends_acknowledging_too(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Journal) -> None:
        raise typed(apsw.IOError("disk I/O error"))

    monkeypatch.setattr(Journal, "shorten", fails)
    room.write(put, "a", b"")
    with pytest.raises(StoreBrokenError):
        room.write(put, "b", b"")
    assert room.store.broken


def test_an_index_whose_name_is_not_durable_is_not_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    journals: list[bool] = []

    def fails(descriptor: int) -> None:
        journals.append((tmp_path / "other.sqlite-wal").exists())
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    index = Index(tmp_path / "other.sqlite", Changes())
    with pytest.raises(StoreBrokenError):
        index.open()
    assert journals == [True]


async def test_one_turn_of_a_loop_is_one_commit(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[set[str]] = []
    fire = room.store.changes.fire

    def fired(topics: set[str]) -> None:
        commits.append(topics)
        fire(topics)

    monkeypatch.setattr(room.store.changes, "fire", fired)
    names = [f"fact:{n}" for n in range(100)]
    await asyncio.gather(*(room.store.index.write(put, n[5:], b"") for n in names))
    assert commits == [set(names)]


async def test_what_a_cancelled_task_asked_for_is_kept(room: Room) -> None:
    task = asyncio.create_task(room.store.index.write(put, "a", b""))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await room.store.index.write(put, "b", b"")
    found = await room.store.index.read(lambda tx: tx.all("SELECT name FROM fact"))
    assert {("a",), ("b",)} <= set(found)


def test_a_closing_index_keeps_what_a_stopped_loop_asked_for(tmp_path: Path) -> None:
    room = Room(tmp_path / "store")
    loop = asyncio.new_event_loop()
    task = loop.create_task(room.store.index.write(put, "a", b""))
    loop.call_soon(loop.stop)
    loop.run_forever()
    room.close()
    assert not task.done()
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    again = Room(tmp_path / "store")
    assert again.value("SELECT 1 FROM fact WHERE name = 'a'") == 1
    again.close()


def test_a_closed_index_refuses(tmp_path: Path) -> None:
    room = Room(tmp_path / "store")
    room.close()
    with pytest.raises(StoreError):
        room.write(put, "a", b"")


def test_an_index_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    room = Room(tmp_path / "store")
    room.close()
    connection = apsw.Connection(str(tmp_path / "store" / "index.sqlite"))
    connection.pragma("user_version", 999)
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        Room(tmp_path / "store")


def test_a_secret_is_made_once(room: Room) -> None:
    assert room.write(accounts.secret, "s", b"first") == b"first"
    assert room.write(accounts.secret, "s", b"second") == b"first"


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # as a directory that the operator has made
    index = Index(tmp_path / "index.sqlite", Changes())
    index.open()
    try:
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    finally:
        index.close()
