# SPDX-License-Identifier: Apache-2.0
"""REPLACE and CATENATE at a live station: versions, ordinary mail, hostile clients."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.imapd import incoming
from maild.store import items, quota
from maild.store.index import Tx
from tests.unit.imapd.belongings import an_item
from tests.unit.imapd.live import PASSWORD, Client, Live, live

HEAD = (
    b"Subject: film.mov\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Transfer-Encoding: binary\r\n"
    b'Content-Disposition: attachment; filename="film.mov"\r\n\r\n'
)
MAIL = b"Subject: one\r\nContent-Type: text/plain\r\n\r\nThe first line.\r\n"


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, versions=3) as station:
        yield station


async def bring(client: Client, command: str, *parts: bytes | str) -> bytes:
    """Send a message in parts, octets or URLs; return the tagged answer."""
    client._count += 1
    tag = b"t%d " % client._count
    client.send(tag + command.encode() + b" CATENATE (")
    for number, part in enumerate(parts):
        space = b" " if number else b""
        if isinstance(part, str):
            client.send(space + b'URL "' + part.encode() + b'"')
            continue
        client.send(space + b"TEXT ~{%d}\r\n" % len(part))
        lines = [await client.line()]
        while lines[-1].startswith(b"* "):
            lines.append(await client.line())
        if not lines[-1].startswith(b"+"):
            return lines[-1].removeprefix(tag)
        client.send(part)
    client.send(b")\r\n")
    client.told = await client.until(tag)  # type: ignore[attr-defined] # for one test
    return client.told[-1].removeprefix(tag)  # type: ignore[attr-defined,no-any-return] # as above


async def content(client: Client, uid: int, section: str = "1") -> bytes:
    """Return a part of a message in the selected mailbox, as it is decoded."""
    client.send(b"f UID FETCH %d BINARY.PEEK[%b]\r\n" % (uid, section.encode()))
    head = await client.line()
    size = int(head.rpartition(b"{")[2].rstrip(b"}"))
    octets = await client.reader.readexactly(size)
    await client.until(b"f ")
    return octets


async def url(station: Live, mailbox: str, uid: int, rest: str = "/;SECTION=1") -> str:
    validity = (await station.mailbox(mailbox)).uid_validity
    return f"/{mailbox};UIDVALIDITY={validity}/;UID={uid}{rest}"


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


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ("http://a.example/", b"NO [BADURL"),
        ("/Library/;UID=2/;SECTION=1", b"NO [BADURL"),
        ("/Library/;UID=1/;SECTION=2", b"NO [BADURL"),
        ("/Library/;UID=1/;SECTION=1/;PARTIAL=0.12", b"NO [BADURL"),
        ("/Library/;UID=1/;SECTION=1/;PARTIAL=12", b"NO [BADURL"),
        ("/Library/;UID=1/;SECTION=1/;PARTIAL=9223372036854775807.1", b"NO [BADURL"),
        ("/Library/;UID=1/;SECTION=HEADER.FIELDS%20(TO)", b"NO [BADURL"),
        ("/Library;UIDVALIDITY=1/;UID=1", b"NO [BADURL"),
        ("/Nowhere/;UID=1", b"NO [BADURL"),
        (";UID=1", b"NO [BADURL"),
        ("imap://bob%40a.example@a.example/INBOX/;UID=1", b"NO [BADURL"),
        ("imap://alice%40a.example@b.example/Library/;UID=1", b"NO [BADURL"),
        ("/Library/;UID=1/;SECTION=" + "1." * 1500 + "1", b"NO [BADURL"),
        ("/" + "x" * 5000, b"BAD"),
        ("\\", b"BAD"),
        ("", b"NO [BADURL"),
    ],
)
async def test_a_url_that_gives_nothing(
    station: Live, wrong: str, answer: bytes
) -> None:
    await an_item(station)
    bob = await station.client()
    await bob.ok(f'LOGIN bob@a.example "{PASSWORD}"')
    await bob.append("INBOX", MAIL)
    client = await station.alice_in()
    assert (await bring(client, "APPEND Drafts", HEAD, wrong)).startswith(answer)
    assert await station.lines("Drafts") == []
    await client.ok("NOOP")


async def test_the_own_absolute_url(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in()
    own = "imap://alice%40a.example@a.example/Library/;UID=1/;SECTION=1/;PARTIAL=4.3"
    assert (await bring(client, "APPEND Drafts", HEAD, own)).startswith(b"OK")
    await client.ok("SELECT Drafts")
    assert await content(client, 1) == b"con"


@pytest.mark.parametrize(
    "rest",
    [
        b"CATENATE (((((((((URL a)",
        b"CATENATE ()",
        b"CATENATE (TEXT)",
        b"CATENATE (URL a",
        b"CATENATE (TEXT {1+}\r\nx",
        b"CATENATE (TEXT {1+}\r\nx(",
        b"CATENATE (TEXT {1+}\r\nx) {1+}\r\nx",
        b"CATENATE (TEXT {1+}\r\nxURL a)",
        b"CATENATE (TEXT {1+}\r\nx TEXT URL {1+}\r\nx)",
        b"CATENATE (URL (a))",
        b"CATENATE (PIPE {1+}\r\nx)",
        b"CATENATE TEXT {1+}\r\nx",
        b"{1+}\r\nx {1+}\r\ny",
        b"{1+}\r\nx more",
    ],
)
async def test_broken_grammar_stays_in_step(station: Live, rest: bytes) -> None:
    client = await station.alice_in()
    for _ in range(3):
        answer = (await client.command(b"APPEND Drafts " + rest))[-1]
        assert answer.startswith((b"BAD", b"NO [BADURL"))
    await client.ok("NOOP")
    assert await station.lines("Drafts") == []


async def test_ten_thousand_parts(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in()
    parts = b"".join(b" URL ;UID=1 TEXT {1+}\r\nx" for _ in range(10_000))
    assert incoming.MOST_PARTS < 10_000
    client.send(b"a APPEND Drafts CATENATE (TEXT ~{%d+}\r\n" % len(HEAD) + HEAD)
    client.send(parts.replace(b" URL ;UID=1", b"") + b")\r\n")
    assert (await client.until(b"a "))[-1].startswith(b"a NO [LIMIT]")
    client.send(b"b APPEND Drafts CATENATE (URL ;UID=1" + parts + b")\r\n")
    assert (await client.until(b"b "))[-1].startswith(b"b NO [BADURL")
    await client.ok("NOOP")


async def test_no_bomb(tmp_path: Path) -> None:
    """What is asked for is bounded, and refused before its octets come."""
    async with live(tmp_path, append_limit=1_000_000, item_limit=3_000_000) as station:
        await an_item(station)
        client = await station.alice_in("Library")
        old = await url(station, "Library", 1)
        big = b"\0" * 1_000_000
        for command, parts, answer in (
            ("APPEND Drafts", (HEAD, big), b"NO [TOOBIG]"),
            ("UID REPLACE 1 Library", (HEAD, big, big, big), b"NO [TOOBIG]"),
            ("UID REPLACE 1 Library", (HEAD, big, old, old), b"OK"),
        ):
            assert (await bring(client, command, *parts)).startswith(answer)
        # 2 GB out of a small message: doubled, and doubled again
        answer = await bring(
            client, "UID REPLACE 2 Library", HEAD, *["/Library/;UID=2/;SECTION=1"] * 4
        )
        assert answer.startswith(b"NO [TOOBIG]")
        await station.store.index.write(quota.set_quota, station.alice, 1_500_000)
        answer = await bring(client, "UID REPLACE 2 Library", HEAD, big[:600_000])
        assert answer.startswith(b"NO [OVERQUOTA]")
        client.send(b"x UID REPLACE 2 Library {99999999999999999999}\r\n")
        assert (await client.line()).startswith(b"x BAD")


async def test_a_large_one_is_streamed(station: Live) -> None:
    """Three MiB of which two are here: content, digest, and a range over their seam."""
    await an_item(station)
    client = await station.alice_in("Library")
    octets = os.urandom(2 << 20)
    assert (
        await bring(client, "UID REPLACE 1 Library", HEAD, octets)
    ) == b"OK replaced"
    old = await url(station, "Library", 2)
    answer = await bring(
        client,
        "UID REPLACE 2 Library",
        HEAD,
        f"{old}/;PARTIAL=1.{(1 << 20) - 1}",
        octets[: 1 << 20],
        f"{old}/;PARTIAL={1 << 20}",
    )
    assert answer == b"OK replaced"
    found = await content(client, 3)
    assert found == octets[1 : 1 << 20] + octets[: 1 << 20] + octets[1 << 20 :]
    now = await station.store.index.read(items.get, station.alice, "item000001")
    assert now.sha256 == hashlib.sha256(found).hexdigest()


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param(b" TEXT {5000+}\r\n", id="not asked for, and too large"),
        pytest.param(b" TEXT {99999999999999999999}\r\n", id="too large a number"),
        pytest.param(b" " * 70_000 + b"\r\n", id="too long a line"),
    ],
)
async def test_whoever_cannot_be_followed_is_not_listened_to(
    station: Live, announced: bytes
) -> None:
    """No octet of a part is ever taken for a command (RFC 7888 §4)."""
    client = await station.alice_in()
    client.send(b"a APPEND Drafts CATENATE (TEXT {2+}\r\nhi" + announced)
    client.send(b"rest\r\nb CREATE Injected\r\nc NOOP\r\n")
    told = []
    while line := await client.line():
        told.append(line)
    assert any(line.startswith(b"a BAD") for line in told)
    assert told[-1].startswith(b"* BYE")
    assert not any(line.startswith((b"b ", b"c ")) for line in told)
    with pytest.raises(AssertionError):
        await station.mailbox("Injected")
