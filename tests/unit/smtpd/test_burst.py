# SPDX-License-Identifier: Apache-2.0
"""Many small messages at once: all kept, all answered, in order, in little memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.smtpd.answers import MOST_WAITING
from tests.unit.smtpd.live import Live, live
from tests.unit.smtpd.speaker import Speaker

MANY = MOST_WAITING
"""Messages; three replies for each, so more than may wait."""


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


def message(number: int) -> bytes:
    return b"Subject: message %d\r\n\r\n" % number + b"x" * (number * 200) + b"\r\n"


async def test_a_burst_is_answered_in_order(station: Live) -> None:
    speaker = await Speaker.hello(station)
    for number in range(MANY):
        octets = message(number)
        to = b"nobody" if number % 10 == 9 else b"bob"
        speaker.send(
            b"MAIL FROM:<carol@b.example>\r\nRCPT TO:<%s@a.example>\r\n"
            b"BDAT %d LAST\r\n%sRSET\r\n" % (to, len(octets), octets)
        )
    kept = []
    for number in range(MANY):
        codes = [(await speaker.reply()).code for _ in range(4)]
        if number % 10 == 9:
            assert codes == [250, 550, 503, 250]
        else:
            assert codes == [250, 250, 250, 250]
            kept.append(number)
    lines = await station.lines(station.bob, "INBOX")
    found = [await station.octets(line.content_id) for line in lines]
    assert len(found) == len(kept)
    for number, octets in zip(kept, found, strict=True):
        assert octets.endswith(message(number))
    await speaker.close()


async def test_a_small_attachment_is_a_blob(station: Live) -> None:
    speaker = await Speaker.hello(station)
    await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
    head = b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    speaker.send(b"BDAT %d\r\n%s" % (len(head), head))
    assert (await speaker.reply()).code == 250
    octets = bytes(range(256)) * 20
    for start in range(0, len(octets), 1024):
        speaker.send(b"BDAT 1024\r\n" + octets[start : start + 1024])
        assert (await speaker.reply()).code == 250
    reply = await speaker.says("BDAT 0 LAST", 250)
    assert f"{len(octets)} octets" in str(reply)
    (line,) = await station.lines(station.bob, "INBOX")
    assert (await station.octets(line.content_id)).endswith(b"\r\n\r\n" + octets)
    await speaker.close()
