# SPDX-License-Identifier: Apache-2.0
"""Large chunks: every octet once, in flat memory; connections within their limits."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from tests.unit.smtpd.live import ALICE, Live, live
from tests.unit.smtpd.speaker import Speaker, content, upload_of

SIZE = 40 * 2**20
GROWTH = 24 * 2**20
"""Octets of memory that a chunk of any size may cost, the test's own side included."""


def resident() -> int:
    """Return the resident memory of this process, in octets."""
    status = Path("/proc/self/status").read_text()
    (line,) = (x for x in status.splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


async def trickle(speaker: Speaker, head: bytes, block: bytes, count: int) -> int:
    """Send one chunk of ``count`` blocks behind ``head``; return the peak memory."""
    peak = 0
    speaker.send(b"BDAT %d LAST\r\n" % (len(head) + len(block) * count) + head)
    for _ in range(count):
        speaker.send(block)
        await speaker.writer.drain()
        peak = max(peak, await asyncio.to_thread(resident))
    return peak


@pytest.mark.parametrize("tls", [False, True])
async def test_a_large_chunk_in_flat_memory(tmp_path: Path, *, tls: bool) -> None:
    async with live(tmp_path, ordinary_mail_limit=2 * SIZE) as station:
        block = content(2**20)
        head = (
            b"Content-Type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: binary\r\n\r\n"
        )
        speaker = await (Speaker.secure(station) if tls else Speaker.hello(station))
        before = await asyncio.to_thread(resident)
        await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
        peak = await trickle(speaker, head, block, SIZE // len(block))
        speaker.send(b"NOOP\r\n")
        reply = await speaker.reply()
        digest = hashlib.sha256(block * (SIZE // len(block))).hexdigest()
        assert reply.text.endswith(f" {SIZE} octets sha-256 {digest}")
        assert (await speaker.reply()).code == 250
        assert peak - before < GROWTH
        await speaker.close()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("chunk", [1000, 262_144, 262_145, 1_048_577])
async def test_chunks_of_any_size(tmp_path: Path, chunk: int, *, tls: bool) -> None:
    async with live(tmp_path) as station:
        message = (
            b"Content-Type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: binary\r\n\r\n"
        ) + content(3 * chunk)
        speaker = await (Speaker.secure(station) if tls else Speaker.hello(station))
        await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
        pieces = [message[n : n + chunk] for n in range(0, len(message), chunk)]
        for piece in pieces[:-1]:  # all at once: each chunk begins in the reader
            speaker.send(b"BDAT %d\r\n" % len(piece) + piece)
        speaker.send(b"BDAT %d LAST\r\nQUIT\r\n"[:-6] % len(pieces[-1]) + pieces[-1])
        speaker.send(b"QUIT\r\n")
        for _ in pieces[:-1]:
            assert (await speaker.reply()).code == 250
        final = await speaker.reply()
        digest = hashlib.sha256(message[-3 * chunk :]).hexdigest()
        assert final.text.endswith(f"{3 * chunk} octets sha-256 {digest}")
        assert (await speaker.reply()).code == 221
        await speaker.close()


async def test_tls_that_ends_inside_a_chunk(tmp_path: Path) -> None:
    async with live(tmp_path) as station:
        speaker = await Speaker.secure(station)
        await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
        speaker.send(b"BDAT 5000000 LAST\r\n" + bytes(600_000))
        await speaker.writer.drain()
        await speaker.close()  # close_notify
        assert await still_works(station)
        assert await station.lines(station.bob, "INBOX") == []


async def still_works(station: Live) -> bool:
    speaker = await Speaker.hello(station)
    await speaker.says("QUIT", 221)
    await speaker.close()
    return True


async def test_one_client_has_so_many_connections(tmp_path: Path) -> None:
    async with live(tmp_path, connections_per_client=2) as station:
        first, second = await Speaker.hello(station), await Speaker.hello(station)
        third = Speaker(await station.connect())
        assert str(await third.reply()) == "421 4.7.0 too many connections"
        assert await third.reader.read() == b""
        await first.says("QUIT", 221)
        assert await first.reader.read() == b""
        await first.close()
        await third.close()
        await still_works(station)
        await second.close()


async def test_idle_connections_are_told(tmp_path: Path) -> None:
    async with live(tmp_path, idle_timeout=0.05) as station:
        speaker = Speaker(await station.connect())
        assert (await speaker.reply()).code == 220
        assert str(await speaker.reply()).startswith("421 4.4.2 ")
        await speaker.close()


@pytest.mark.parametrize("tls", [False, True])
async def test_an_idle_chunk_ends(tmp_path: Path, *, tls: bool) -> None:
    async with live(tmp_path, idle_timeout=0.3) as station:
        speaker = await (Speaker.secure(station) if tls else Speaker.hello(station))
        await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
        speaker.send(b"BDAT 5000000 LAST\r\n" + bytes(400_000))
        assert (await speaker.reply()).code == 421
        await speaker.close()


async def test_a_stopping_station_says_so(tmp_path: Path) -> None:
    async with live(tmp_path) as station:
        idle = await Speaker.hello(station)
        busy = await Speaker.alice(station)
        await busy.envelope("alice+library@a.example", str(ALICE), "BODY=BINARYMIME")
        busy.send(b"BDAT 5000000 LAST\r\n" + upload_of(bytes(600_000)))
        await busy.writer.drain()
        last_words = asyncio.gather(idle.reply(), busy.reply())
    for reply in await last_words:
        assert str(reply).startswith("421 4.3.2 ")
    await idle.close()
    await busy.close()
