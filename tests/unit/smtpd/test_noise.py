# SPDX-License-Identifier: Apache-2.0
"""Nothing a stranger sends surprises the station: every reply is one it chose."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path

import pytest

from maild.wire.smtp_reply import ReplyReader
from tests.unit.smtpd.live import live

LINES = (
    b"EHLO x|HELO|MAIL FROM:<carol@b.example>|MAIL FROM:<> SIZE=9 BODY=BINARYMIME"
    b"|RCPT TO:<bob@a.example>|RCPT TO:<x@c.example>|DATA|RSET|NOOP|BDAT 7|BDAT 0"
    b"|BDAT 9 LAST|BDAT 0 LAST|BDAT 300000 LAST|BDAT -1|BURL x LAST|AUTH PLAIN =|VRFY"
    b"|Content-Type: multipart/mixed; boundary=b|--b|--b--|.|..||\xff\xfe|a\0b|QUIT"
    b"|Subject: hello"
).split(b"|")


def noise(seed: int) -> bytes:
    """Return what one stranger sends: commands, content and rubbish."""
    chosen = random.Random(seed)
    lines: list[bytes] = []
    for _ in range(chosen.randint(1, 25)):
        lines.append(chosen.choice(LINES) + chosen.choice((b"\r\n",) * 9 + (b"\n",)))
        if chosen.random() < 0.1:
            lines.append(chosen.randbytes(chosen.randint(1, 2000)))
    return b"".join(lines)


async def test_noise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with live(tmp_path, connections_per_client=1000) as station:

        async def stranger(seed: int) -> None:
            reader, writer = await station.connect()
            assert (await reader.readline()).startswith(b"220 ")
            writer.write(b"EHLO x\r\n")
            while not (await reader.readline()).startswith(b"250 "):
                pass
            writer.write(noise(seed))
            writer.write_eof()
            try:
                said = await asyncio.wait_for(reader.read(), 30)
            except ConnectionError:
                return
            for reply in ReplyReader().feed(said):
                assert reply.status != "4.3.0", (seed, reply)
            writer.close()

        for first in range(0, 300, 20):
            await asyncio.gather(*(stranger(first + n) for n in range(20)))
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert errors == []
