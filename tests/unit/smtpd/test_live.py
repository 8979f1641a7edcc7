# SPDX-License-Identifier: Apache-2.0
"""An upload of unknown size: still being recorded, a stub until it is closed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from unittest import mock

import pytest

from maild.mail.compose import Facts, ItemFacts, upload_head
from maild.mail.transfer import Lifetimes, State
from maild.store import (
    arriving,
    item_view,
    mailboxes,
    meaning,
    parting,
    quota,
    transfers,
)
from maild.store.arriving import KEYWORD
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.messages import Line
from tests.unit.smtpd.live import ALICE, LIFETIMES, NOW, Live, live
from tests.unit.smtpd.speaker import Speaker, content
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_landing import digest
from tests.unit.smtpd.test_showing import remove

SIZE = 600_000
CUT = 400_000
LIBRARY = "alice+library@a.example"
MAIL = f"MAIL FROM:<{ALICE}> BODY=BINARYMIME TRANSID=<one@terminal>"


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


def head() -> bytes:
    item = ItemFacts("", "live.mkv", "video/x-matroska", None, None, None)
    facts = Facts("upload@a.example", NOW, "fedcba9876543210")
    return upload_head(
        item, number="001", code="Aaa1", account=ALICE, facts=facts, terminal="t1"
    )


async def begun(station: Live, message: bytes) -> Speaker:
    speaker = await Speaker.alice(station)
    await speaker.says(MAIL, 250)
    await speaker.says(f"RCPT TO:<{LIBRARY}>", 250)
    await speaker.chunk(message[:CUT], 250, last=False)
    return speaker


async def stub(station: Live) -> tuple[Item, Line]:
    """Wait for the live item; return it and its line in Items."""
    while not await station.items(station.alice):
        await station.store.index.write(lambda tx: None)
    (item,) = await station.items(station.alice)
    (line,) = await station.lines(station.alice, "Items")
    return item, line


async def test_it_is_a_stub_until_it_is_closed(station: Live) -> None:
    octets = content(SIZE)
    message = head() + octets
    assert b"size=" not in head()
    speaker = await begun(station, message)
    item, line = await stub(station)
    assert (item.is_live, item.size, item.name) == (True, 0, "live.mkv")
    assert KEYWORD in line.flags
    text = await station.octets(line.content_id)
    assert b"Subject: live.mkv (live)" in text
    assert b"still being recorded" in text
    assert await station.lines(station.alice, "Library") == []
    await speaker.chunk(message[CUT:], 250, last=False)
    await speaker.chunk(b"", 250)
    (whole,) = await station.items(station.alice)
    assert (whole.id, whole.size, whole.sha256) == (item.id, SIZE, digest(octets))
    assert whole.created == item.created
    assert not whole.is_live
    (there,) = await station.lines(station.alice, "Library")
    assert there.uid == whole.library_uid
    assert KEYWORD not in there.flags
    assert octets in await station.octets(there.content_id)
    (renewed,) = await station.lines(station.alice, "Items")
    assert renewed.uid == whole.items_uid
    assert renewed.uid > line.uid
    assert digest(octets).encode() in await station.octets(renewed.content_id)
    await speaker.close()
    await until(lambda: not list(station.store.blobs.check()))


async def test_its_stub_tells_how_much_there_is(station: Live) -> None:
    message = head() + content(SIZE)
    with mock.patch("maild.smtpd.showing.RENEWED", 0.0):
        speaker = await begun(station, message)
        item, first = await stub(station)
        await until(lambda: station.store.blobs.state(item.blob_id).durable > 0)
        await speaker.chunk(message[CUT : CUT + 9], 250, last=False)
        await station.store.index.write(lambda tx: None)
    (line,) = await station.lines(station.alice, "Items")
    assert line.uid > first.uid
    assert KEYWORD in line.flags
    text = await station.octets(line.content_id)
    assert re.search(rb"so far \([1-9][0-9]* octets\)", text)
    await speaker.close()


async def test_a_share_of_it_goes_out_when_it_is_closed(station: Live) -> None:
    octets = content(SIZE)
    message = head() + octets
    upload = await begun(station, message)
    _, line = await stub(station)
    speaker = await Speaker.alice(station)
    await speaker.envelope("carol@b.example", str(ALICE))
    url = f"imap://alice%40a.example@a.example/Items/;UID={line.uid}"
    reply = await speaker.says(f"BURL {url} LAST", 250)
    assert "goes out when it is closed" in reply.text
    (waiting,) = await station.transfers(station.alice)
    assert waiting.state is State.QUEUED
    index = station.store.index
    assert not await index.write(transfers.hasten, waiting.id, NOW)
    assert await index.write(transfers.claim, "me", NOW + 1e9, 10) == []
    assert await index.write(transfers.expire_due, NOW + 1e9) == []
    await upload.chunk(message[CUT:], 250)
    (transfer,) = await station.transfers(station.alice)
    assert (transfer.id, transfer.size, transfer.due) == (waiting.id, SIZE, NOW)
    assert transfer.expires == NOW + 7 * 86400.0
    (shown,) = await station.lines(station.alice, "Transfers")
    assert f"0 of {SIZE}".encode() in await station.octets(shown.content_id)
    assert [t.id for t in await index.write(transfers.claim, "me", NOW, 10)] == [
        waiting.id
    ]
    for each in (upload, speaker):
        await each.close()


async def test_a_copy_of_its_stub_is_remembered(station: Live) -> None:
    upload = await begun(station, head() + content(SIZE))
    item, line = await stub(station)
    source = await station.store.index.read(mailboxes.must_find, station.alice, "Items")
    errand = meaning.Errand(
        station.alice,
        source,
        [line.uid],
        "Share/carol@b.example",
        [meaning.Fresh("share-0001", "ab" * 16)],
        Lifetimes(1000.0, 1000.0),
        move=True,
    )
    await station.store.index.write(meaning.carry, errand, NOW)
    (waiting,) = await station.transfers(station.alice)
    assert (waiting.item_id, waiting.due) == (item.id, transfers.WHEN_CLOSED)
    (back,) = await station.lines(station.alice, "Items")
    assert back.uid > line.uid
    await upload.says("RSET", 250)  # not closed, but given up
    (failed,) = await station.transfers(station.alice)
    assert failed.state is State.FAILED
    assert await station.lines(station.alice, "Items") == []
    await upload.close()


async def test_it_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    octets = content(SIZE)
    message = head() + octets
    async with live(tmp_path) as station:
        speaker = await begun(station, message)
        item, _ = await stub(station)
        await speaker.close()
    async with live(tmp_path) as station:
        speaker = await Speaker.alice(station)
        reply = await speaker.says(MAIL, 355)
        offset = int(reply.text.split()[0])
        assert len(head()) < offset <= CUT
        await speaker.chunk(message[offset:], 250)
        (whole,) = await station.items(station.alice)
        assert (whole.id, whole.sha256) == (item.id, digest(octets))
        await speaker.close()


async def test_a_lost_250_is_given_again(station: Live) -> None:
    message = head() + content(SIZE)
    speaker = await begun(station, message)
    first = await speaker.chunk(message[CUT:], 250)
    await speaker.close()
    speaker = await Speaker.alice(station)
    reply = await speaker.says(MAIL, 355)
    assert reply.text.split()[0] == str(len(message))
    again = await speaker.chunk(b"", 250)
    assert again.text == first.text
    await speaker.close()


async def test_what_its_owner_deletes_does_not_come_back(station: Live) -> None:
    message = head() + content(SIZE)
    speaker = await begun(station, message)
    await stub(station)
    await remove(station, station.alice, "Items")
    reply = await speaker.chunk(message[CUT:], 554)
    assert reply.status == "5.6.0"
    assert await speaker.says(MAIL, 554) == reply
    assert await station.items(station.alice) == []
    assert await station.lines(station.alice, "Items") == []
    await speaker.close()


async def test_what_grows_too_large_is_given_up(tmp_path: Path) -> None:
    message = head() + content(SIZE)
    async with live(tmp_path, submission={"size_limit": 500_000}) as station:
        speaker = await begun(station, message)
        await stub(station)
        reply = await speaker.chunk(message[CUT:], 552, last=False)
        assert reply.status == "5.3.4"
        assert await station.items(station.alice) == []
        assert await station.lines(station.alice, "Items") == []
        await speaker.says("RSET", 250)
        await speaker.says(MAIL, 250)  # nothing to go on with
        await speaker.close()


async def test_what_does_not_fit_now_goes_on_later(station: Live) -> None:
    octets = content(SIZE)
    message = head() + octets
    index = station.store.index
    await index.write(quota.set_quota, station.alice, 500_000)
    speaker = await begun(station, message)
    item, _ = await stub(station)
    reply = await speaker.chunk(message[CUT:], 452, last=False)
    assert reply.status == "4.2.2"
    await speaker.close()
    assert [i.id for i in await station.items(station.alice)] == [item.id]
    await index.write(quota.set_quota, station.alice, None)
    speaker = await Speaker.alice(station)
    offset = int((await speaker.says(MAIL, 355)).text.split()[0])
    await speaker.chunk(message[offset:], 250)
    (whole,) = await station.items(station.alice)
    assert (whole.id, whole.sha256) == (item.id, digest(octets))
    await speaker.close()


async def test_what_nobody_goes_on_with_is_given_up(station: Live) -> None:
    upload = await begun(station, head() + content(SIZE))
    item, _ = await stub(station)
    await upload.close()
    store = station.store
    await until(lambda: store.blobs.state(item.blob_id).durable > 0)

    def job(tx: Tx) -> None:
        tx.run("DELETE FROM checkpoint")

    await store.index.write(job)
    late = NOW + arriving.GRACE + 1
    (ended,) = await asyncio.to_thread(
        parting.sweep, store.index, LIFETIMES.queue, "a.example", late
    )
    assert ended.parting.size is None
    assert await station.items(station.alice) == []
    assert await station.lines(station.alice, "Items") == []
    assert await store.index.read(messages_left) == 0


def messages_left(tx: Tx) -> int:
    """Return how many contents nothing shows any more."""
    return int(tx.value("SELECT count(*) FROM content WHERE refs <= 0"))


async def test_its_annotation_has_no_size(station: Live) -> None:
    upload = await begun(station, head() + content(SIZE))
    item, _ = await stub(station)
    entry = item_view.entry_of(item.id)
    found = await station.store.index.read(
        lambda tx: item_view.find(tx, station.alice, entry, below=False)
    )
    assert b'"size":null' in found[entry]
    assert entry in await station.store.index.read(item_view.arriving, station.alice)
    await upload.close()
