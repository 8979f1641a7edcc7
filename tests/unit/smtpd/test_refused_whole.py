# SPDX-License-Identifier: Apache-2.0
"""What is refused for good leaves nothing; what comes twice at once comes once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.smtpd.transaction import FRAMING
from maild.store import arriving, checkpoints
from maild.store.checkpoints import Envelope, Kind
from maild.store.errors import NotFoundError
from tests.unit.smtpd.live import Live, live
from tests.unit.smtpd.speaker import Speaker, content, push_of
from tests.unit.smtpd.test_landing import digest
from tests.unit.smtpd.test_showing import CUT, SIZE, shown


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def must_be_gone(station: Live, account: int) -> None:
    assert await station.items(account) == []
    assert await station.lines(account, "Library") == []
    assert await station.lines(account, "Items") == []
    assert await station.store.index.read(checkpoints.everything) == []


async def test_a_push_larger_than_it_said(station: Live) -> None:
    octets = content(SIZE)
    message = push_of(octets, digest(octets))
    proof = await station.accepted_offer(SIZE)
    speaker = await Speaker.secure(station)
    await speaker.says(
        f"MAIL FROM:<carol@b.example> BODY=BINARYMIME SIZE={len(message)}"
        f" TRANSID=<{proof}@b.example>",
        250,
    )
    await speaker.says("RCPT TO:<bob@a.example>", 250)
    await speaker.chunk(message[:CUT], 250, last=False)
    await shown(station, station.bob)
    await speaker.chunk(message[CUT:] + bytes(FRAMING), 552)
    await must_be_gone(station, station.bob)
    await speaker.close()


def fails(*_: object, **__: object) -> None:
    raise NotFoundError("nobody foresaw that")


async def test_what_could_not_be_kept_is_not_sent_again(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of ours costs no content."""
    octets = content(SIZE)
    message = push_of(octets, digest(octets))
    proof = await station.accepted_offer(SIZE)
    speaker = await Speaker.secure(station)
    mail = (
        f"MAIL FROM:<carol@b.example> BODY=BINARYMIME SIZE={len(message)}"
        f" TRANSID=<{proof}@b.example>"
    )
    await speaker.says(mail, 250)
    await speaker.says("RCPT TO:<bob@a.example>", 250)
    await speaker.chunk(message[:CUT], 250, last=False)
    await shown(station, station.bob)
    with monkeypatch.context() as patched:
        patched.setattr(arriving, "whole", fails)
        assert (await speaker.chunk(message[CUT:], 451)).status == "4.3.0"
    offset = int((await speaker.says(mail, 355)).text.split()[0])
    assert offset == message.index(octets) + SIZE
    await speaker.chunk(message[offset:], 250)
    (item,) = await station.items(station.bob)
    assert item.sha256 == digest(octets)
    await speaker.close()


async def test_of_two_who_come_at_once_one_goes_on(station: Live) -> None:
    """Both wait for the end of the connection by which it came; only the last stays."""
    kept = station.station._kept[0].lanes
    bound = Envelope("key", Kind.UPLOAD, station.alice, "a@a", "a@a", None, "7BIT")
    begun = asyncio.Event()

    async def comes() -> None:
        task = asyncio.current_task()
        assert task is not None
        await kept.begin(bound, task)
        begun.set()
        try:
            await asyncio.Future()
        finally:
            await asyncio.sleep(0)

    first = asyncio.create_task(comes())
    await begun.wait()
    others = [asyncio.create_task(comes()) for _ in range(3)]
    _, staying = await asyncio.wait(
        [first, *others], return_when=asyncio.FIRST_COMPLETED
    )
    while len(staying) > 1:
        more, staying = await asyncio.wait(
            staying, return_when=asyncio.FIRST_COMPLETED, timeout=5.0
        )
        assert more, f"{len(staying)} go on"
    for task in staying:
        task.cancel()
    await asyncio.wait(staying)
