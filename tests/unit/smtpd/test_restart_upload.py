# SPDX-License-Identifier: Apache-2.0
"""Uploads that go on where they were, and what is told of their end."""

from __future__ import annotations

import asyncio

import pytest

from maild.mail.reply import Reply
from maild.store.blobs import SEGMENT, BlobWriter
from maild.store.errors import NotFoundError
from tests.unit.smtpd.live import ALICE, Live
from tests.unit.smtpd.speaker import Speaker, content, upload_of
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_landing import digest
from tests.unit.smtpd.test_restart import (
    CUT,
    SIZE,
    House,
    durable,
    listed,
    some_durable,
)

LIBRARY = "alice+library@a.example"
MAIL = f"MAIL FROM:<{ALICE}> BODY=BINARYMIME TRANSID=<0f1e@alice.example>"


async def upload(station: Live, message: bytes, cut: int) -> Speaker:
    speaker = await Speaker.alice(station)
    await speaker.says(f"{MAIL} SIZE={len(message)}", 250)
    await speaker.says(f"RCPT TO:<{LIBRARY}>", 250)
    await speaker.chunk(message[:cut], 250, last=False)
    return speaker


async def go_on(station: Live, message: bytes) -> tuple[int, Reply]:
    speaker = await Speaker.alice(station)
    reply = await speaker.says(f"{MAIL} SIZE={len(message)}", 355)
    offset = int(reply.text.split()[0])
    reply = await speaker.chunk(message[offset:], 250)
    await speaker.close()
    return offset, reply


async def uploaded(station: Live, octets: bytes) -> None:
    (item,) = await station.items(station.alice)
    assert (item.sha256, item.own, item.number) == (digest(octets), True, "001")
    assert len(await station.lines(station.alice, "Library")) == 1
    assert not list(await asyncio.to_thread(station.store.blobs.check))


@pytest.mark.parametrize("crash", [False, True])
async def test_an_upload_goes_on(house: House, *, crash: bool) -> None:
    octets = content(SIZE)
    message = upload_of(octets)
    cut = message.index(octets) + SEGMENT + 7
    speaker = await upload(house.station, message, cut)
    if crash:
        await durable(house.station, SEGMENT + 7)
        await house.crash()
    offset, reply = await go_on(house.station, message)
    assert offset == cut
    await uploaded(house.station, octets)
    await speaker.close()
    # The 250 was lost: also after another kill, it is told its end again.
    await house.crash()
    assert await go_on(house.station, message) == (len(message), reply)
    await uploaded(house.station, octets)
    (kept,) = listed(house.station)
    assert kept.checkpoint.final_reply == str(reply)


async def test_a_retry_cuts_no_other_transaction(house: House) -> None:
    """A connection may be busy with the next one when a lost 250 is asked for."""
    octets = content(SIZE)
    one, two = upload_of(octets), upload_of(octets[::-1], number="002")
    busy = await upload(house.station, one, len(one) - 1)
    await busy.chunk(one[-1:], 250)
    parameters = f"BODY=BINARYMIME SIZE={len(two)} TRANSID=<two@terminal>"
    await busy.envelope(LIBRARY, str(ALICE), parameters)
    await busy.chunk(two[:CUT], 250, last=False)
    offset, _ = await go_on(house.station, one)
    assert offset == len(one)
    await busy.chunk(two[CUT:], 250)
    assert len(await house.station.items(house.station.alice)) == 2
    await busy.close()


async def test_what_fails_within_a_chunk_that_is_cut_begins_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = upload_of(content(SIZE))
    speaker = await upload(house.station, message, CUT)
    await some_durable(house.station)
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fails(*_: object) -> None:
        loop.call_soon_threadsafe(failed.set)
        raise NotFoundError("nobody foresaw that")

    with monkeypatch.context() as patched:
        patched.setattr(BlobWriter, "append", fails)
        speaker.send(b"BDAT %d LAST\r\n" % (len(message) - CUT))
        speaker.send(message[CUT:-1])
        await failed.wait()
        await speaker.close()
        await until(lambda: listed(house.station) == [])
    again = await upload(house.station, message, len(message) - 1)  # MAIL is 250
    await again.chunk(message[-1:], 250)
    await again.close()


async def test_a_small_upload_is_told_its_end_again(house: House) -> None:
    octets = content(100)
    message = upload_of(octets)
    speaker = await upload(house.station, message, 50)
    reply = await speaker.chunk(message[50:], 250)
    await speaker.close()
    assert await go_on(house.station, message) == (len(message), reply)
    await uploaded(house.station, octets)


async def test_a_transid_is_one_account_s_own(house: House) -> None:
    octets = content(1_000_000)
    message = upload_of(octets)
    speaker = await upload(house.station, message, 900_000)
    await some_durable(house.station)
    await house.crash()
    (kept,) = listed(house.station)
    assert kept.checkpoint.envelope.account_id == house.station.alice
    stranger = await Speaker.secure(house.station)
    mail = f"MAIL FROM:<{ALICE}> BODY=BINARYMIME TRANSID=<0f1e@alice.example>"
    await stranger.says(mail, 250)
    await stranger.says("RCPT TO:<bob@a.example>", 250)
    await stranger.chunk(b"Subject: x\r\n\r\n", 250)
    await stranger.close()
    await go_on(house.station, message)
    await speaker.close()


async def test_ordinary_mail_has_no_checkpoint(house: House) -> None:
    octets = content(200_000)
    speaker = await Speaker.alice(house.station)
    message = upload_of(octets)
    await speaker.says(f"{MAIL} SIZE={len(message)}", 250)
    await speaker.says("RCPT TO:<carol@b.example>", 250)
    await speaker.chunk(message, 250)
    assert listed(house.station) == []
    await speaker.close()
