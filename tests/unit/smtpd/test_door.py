# SPDX-License-Identifier: Apache-2.0
"""Clients that have not finished, or not begun, their TLS at an implicit-TLS port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from maild.smtpd import door
from tests.unit.smtpd.live import Live, live
from tests.unit.smtpd.speaker import Speaker

Silent = Callable[[Live], Awaitable[asyncio.StreamReader]]


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, submission={"connections_per_client": 2}) as running:
        yield running


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    """Connects and says nothing; the connections end with the test."""
    writers: list[asyncio.StreamWriter] = []

    async def connect(station: Live) -> asyncio.StreamReader:
        ours = socket.create_connection(("127.0.0.1", station.ports["submissions"]))
        reader, writer = await asyncio.open_connection(sock=ours)
        writers.append(writer)
        return reader

    yield connect
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(20):
            return await reader.read() == b""
    except ConnectionError:
        return True


async def test_who_has_no_tls_yet_is_counted(station: Live, silent: Silent) -> None:
    waiting = [await silent(station), await silent(station)]
    assert await ended(await silent(station))
    with pytest.raises(OSError):  # noqa: PT011 - reset, or an end within TLS
        await station.connect("submissions")
    assert not any(reader.at_eof() for reader in waiting)


async def test_a_place_is_free_again(
    station: Live, silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HANDSHAKE", 0.2)
    for reader in [await silent(station), await silent(station)]:
        assert await ended(reader)
    async with asyncio.timeout(20):
        speakers = [await Speaker.alice(station) for _ in range(2)]
    for speaker in speakers:
        await speaker.close()


async def test_what_comes_with_the_handshake_is_not_lost(station: Live) -> None:
    """Whoever talks before our greeting is told so (RFC 5321 §3.1)."""
    reader, writer = await station.connect("submissions")
    writer.write(b"EHLO x.example\r\n")
    async with asyncio.timeout(20):
        said = await reader.readline()
    assert said[:3] in (b"220", b"503", b"554")
    writer.close()


async def test_the_station_does_not_wait_at_the_door(
    tmp_path: Path, silent: Silent
) -> None:
    async with live(tmp_path) as station:
        reader = await silent(station)
        async with asyncio.timeout(20):
            while not station.station._doors:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
    assert await ended(reader)
