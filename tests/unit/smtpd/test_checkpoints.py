# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are abused: foreign, beyond the end, or very many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.smtpd import lanes
from maild.store.blobs import SEGMENT
from tests.unit.smtpd.live import ALICE, BOB, Live, live
from tests.unit.smtpd.speaker import Speaker, content, upload_of
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_landing import digest
from tests.unit.smtpd.test_restart import SIZE, a_push, durable, listed
from tests.unit.smtpd.test_restart_upload import LIBRARY, MAIL, go_on, upload, uploaded

SMALL = 200_000


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, ordinary_mail_limit=1_000_000) as running:
        yield running


def files_open() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_foreign_proof_opens_nothing(station: Live) -> None:
    """Whatever a stranger knows of a push, he is told what everybody is told."""
    push = await a_push(station)
    start = push.message.index(push.octets)
    begun = await push.begin(station, start + SEGMENT)
    await durable(station, SEGMENT)
    stranger = await Speaker.secure(station)
    for mail in (
        push.mail.replace("carol@", "mallory@"),
        push.mail.replace("TRANSID=<", "TRANSID=<x"),
    ):
        await stranger.says(mail, 250)
        reply = await stranger.says("RCPT TO:<bob@a.example>", 550)
        assert reply.status == "5.7.1"
        await stranger.says("RSET", 250)
    await stranger.close()
    await begun.close()
    offset, _ = await push.go_on(station)
    assert offset == start + SEGMENT


async def test_a_foreign_upload_cannot_be_gone_on_with(station: Live) -> None:
    """The same TRANSID of another account is another upload."""
    octets = content(SIZE)
    message = upload_of(octets)
    begun = await upload(station, message, message.index(octets) + SEGMENT)
    await durable(station, SEGMENT)
    other = await Speaker.alice(station, BOB)
    mail = MAIL.replace(str(ALICE), str(BOB))
    await other.says(f"{mail} SIZE={len(message)}", 250)  # not 355: nothing is known
    await other.says("RCPT TO:<bob+library@a.example>", 250)
    await other.close()
    await begun.close()
    await go_on(station, message)
    await uploaded(station, octets)


async def test_more_than_was_left_is_refused(station: Live) -> None:
    """A push ends where the size that was accepted does."""
    push = await a_push(station)
    begun = await push.begin(station, push.message.index(push.octets) + SEGMENT)
    await durable(station, SEGMENT)
    await begun.close()
    speaker = await Speaker.secure(station)
    offset = int((await speaker.says(push.mail, 355)).text.split()[0])
    rest = push.message[offset:]
    end = rest.index(b"\r\n--")
    reply = await speaker.chunk(rest[:end] + b"x" + rest[end:], 552)
    assert reply.status == "5.3.4"
    await speaker.close()
    speaker = await push.begin(station, 100)
    reply = await speaker.chunk(b"x" * (len(push.message) + 2**16), 552)
    assert reply.status == "5.3.4"
    await speaker.close()
    assert await station.items(station.bob) == []


async def test_many_interrupted_ones_hold_few_files(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each can be gone on with, from memory or from the store."""
    monkeypatch.setattr(lanes, "MOST", 5)
    octets = content(SMALL)
    message = upload_of(octets)
    cut = len(message) - 1000
    before = files_open()
    for number in range(40):
        speaker = await Speaker.alice(station)
        mail = MAIL.replace("<0f1e", f"<{number}")
        await speaker.says(f"{mail} SIZE={len(message)}", 250)
        await speaker.says(f"RCPT TO:<{LIBRARY}>", 250)
        await speaker.chunk(message[:cut], 250, last=False)
        await speaker.close()
    await until(lambda: len(listed(station)) == 40)
    await until(lambda: sum(each.octets > 0 for each in listed(station)) >= 35)
    await until(lambda: files_open() <= before + 5 + 10)
    for number in (0, 20, 39):
        speaker = await Speaker.alice(station)
        mail = MAIL.replace("<0f1e", f"<{number}")
        reply = await speaker.says(f"{mail} SIZE={len(message)}", 355)
        offset = int(reply.text.split()[0])
        assert cut - 200 <= offset <= cut
        await speaker.chunk(message[offset:], 250)
        await speaker.close()
    found = await station.items(station.alice)
    assert sum(item.sha256 == digest(octets) for item in found) == 3
