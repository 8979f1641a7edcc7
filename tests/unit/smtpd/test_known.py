# SPDX-License-Identifier: Apache-2.0
"""Tests that what is remembered about accounts and room is never wrong for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from maild.mail.address import parse_address
from maild.smtpd.known import PLENTY, WHILE, Residents, Room
from maild.store import accounts
from maild.store.house import Store
from maild.store.index import Tx
from tests.unit.smtpd.live import BOB, Live, live
from tests.unit.smtpd.speaker import Speaker

KEYS = accounts.ScramKeys(b"salt", 4096, b"stored", b"server")
TAGGED = parse_address("bob+list@a.example")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store", clock=lambda: 1.0)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def looks(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been read from the index."""
    found: list[str] = []
    read = store.index.read

    async def counted(job: Any, *args: Any) -> Any:
        found.append(job.__name__)
        return await read(job, *args)

    monkeypatch.setattr(store.index, "read", counted)
    return found


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def bob(store: Store) -> int:
    return await store.index.write(accounts.create, BOB, KEYS, 1.0)


async def test_an_account_is_looked_for_once(store: Store, looks: list[str]) -> None:
    bob_id = await bob(store)
    residents = Residents(store)
    for address in (BOB, BOB, TAGGED, TAGGED):
        account = await residents.find(address)
        assert account is not None
        assert account.id == bob_id
    assert len(looks) == 2
    residents.close()


async def test_who_moves_in_is_found(store: Store) -> None:
    residents = Residents(store)
    assert await residents.find(BOB) is None
    await bob(store)
    assert await residents.find(BOB) is not None
    residents.close()


async def test_who_moves_out_is_not(store: Store) -> None:
    bob_id = await bob(store)
    residents = Residents(store)
    assert await residents.find(BOB) is not None
    await store.index.write(accounts.remove, bob_id)
    assert await residents.find(BOB) is None
    residents.close()


async def test_a_changed_account_is_looked_for_again(store: Store) -> None:
    bob_id = await bob(store)
    residents = Residents(store)
    assert await residents.find(BOB) is not None
    await store.index.write(accounts.set_policy, bob_id, "anyone", 7)
    account = await residents.find(BOB)
    assert account is not None
    assert account.policy == "anyone"
    residents.close()


async def test_another_process_may_remove_it(store: Store) -> None:
    bob_id = await bob(store)
    residents = Residents(store)
    assert await residents.find(BOB) is not None
    with store.changes.watch(accounts.TOPIC) as watch:
        watch.woken()
        other = Store(store.root, clock=lambda: 1.0)
        other.open()
        await other.index.write(accounts.remove, bob_id)
        other.close()
        async with asyncio.timeout(30):  # watches are woken one after the other
            while await residents.find(BOB) is not None:
                await watch.wait(0.1)
    residents.close()


async def test_what_changes_during_the_look_is_not_remembered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob_id = await bob(store)
    residents = Residents(store)
    read = store.index.read

    async def late(job: Any, *args: Any) -> Any:
        found = await read(job, *args)
        monkeypatch.undo()
        await store.index.write(accounts.remove, bob_id)
        await residents.find(parse_address("nobody@a.example"))
        return found

    monkeypatch.setattr(store.index, "read", late)
    assert await residents.find(BOB) is not None  # he lived here when it was asked
    assert await residents.find(BOB) is None
    residents.close()


async def test_mail_for_who_has_just_moved_out_is_put_off(station: Live) -> None:
    speaker = await Speaker.hello(station)
    await speaker.envelope("bob@a.example")

    def remove(tx: Tx) -> None:
        accounts.remove(tx, station.bob)

    await station.store.index.write(remove)
    await speaker.chunk(b"Subject: x\r\n\r\n", 451)
    await speaker.says("MAIL FROM:<carol@b.example>", 250)
    await speaker.says("RCPT TO:<bob@a.example>", 550)
    await speaker.close()


class Device:
    """A device that counts how often it is asked."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.now = 0.0
        self.asked = 0

    def look(self) -> int:
        self.asked += 1
        return self.free

    def room(self, threads: ThreadPoolExecutor) -> Room:
        return Room(self.look, threads, lambda: self.now)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def test_plenty_of_room_is_believed_for_a_while(
    threads: ThreadPoolExecutor,
) -> None:
    device = Device(PLENTY + 1000)
    room = device.room(threads)
    assert await room.has(1000)
    assert await room.has(1000)
    assert device.asked == 1
    device.free = 0
    device.now = WHILE
    assert not await room.has(1000)
    assert device.asked == 2


async def test_little_room_is_always_looked_at(threads: ThreadPoolExecutor) -> None:
    device = Device(PLENTY + 1000)
    room = device.room(threads)
    assert await room.has(1000)
    device.free = 500
    assert not await room.has(1001)
    assert await room.has(500)
    device.free = 400
    assert not await room.has(500)
    assert device.asked == 4
