# SPDX-License-Identifier: GPL-3.0-only
"""What NetworkManager says, on a bus of the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dbus_fast.aio import MessageBus

from terminal_client.folders import network
from terminal_client.folders.gate import Gate
from terminal_client.folders.network import ABSENT, Network, NetworkManager
from tests.flows.network_manager import (
    FULL,
    GUESS_NO,
    GUESS_YES,
    NO,
    NONE,
    YES,
    FakeNetworkManager,
    bus,
    has_dbus,
    lie,
)

needs_dbus = pytest.mark.skipif(not has_dbus, reason="dbus-daemon is not installed")


class Ear:
    """Hears what is said of the network."""

    def __init__(self) -> None:
        self.heard: list[Network] = []
        self.told: list[str] = []
        self._news = asyncio.Event()

    def hear(self, now: Network) -> None:
        self.heard.append(now)
        self._news.set()

    async def until(self, metered: bool, reachable: bool = True) -> None:
        async with asyncio.timeout(20):
            while not self.heard or self.heard[-1] != Network(metered, reachable):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(grace: float = 0.0) -> AsyncIterator[Ear]:
    ear = Ear()
    task = asyncio.ensure_future(
        NetworkManager(ear.hear, ear.told.append, grace).listen()
    )
    try:
        yield ear
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with bus(tmp_path / "dbus") as found:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", found)
        yield found


@needs_dbus
async def test_what_it_says(address: str) -> None:
    with FakeNetworkManager(address) as manager:
        async with listening() as ear:
            await ear.until(metered=False)
            for value in (YES, NO, GUESS_YES, GUESS_NO, GUESS_YES, 0):
                manager.say(value)
                await ear.until(metered=value in {YES, GUESS_YES})
            manager.say(NO, NONE)
            await ear.until(metered=False, reachable=False)
            manager.say(NO, FULL)
            await ear.until(metered=False)
    assert ear.told == []


@needs_dbus
async def test_it_comes_and_goes(address: str) -> None:
    """Without it the network counts as unmetered, but not at once."""
    async with listening(grace=0.01) as ear:
        await ear.until(metered=False)
        assert ear.told == [ABSENT]
        with FakeNetworkManager(address) as manager:
            manager.say(YES)
            await ear.until(metered=True)
        await ear.until(metered=False)
        with FakeNetworkManager(address) as manager:
            manager.say(YES)
            await ear.until(metered=True)
    assert ear.told == [ABSENT]  # said once


@needs_dbus
async def test_a_restart_is_no_absence(address: str) -> None:
    async with listening(grace=3600) as ear:
        with FakeNetworkManager(address) as manager:
            manager.say(YES)
            await ear.until(metered=True)
        with FakeNetworkManager(address) as manager:
            manager.say(GUESS_YES)
            await ear.until(metered=True)
            manager.say(NO)
            await ear.until(metered=False)
    assert all(now.metered for now in ear.heard[:-1] if now != Network())
    assert ear.told in ([], [ABSENT])  # the first may have come before it was there


@needs_dbus
async def test_nobody_else_is_believed(address: str) -> None:
    with FakeNetworkManager(address) as manager:
        async with listening() as ear:
            await ear.until(metered=False)
            await lie(address)
            manager.say(NO, NONE)  # comes behind the lie
            await ear.until(metered=False, reachable=False)
            assert not any(now.metered for now in ear.heard)


@needs_dbus
async def test_a_signal_is_newer_than_an_answer_before_it(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both may be read at once; then the answer is looked at last."""
    real = network._call
    with FakeNetworkManager(address) as manager:

        async def late(bus: MessageBus, *words: str) -> object:
            answer = await real(bus, *words)
            if "GetAll" in words:
                manager.say(YES)
                await ear.until(metered=True)
            return answer

        monkeypatch.setattr(network, "_call", late)
        ear = Ear()
        manager_of = NetworkManager(ear.hear, ear.told.append)
        listening = asyncio.ensure_future(manager_of.listen())
        await ear.until(metered=True)
        manager.say(YES, NONE)
        await ear.until(metered=True, reachable=False)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert all(now.metered for now in ear.heard)


async def test_no_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    monkeypatch.setattr(network, "AGAIN_LATER", 0.0)
    async with listening() as ear:
        await ear.until(metered=False)
        for _ in range(3):
            ear.heard.clear()
            await ear.until(metered=False)
    assert ear.told == [ABSENT]


async def test_the_gate() -> None:
    gate = Gate(on_metered=False)
    assert not gate.is_open
    opening = asyncio.ensure_future(gate.until(is_open=True))
    closing = asyncio.ensure_future(gate.until(is_open=False))
    await asyncio.sleep(0)
    gate.heard(Network(metered=True))
    await closing
    assert not opening.done()
    gate.heard(Network(reachable=False))
    await opening
    before = gate.recovered
    gate.heard(Network())
    assert (before, gate.recovered) == (False, True)
    free = Gate(on_metered=True)
    free.heard(Network(metered=True))
    assert free.is_open
