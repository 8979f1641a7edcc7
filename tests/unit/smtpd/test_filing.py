# SPDX-License-Identifier: Apache-2.0
"""What our own terminals leave behind: uploads, shares, mail."""

from __future__ import annotations

import hashlib
import smtplib
from asyncio import to_thread
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.structure import Part, Structure
from maild.mail.transfer import Kind, State
from maild.smtpd.kept import stub as small_stub
from maild.store import versions
from maild.store.items import Item
from maild.store.rope import Constant, Raw, Rope
from tests.unit.smtpd.live import ALICE, PASSWORD, Live, live
from tests.unit.smtpd.speaker import Speaker, content, upload_of

LIBRARY = "alice+library@a.example"


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def uploaded(station: Live, octets: bytes) -> tuple[Speaker, str]:
    """Let alice upload; returns her connection and the item's URL."""
    speaker = await Speaker.alice(station)
    message = upload_of(octets)
    parameters = f"BODY=BINARYMIME SIZE={len(message)}"
    await speaker.envelope(LIBRARY, str(ALICE), parameters)
    await speaker.says("RCPT TO:<carol@b.example>", 452)
    await speaker.chunk(message, 250)
    line = (await station.lines(station.alice, "Library"))[-1]
    return speaker, f"imap://alice%40a.example@a.example/Library/;UID={line.uid}"


@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 600_000])
async def test_an_upload_lands_in_the_library(station: Live, size: int) -> None:
    octets = content(size)
    speaker, _ = await uploaded(station, octets)
    (item,) = await station.items(station.alice)
    assert (item.own, item.section, item.size) == (True, "1", size)
    assert item.sha256 == hashlib.sha256(octets).hexdigest()
    assert (item.name, item.type) == ("film.mov", "video/quicktime")
    assert (item.number, item.code, item.terminal) == ("001", "Aaa123", "terminal-1")
    assert item.trace == "fedcba9876543210"
    (line,) = await station.lines(station.alice, "Library")
    assert octets in await station.octets(line.content_id)
    assert len(await station.lines(station.alice, "Items")) == 1
    assert await station.lines(station.alice, "INBOX") == []
    await speaker.close()


async def test_an_upload_of_another_size_is_refused(station: Live) -> None:
    speaker = await Speaker.alice(station)
    await speaker.envelope(LIBRARY, str(ALICE), "BODY=BINARYMIME")
    reply = await speaker.chunk(upload_of(b"x" * 100) + b"y", 554)
    assert reply.status == "5.6.0"
    await speaker.envelope(LIBRARY, str(ALICE))
    multi = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nhi\r\n--b--\r\n'
    )
    reply = await speaker.chunk(multi, 554)
    assert reply.status == "5.6.1"
    assert await station.items(station.alice) == []
    await speaker.close()


async def test_nobody_uploads_for_somebody_else(station: Live) -> None:
    speaker = await Speaker.alice(station)
    await speaker.envelope("bob+library@a.example", str(ALICE), "BODY=BINARYMIME")
    await speaker.chunk(upload_of(b"x" * 100), 250)  # mail to bob, nothing else
    assert await station.items(station.bob) == []
    await speaker.close()


async def test_an_item_is_shared_by_its_url(station: Live) -> None:
    speaker, url = await uploaded(station, content(1000))
    await speaker.envelope("carol@b.example", str(ALICE))
    await speaker.says("RCPT TO:<dave@c.example>", 250)
    reply = await speaker.says(f"BURL {url} LAST", 250)
    first, second = sorted(
        await station.transfers(station.alice), key=lambda t: str(t.recipient)
    )
    assert reply.text.startswith(f"{first.id} 1000 octets sha-256 ")
    assert (first.kind, first.state) == (Kind.SHARE, State.QUEUED)
    assert [str(t.recipient) for t in (first, second)] == [
        "carol@b.example",
        "dave@c.example",
    ]
    # The same item to the same address is sent once.
    await speaker.envelope("carol@b.example", str(ALICE))
    again = await speaker.says(f"BURL {url} LAST", 250)
    assert again.text == f"{reply.text}, sent before"
    assert len(await station.transfers(station.alice)) == 2
    await speaker.close()


FRAMED = (
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\n\r\n"
    b"--b\r\nContent-Type: application/octet-stream\r\n\r\n"
)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"Share-Confirm: 3600", 3600),
        (b"share-confirm: 2592000", 2592000),
        (b"Share-Confirm: 2592001", None),
        (b"Share-Confirm: 0", None),
        (b"Share-Confirm: -1", None),
        (b"Share-Confirm: 1h", None),
        (b"Share-Confirm: 9999999999999999", None),
        (b"Share-Number: 001", 0),
        (b"Share-Confirm:", 0),
    ],
)
async def test_a_share_may_wait_for_go(
    station: Live, said: bytes, seconds: int | None
) -> None:
    """What cannot be understood is refused: it must not go by itself."""
    speaker, url = await uploaded(station, content(1000))
    await speaker.envelope("carol@b.example", str(ALICE), "BODY=BINARYMIME")
    await speaker.chunk(said + b"\r\n" + FRAMED, 250, last=False)
    await speaker.says(f"BURL {url}/;SECTION=1", 250)
    reply = await speaker.chunk(b"\r\n--b--\r\n", 554 if seconds is None else 250)
    found = await station.transfers(station.alice)
    assert [t.confirm for t in found] == ([] if seconds is None else [seconds])
    assert reply.status == ("5.5.4" if seconds is None else "2.0.0")
    await speaker.close()


