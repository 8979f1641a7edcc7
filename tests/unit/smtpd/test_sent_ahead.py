# SPDX-License-Identifier: Apache-2.0
"""What a peer sends ahead of our reading waits on the way, not in our memory."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from maild.smtpd.intake import Intake
from maild.smtpd.stream import BULK
from tests.unit.smtpd.live import Live, live
from tests.unit.smtpd.speaker import Speaker, content

SMALL = 32 * 1024
"""Octets of a chunk that goes through the stream."""
CHUNKS = 640
MOST = 1024 * 1024
"""Octets that may wait in one connection: records, a read, and room for a line."""


def held(station: Live) -> int:
    """Return the octets that sessions hold unread."""
    return sum(s.stream.held for s in station.station._sessions)


@pytest.mark.parametrize("tls", [False, True])
async def test_small_chunks_behind_a_large_one_are_not_gathered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    blocked, go_on, taken = threading.Event(), threading.Event(), [0]
    take = Intake.take

    def slow(intake: Intake, octets: memoryview) -> None:
        taken[0] += len(octets)
        if taken[0] > BULK + 4 * SMALL:
            blocked.set()
            go_on.wait(30)
        take(intake, octets)

    monkeypatch.setattr(Intake, "take", slow)
    async with live(tmp_path, ordinary_mail_limit=64 * 2**20) as station:
        speaker = await (Speaker.secure(station) if tls else Speaker.hello(station))
        await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
        head = (
            b"Content-Type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: binary\r\n\r\n"
        )
        first = head + content(BULK)
        speaker.send(b"BDAT %d\r\n" % len(first) + first)
        piece = content(SMALL)
        for _ in range(CHUNKS):
            speaker.send(b"BDAT %d\r\n" % SMALL + piece)
        speaker.send(b"BDAT 0 LAST\r\n")
        await asyncio.to_thread(blocked.wait, 30)
        most = 0
        for _ in range(3000):  # turns of the loop: what may be read is read
            most = max(most, held(station))
            await asyncio.sleep(0)
        go_on.set()
        for _ in range(CHUNKS + 1):
            assert (await speaker.reply()).code == 250
        final = await speaker.reply()
        assert f" {BULK + CHUNKS * SMALL} octets " in final.text
        await speaker.close()
    assert most <= MOST
