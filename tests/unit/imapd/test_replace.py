# SPDX-License-Identifier: Apache-2.0
"""REPLACE and CATENATE at a live station: versions, and ordinary mail."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.store import items
from maild.store.index import Tx
from tests.unit.imapd.belongings import an_item
from tests.unit.imapd.live import Live, live
from tests.unit.imapd.put_together import HEAD, MAIL, bring, content, url


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, versions=3) as station:
        yield station


async def test_a_new_version_of_old_and_new_octets(station: Live) -> None:
    item = await an_item(station)
    client = await station.alice_in("Library")
    other = await station.alice_in()
    await other.ok("ENABLE METADATA")
    old = await url(station, "Library", 1)
    answer = await bring(
        client,
        "UID REPLACE 1 Library",
        HEAD,
        f"{old}/;PARTIAL=0.4",
        b"new ",
        f"{old}/;PARTIAL=4",
    )
    assert answer == b"OK replaced"
    library = await station.mailbox("Library")
    told = b"* OK [APPENDUID %d 2] the replacement is there" % library.uid_validity
    assert client.told[:3] == [told, b"* 1 EXPUNGE", b"* 1 EXISTS"]  # type: ignore[attr-defined] # see bring
    assert await content(client, 2) == b"the new content"
    entry = b"/private/vendor/maild/item/item000001"
    told = (await other.ok("NOOP"))[0]
    assert told == b'* METADATA Library "' + entry + b'"'
    (line,) = await station.lines("Library")
    assert (line.uid, line.flags) == (2, ("\\Seen",))
    now = await station.store.index.read(items.get, station.alice, item.id)
    assert (now.version, now.name, now.type) == (2, "film.mov", "video/quicktime")
    assert now.sha256 == hashlib.sha256(b"the new content").hexdigest()
    await client.ok("EXAMINE Versions")
    assert await content(client, 1) == b"the content"
    assert len(await client.ok('LIST "" Versions')) == 2
    assert len(await client.ok('LSUB "" Versions')) == 1
    (stub,) = await station.lines("Items")
    assert stub.uid == 2
    assert not [f async for f in _findings(station)]


async def _findings(station: Live) -> AsyncIterator[object]:
    for finding in await asyncio.to_thread(lambda: list(station.store.blobs.check())):
        yield finding


async def test_plain_mail_replaces_an_item_too(station: Live) -> None:
    """Base64 in one literal, as any mail program would write it."""
    await an_item(station)
    client = await station.alice_in("Library")
    message = HEAD.replace(b"binary", b"base64") + b"aGVsbG8sIHdvcmxk\r\n"
    client.send(b"r REPLACE 1 Library (\\Flagged) {%d}\r\n" % len(message))
    assert (await client.line()).startswith(b"+")
    client.send(message + b"\r\n")
    assert (await client.until(b"r "))[-1] == b"r OK replaced"
    assert await content(client, 2) == b"hello, world"
    assert (await station.lines("Library"))[0].flags == ("\\Flagged", "\\Seen")


async def test_what_a_version_cannot_be(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in("Library")
    old = await url(station, "Library", 1)
    for head, why in (
        (MAIL, b"NO [CANNOT] a version is one part"),
        (HEAD.replace(b'film.mov"', b'film.mov"; size=12'), b"NO the content has"),
        (HEAD[:-2] + b"Share-SHA256: " + b"0" * 64 + b"\r\n\r\n", b"NO the content"),
        (
            HEAD.replace(b"application/octet-stream", b"multipart/mixed; boundary=x"),
            b"NO [CANNOT] a version is one part",
        ),
    ):
        assert (await bring(client, "UID REPLACE 1 Library", head, old)).startswith(why)
    assert (await bring(client, "UID REPLACE 1 Drafts", HEAD, old)).startswith(
        b"NO [CANNOT] an item is replaced where it is"
    )
    assert (await station.lines("Library"))[0].uid == 1
    await client.ok("NOOP")


async def test_what_is_refused_takes_no_room(station: Live) -> None:
    """It counts for no quota, so it must not wait for the next collection."""
    await an_item(station)
    client = await station.alice_in("Library")
    head = HEAD[:-2] + b"Share-SHA256: " + b"0" * 64 + b"\r\n\r\n"
    big = b"large" * 100_000
    assert (await bring(client, "UID REPLACE 1 Library", head, big)).startswith(b"NO")
    assert await bring(client, "UID REPLACE 1 Library", HEAD, big) == b"OK replaced"
    answer = await bring(client, "UID REPLACE 2 Library", head, big)
    assert answer.startswith(b"NO"), "the same octets are an item's by now"
    await client.ok("NOOP")
    await station.store.index.write(lambda tx: tx.value("SELECT 1"))
    files = [p for p in (station.root / "store").rglob("*") if len(p.name) > 30]
    assert len(files) == 1
    assert not [finding async for finding in _findings(station)]


async def test_the_second_one_is_told(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in("Library")
    other = await station.alice_in("Library")
    old = await url(station, "Library", 1)
    other.send(b"r UID REPLACE 1 Library CATENATE (TEXT ~{%d}\r\n" % len(HEAD))
    assert (await other.line()).startswith(b"+")
    assert (await bring(client, "UID REPLACE 1 Library", HEAD, old)) == b"OK replaced"
    other.send(HEAD + b" TEXT ~{5}\r\n")
    assert (await other.line()).startswith(b"+")
    other.send(b"mine!)\r\n")
    answer = (await other.until(b"r "))[-1]
    assert answer == b"r NO [NONEXISTENT] somebody else has replaced or removed it"
    answer = await bring(other, "UID REPLACE 1 Library", HEAD, old)
    assert answer.startswith(b"NO [NONEXISTENT]")
    await client.ok("SELECT Library")
    assert await content(client, 2) == b"the content"


async def test_what_still_arrives_is_not_replaced(station: Live) -> None:
    item = await an_item(station)

    def arrive(tx: Tx) -> None:
        tx.run("UPDATE item SET sha256 = NULL WHERE id = ?1", item.id)
        tx.run("UPDATE content SET complete = 0 WHERE id = ?1", item.content_id)

    await station.store.index.write(arrive)
    client = await station.alice_in("Library")
    old = await url(station, "Library", 1)
    answer = await bring(client, "UID REPLACE 1 Library", HEAD, old)
    assert answer.startswith(b"NO [INUSE]")
    answer = await bring(client, "APPEND Drafts", MAIL, old)
    assert answer.startswith(b"NO [INUSE]")
    await client.ok("NOOP")


async def test_only_so_many_versions(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in("Library")
    for number in range(1, 7):
        answer = await bring(
            client, f"UID REPLACE {number} Library", HEAD, b"%d" % number
        )
        assert answer == b"OK replaced"
    assert [line.uid for line in await station.lines("Versions")] == [4, 5, 6]
    await client.ok("SELECT Versions")
    assert await content(client, 6) == b"5"
    answer = await bring(client, "UID REPLACE 6 Versions", HEAD, b"no")
    assert answer.startswith(b"NO [CANNOT]")
    assert (await client.command("UID MOVE 6 Drafts"))[-1].startswith(b"NO [CANNOT]")
    await client.ok("UID COPY 6 Share/bob@b.example")
    await client.ok("UID STORE 5 +FLAGS (\\Deleted)")
    await client.ok("EXPUNGE")
    assert [line.uid for line in await station.lines("Versions")] == [4, 6]
    assert (await client.command("DELETE Versions"))[-1].startswith(b"NO")


async def test_ordinary_mail(station: Live) -> None:
    """The example of the RFC: parts of a message, and new text around them."""
    client = await station.alice_in()
    assert (await client.append("Drafts", MAIL)).startswith(b"OK")
    await client.ok("SELECT Drafts")
    answer = await bring(
        client,
        "REPLACE 1 Drafts (\\Seen \\Draft)",
        await url(station, "Drafts", 1, "/;SECTION=HEADER"),
        b"Above.\r\n",
        ";UID=1/;SECTION=TEXT",
    )
    assert answer == b"OK replaced"
    lines = await client.ok("UID FETCH 1:* (FLAGS BODY.PEEK[])")
    whole = MAIL.replace(b"The first", b"Above.\r\nThe first")
    assert b"\r\n".join(lines).count(whole) == 1
    assert b"\\Draft" in lines[0]
    assert [line.uid for line in await station.lines("Drafts")] == [2]
    assert (await client.command("REPLACE 7 Drafts {5}"))[-1].startswith(b"BAD")
    assert (await client.command("UID REPLACE 7 Drafts {5}"))[-1].startswith(b"NO")
    assert (await client.command("UID REPLACE 2 Items {5}"))[-1].startswith(b"NO")
    await client.ok("EXAMINE Drafts")
    assert (await client.command("UID REPLACE 2 Drafts {5}"))[-1].startswith(b"NO")
    await client.ok("UNSELECT")
    assert (await client.command("UID REPLACE 2 Drafts {5}"))[-1].startswith(b"BAD")


async def test_an_item_in_ordinary_mail_is_its_base64(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in()
    head = HEAD.replace(b"binary", b"base64")
    only = [await url(station, "Library", 1, f"/;SECTION={s}") for s in ("HEADER", "1")]
    assert (await bring(client, "APPEND Drafts", *only)).startswith(b"OK [APPENDUID")
    assert (await bring(client, "APPEND Drafts", head, only[1])).startswith(b"OK")
    assert (await bring(client, "APPEND Drafts", HEAD, only[1])).startswith(b"OK")
    await client.ok("SELECT Drafts")
    for uid in (1, 2, 3):
        assert await content(client, uid) == b"the content"