async def test_a_note_goes_with_the_item(station: Live) -> None:
    speaker, url = await uploaded(station, content(1000))
    await speaker.envelope("carol@b.example", str(ALICE), "BODY=BINARYMIME")
    head = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nU2Now7ZuIQ==\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n"
    )
    await speaker.chunk(head, 250, last=False)
    await speaker.says(f"BURL {url}/;SECTION=1", 250)
    await speaker.says(f"BURL {url}/;SECTION=1", 554)
    await speaker.says("RSET", 250)
    await speaker.envelope("carol@b.example", str(ALICE), "BODY=BINARYMIME")
    await speaker.chunk(head, 250, last=False)
    await speaker.says(f"BURL {url}/;SECTION=1", 250)
    await speaker.chunk(b"\r\n--b--\r\n", 250)
    (transfer,) = await station.transfers(station.alice)
    assert transfer.note == "Schön!"
    await speaker.close()


@pytest.mark.parametrize("kept", [0, 1])
async def test_what_is_named_is_shared_though_it_is_replaced_meanwhile(
    station: Live, kept: int
) -> None:
    speaker, url = await uploaded(station, content(70_000))
    (item,) = await station.items(station.alice)
    await speaker.envelope("carol@b.example", str(ALICE), "BODY=BINARYMIME")
    await speaker.chunk(b"Subject: x\r\n" + FRAMED, 250, last=False)
    await speaker.says(f"BURL {url}/;SECTION=1", 250)
    await replaced(station, item, content(90_000), kept)
    reply = await speaker.chunk(b"\r\n--b--\r\n", 250 if kept else 554)
    found = await station.transfers(station.alice)
    if kept:
        assert f" 70000 octets sha-256 {item.sha256}" in reply.text
        assert [(t.item_id, t.size) for t in found] == [(f"{item.id}.1", 70_000)]
    else:
        assert (reply.status, found) == ("5.6.6", [])
    await speaker.close()


async def replaced(station: Live, item: Item, octets: bytes, kept: int) -> None:
    """Give an item its next version, as REPLACE does."""
    writer = station.store.blobs.create(len(octets))
    writer.append(octets)
    blob = writer.seal()
    new = versions.following(item)
    new = replace(new, blob_id=blob.id, size=blob.size, sha256=blob.sha256)
    rope = Rope((Constant(b"\r\n"), Raw(blob.id, 0, blob.size)))
    part = Part("text", "plain", (), "7bit", 0, 0, rope.size)
    shape = Structure(part, rope.size, (None,) * 10)
    stub = small_stub(new, ALICE, "a.example", station.store.clock())
    one = versions.Successor(new, rope, shape, stub, ("\\Seen",), kept)
    assert item.library_uid is not None
    await station.store.index.write(
        versions.succeed, item.library_uid, one, station.store.clock()
    )


async def test_only_the_section_of_the_content(station: Live) -> None:
    speaker, url = await uploaded(station, content(1000))
    await speaker.envelope("carol@b.example", str(ALICE))
    reply = await speaker.says(f"BURL {url}/;SECTION=2 LAST", 554)
    assert reply.status == "5.6.6"
    await speaker.close()


async def test_mail_is_queued_for_each_recipient(station: Live) -> None:
    def send() -> None:
        port = station.ports["submission"]
        with smtplib.SMTP("127.0.0.1", port) as client:
            client._host = "a.example"  # type: ignore[attr-defined]
            client.starttls(context=station.tls)
            client.login(str(ALICE), PASSWORD)
            client.sendmail(
                str(ALICE),
                ["carol@b.example", "bob@a.example"],
                b"Subject: hello\r\n\r\nworld\r\n",
            )

    await to_thread(send)
    queued = await station.transfers(station.alice)
    assert {(t.kind, str(t.recipient)) for t in queued} == {
        (Kind.MAIL, "carol@b.example"),
        (Kind.MAIL, "bob@a.example"),
    }
    content_id = queued[0].content_id
    assert content_id is not None
    assert content_id == queued[1].content_id
    octets = await station.octets(content_id)
    assert octets.startswith(b"Received: from ")
    assert b"with ESMTPSA" in octets
    assert await station.lines(station.bob, "INBOX") == []
