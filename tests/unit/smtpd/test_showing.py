# SPDX-License-Identifier: Apache-2.0
"""What is seen of an upload or a push while it still arrives."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from maild.mail.parting import Cause
from maild.mail.transfer import State
from maild.smtpd import wanted
from maild.store import arriving, mailboxes, meaning, messages, parting
from maild.store.arriving import KEYWORD
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.messages import Line
from tests.unit.smtpd.live import ALICE, LIFETIMES, NOW, Live, live
from tests.unit.smtpd.speaker import Speaker, content, push_of, upload_of
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_landing import digest

SIZE = 600_000
CUT = 400_000
LIBRARY = "alice+library@a.example"


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def begun(station: Live, message: bytes, size: int | None = None) -> Speaker:
    """Let alice upload the first octets of a message."""
    speaker = await Speaker.alice(station)
    size = len(message) if size is None else size
    parameters = f"BODY=BINARYMIME SIZE={size} TRANSID=<one@terminal>"
    await speaker.envelope(LIBRARY, str(ALICE), parameters)
    await speaker.chunk(message[:CUT], 250, last=False)
    return speaker


async def shown(station: Live, account: int) -> tuple[Item, Line]:
    """Wait for an item that arrives; return it and its line in Library."""

    async def is_there() -> bool:
        return bool(await station.items(account))

    while not await is_there():
        await station.store.index.write(lambda tx: None)
    (item,) = await station.items(account)
    (line,) = await station.lines(account, "Library")
    return item, line


async def test_an_upload_is_an_item_from_its_beginning(station: Live) -> None:
    octets = content(SIZE)
    message = upload_of(octets)
    speaker = await begun(station, message)
    item, line = await shown(station, station.alice)
    assert (item.size, item.sha256, item.own) == (SIZE, None, True)
    assert (item.number, item.code, item.name) == ("001", "Aaa123", "film.mov")
    assert KEYWORD in line.flags
    (stub,) = await station.lines(station.alice, "Items")
    assert KEYWORD in stub.flags
    before = await station.store.index.read(messages.content, line.content_id)
    assert not before.complete
    await speaker.chunk(message[CUT:], 250)
    (whole,) = await station.items(station.alice)
    assert (whole.id, whole.sha256) == (item.id, digest(octets))
    (after,) = await station.lines(station.alice, "Library")
    assert (after.uid, after.size) == (line.uid, line.size)
    assert KEYWORD not in after.flags
    now = await station.store.index.read(messages.content, after.content_id)
    assert now.complete
    assert now.structure == before.structure
    assert octets in await station.octets(after.content_id)
    (renewed,) = await station.lines(station.alice, "Items")
    assert renewed.uid > stub.uid
    assert KEYWORD not in renewed.flags
    await speaker.close()


async def test_a_push_is_an_item_from_its_beginning(station: Live) -> None:
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
    item, line = await shown(station, station.bob)
    assert (item.own, item.section, item.name) == (False, "2", "film.mov")
    assert str(item.sender) == "carol@b.example"
    before = await station.store.index.read(messages.content, line.content_id)
    await speaker.chunk(message[CUT:], 250)
    (after,) = await station.lines(station.bob, "Library")
    assert after.uid == line.uid
    now = await station.store.index.read(messages.content, after.content_id)
    assert (now.complete, now.structure) == (True, before.structure)
    assert octets in await station.octets(after.content_id)
    assert len(await station.lines(station.bob, "INBOX")) == 2  # the offer, the item
    await speaker.close()


async def test_what_does_not_announce_itself_is_shown_when_whole(
    station: Live,
) -> None:
    message = upload_of(content(SIZE))
    speaker = await begun(station, message, size=len(message) + 1)
    await station.store.index.write(lambda tx: None)
    assert await station.items(station.alice) == []
    await speaker.chunk(message[CUT:], 250)
    (item,) = await station.items(station.alice)
    assert item.sha256 is not None
    await speaker.close()


async def test_what_arrives_is_sent_by_its_url(station: Live) -> None:
    message = upload_of(content(SIZE))
    upload = await begun(station, message)
    item, line = await shown(station, station.alice)
    speaker = await Speaker.alice(station)
    await speaker.envelope("carol@b.example", str(ALICE))
    url = f"imap://alice%40a.example@a.example/Library/;UID={line.uid}"
    reply = await speaker.says(f"BURL {url} LAST", 250)
    assert re.fullmatch(r"\S+ 600000 octets", reply.text)
    (transfer,) = await station.transfers(station.alice)
    assert (transfer.item_id, transfer.size) == (item.id, SIZE)
    await upload.chunk(message[CUT:], 250)
    (transfer,) = await station.transfers(station.alice)
    assert transfer.state is State.QUEUED
    for each in (upload, speaker):
        await each.close()


async def test_what_is_refused_in_the_end_was_never_here(station: Live) -> None:
    message = upload_of(content(SIZE))
    upload = await begun(station, message)
    _, line = await shown(station, station.alice)
    speaker = await Speaker.alice(station)
    await speaker.envelope("carol@b.example", str(ALICE))
    url = f"imap://alice%40a.example@a.example/Library/;UID={line.uid}"
    await speaker.says(f"BURL {url} LAST", 250)
    await upload.chunk(message[CUT:-1], 554)
    assert await station.items(station.alice) == []
    for mailbox in ("Library", "Items"):
        assert await station.lines(station.alice, mailbox) == []
    (transfer,) = await station.transfers(station.alice)
    assert (transfer.state, transfer.status) == (State.FAILED, "5.6.0")
    for each in (upload, speaker):
        await each.close()


async def test_who_deletes_what_arrives_gets_no_more_of_it(station: Live) -> None:
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
    _, line = await shown(station, station.bob)
    library = await station.store.index.read(
        mailboxes.must_find, station.bob, "Library"
    )
    await station.store.index.write(meaning.expunge, library, [line.uid], 1e9)
    assert await station.items(station.bob) == []
    reply = await speaker.chunk(message[CUT:], 550)
    assert reply.status == "5.7.1"
    await speaker.says(mail, 550)  # neither 355 nor ordinary mail
    await speaker.close()


async def remove(station: Live, account: int, mailbox: str = "Library") -> None:
    """Delete by hand what arrives."""
    (line,) = await station.lines(account, mailbox)
    place = await station.store.index.read(mailboxes.must_find, account, mailbox)
    await station.store.index.write(meaning.expunge, place, [line.uid], NOW)
    assert await station.items(account) == []


async def test_its_sender_is_told_with_the_next_chunk(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wanted, "LOOK_EVERY", 0.0)
    octets = content(SIZE)
    message = push_of(octets, digest(octets))
    proof = await station.accepted_offer(SIZE)
    speaker = await Speaker.secure(station)
    parameters = f"BODY=BINARYMIME SIZE={len(message)} TRANSID=<{proof}@b.example>"
    await speaker.envelope("bob@a.example", "carol@b.example", parameters)
    await speaker.chunk(message[:CUT], 250, last=False)
    await shown(station, station.bob)
    await speaker.chunk(message[CUT : CUT + 1000], 250, last=False)
    await remove(station, station.bob)
    reply = await speaker.chunk(message[CUT + 1000 : -1000], 550, last=False)
    assert reply.status == "5.7.1"
    await speaker.close()


@pytest.mark.parametrize("looks", [True, False], ids=["next chunk", "at its end"])
async def test_an_upload_that_is_deleted_does_not_come_back(
    station: Live, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    if looks:
        monkeypatch.setattr(wanted, "LOOK_EVERY", 0.0)
    message = upload_of(content(SIZE))
    upload = await begun(station, message)
    await shown(station, station.alice)
    await upload.chunk(message[CUT : CUT + 1000], 250, last=False)
    await remove(station, station.alice)
    reply = await upload.chunk(message[CUT + 1000 :], 554, last=not looks)
    assert (reply.status, reply.text) == ("5.6.0", "it was removed while it arrived")
    await upload.close()
    mail = (
        f"MAIL FROM:<{ALICE}> BODY=BINARYMIME SIZE={len(message)}"
        " TRANSID=<{}@terminal>"
    )
    speaker = await Speaker.alice(station)
    for _ in range(2):
        assert await speaker.says(mail.format("one"), 554) == reply
    assert await station.items(station.alice) == []
    await speaker.says(mail.format("two"), 250)  # the same file, uploaded again
    await speaker.says(f"RCPT TO:<{LIBRARY}>", 250)
    await speaker.chunk(message, 250)
    assert len(await station.items(station.alice)) == 1
    await speaker.close()


async def test_an_interrupted_upload_that_is_deleted_is_over(station: Live) -> None:
    message = upload_of(content(SIZE))
    upload = await begun(station, message)
    await shown(station, station.alice)
    await upload.close()
    await remove(station, station.alice)
    speaker = await Speaker.alice(station)
    parameters = f"BODY=BINARYMIME SIZE={len(message)} TRANSID=<one@terminal>"
    await speaker.says(f"MAIL FROM:<{ALICE}> {parameters}", 554)
    await speaker.close()


async def test_what_nobody_goes_on_with_is_given_up(station: Live) -> None:
    upload = await begun(station, upload_of(content(SIZE)))
    item, _ = await shown(station, station.alice)
    await upload.close()
    store = station.store
    await until(lambda: store.blobs.state(item.blob_id).durable > 0)
    late = NOW + arriving.GRACE + 1

    def job(tx: Tx) -> None:
        tx.run("DELETE FROM checkpoint")

    sweep = partial(parting.sweep, store.index, LIFETIMES.queue, "a.example", late)
    await asyncio.to_thread(sweep)
    assert len(await station.items(station.alice)) == 1  # it may still go on
    await store.index.write(job)
    (ended,) = await asyncio.to_thread(sweep)
    assert ended.parting.cause is Cause.UPLOAD
    assert await station.items(station.alice) == []
    assert await station.lines(station.alice, "Library") == []
    (told,) = await station.lines(station.alice, "INBOX")
    notice = await station.octets(told.content_id)
    assert b"Subject: Not uploaded: film.mov" in notice
    assert await asyncio.to_thread(sweep) == []
