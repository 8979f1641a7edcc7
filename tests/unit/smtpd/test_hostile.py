# SPDX-License-Identifier: Apache-2.0
"""Peers that do not read, do not stop, or write what no client writes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from maild.smtpd import parting
from maild.smtpd.listener import Guests
from tests.unit.smtpd.live import Live, live
from tests.unit.smtpd.speaker import Speaker


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, idle_timeout=1.0) as running:
        yield running


async def until(true: Callable[[], bool]) -> None:
    """Let the station work until something is so."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - nobody tells that a transport has gone
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "line",
    [
        b"BDAT 40 LAST\n",
        b"BDAT\t40 LAST\r\n",
        b"BDAT 40 LAST\xff\r\n",
        b"bdat 40\0LAST\r\n",
        b" BDAT 40 LAST\r\n",
        b"BDAT",
        b"BDAT 0x28 LAST\r\n",
    ],
)
async def test_a_chunk_that_cannot_be_told_ends_the_connection(
    station: Live, line: bytes
) -> None:
    """RFC 3030 §4.2: what follows is content of a length that nobody knows."""
    speaker = await Speaker.hello(station)
    await speaker.envelope("bob@a.example")
    speaker.send(line + b"\r\nNOOP\r\nRSET\r\nMAIL FROM:<x@y.example>\r\n")
    said = await asyncio.wait_for(speaker.reader.read(), 20)
    assert said.startswith(b"50")
    assert said.count(b"\r\n") == 1
    await speaker.close()


async def test_who_does_not_read_is_cut_off(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a closed connection stays for ever: it has something to say."""
    monkeypatch.setattr(parting, "PATIENCE", 0.2)
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(ours, ("127.0.0.1", station.ports["smtp"]))
    await loop.sock_recv(ours, 1000)
    sessions = station.station._sessions
    (session,) = sessions
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(5):
            while sessions:
                await loop.sock_sendall(ours, b"HELP\r\n" * 1000)
    await until(lambda: not sessions)
    await until(lambda: session.transport is None)
    ours.close()


async def test_who_does_not_stop_is_cut_off(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after our last word is dropped, but not for ever."""
    monkeypatch.setattr(parting, "PATIENCE", 0.5)
    monkeypatch.setattr(parting, "LINGER", 0.3)
    speaker = await Speaker.hello(station)
    await speaker.says("BDAT x", 501)
    loop, sent = asyncio.get_running_loop(), 0
    began = loop.time()
    while station.station._sessions:
        assert loop.time() - began < 20
        with suppress(ConnectionError):
            speaker.send(b"x")
        sent += 1
        await asyncio.sleep(0.05)
    assert sent > 3
    await speaker.close()


def test_a_network_is_one_client() -> None:
    """Who has one IPv6 address has 2^64."""
    guests = Guests(10, 2)
    assert guests.enter("2001:db8::1")
    assert guests.enter("2001:db8::2")
    assert not guests.enter("2001:db8::3")
    assert guests.enter("2001:db8:0:1::3")
    guests.leave("2001:db8::1")
    assert guests.enter("2001:db8::3")
