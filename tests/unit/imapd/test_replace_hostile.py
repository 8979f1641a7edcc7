# SPDX-License-Identifier: Apache-2.0
"""REPLACE and CATENATE by clients that mean harm, or want what they may not have."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from maild.imapd import incoming
from maild.imapd.filing import Filing
from maild.store import items, quota
from maild.store.reading import RopeReader
from tests.unit.imapd.belongings import an_item
from tests.unit.imapd.live import PASSWORD, Live, live
from tests.unit.imapd.put_together import HEAD, MAIL, bring, content, url


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, versions=3) as station:
        yield station


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


async def a_large_item(station: Live, room: int) -> str:
    """Make an item of 1 MB, in an account with so much more room; return its URL."""
    await an_item(station)
    client = await station.alice_in("Library")
    version = bytes(1_000_000)
    assert await bring(client, "UID REPLACE 1 Library", HEAD, version) == b"OK replaced"
    used = (await station.store.index.read(quota.use, station.alice)).octets
    await station.store.index.write(quota.set_quota, station.alice, used + room)
    return await url(station, "Library", 2)


async def test_many_at_once_copy_no_more_than_there_is(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is promised before an octet is copied: the others are refused meanwhile."""
    old = await a_large_item(station, 1_500_000)
    begun, ending, copy = threading.Event(), threading.Event(), Filing.copy

    def held(self: Filing, source: RopeReader, start: int, count: int) -> None:
        begun.set()
        assert ending.wait(60)
        copy(self, source, start, count)

    monkeypatch.setattr(Filing, "copy", held)
    clients = [await station.alice_in("Library") for _ in range(5)]
    replacing = [bring(each, "UID REPLACE 2 Library", HEAD, old) for each in clients]
    first = asyncio.create_task(replacing.pop())
    try:
        assert await asyncio.to_thread(begun.wait, 20)
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*replacing)
    finally:
        ending.set()
    assert {answer.split(b"]")[0] for answer in answers} == {b"NO [OVERQUOTA"}
    assert await first == b"OK replaced"
    assert not station.promises


async def test_what_is_promised_is_given_back(station: Live) -> None:
    """Whatever becomes of the message."""
    old = await a_large_item(station, 1_500_000)
    client = await station.alice_in("Library")
    for parts in (
        (HEAD, old, "/Nowhere/;UID=1"),
        (HEAD, old, old),
        (b"a: b\r\n\r\n", old),
    ):
        answer = await bring(client, "UID REPLACE 2 Library", *parts)
        assert answer.startswith(b"NO [")
        assert not station.promises
    client.send(b"a APPEND Drafts CATENATE (TEXT ~{%d+}\r\n" % len(HEAD) + HEAD)
    client.send(b' URL "%b" TEXT {9}\r\n' % old.encode())
    await client.until(b"+")
    assert len(station.promises) == 1
    await client.close()
    async with asyncio.timeout(20):
        while station.promises:  # noqa: ASYNC110 - nobody tells that it has seen that
            await asyncio.sleep(0)
    client = await station.alice_in("Library")
    assert await bring(client, "UID REPLACE 2 Library", HEAD, old) == b"OK replaced"


@dataclass
class Upload:
    """What another station is taking in."""

    id: str = "upload"
    taken: int = 0


@pytest.mark.parametrize("code", [b"OVERQUOTA", b"UNAVAILABLE"])
async def test_what_others_were_promised_is_not_there(
    station: Live, monkeypatch: pytest.MonkeyPatch, code: bytes
) -> None:
    """In the account, and on the device."""
    is_device = code == b"UNAVAILABLE"
    old = await a_large_item(station, 10**9 if is_device else 1_500_000)
    if is_device:
        blobs = station.store.blobs
        monkeypatch.setattr(blobs, "room", lambda made: 1_500_000 - made)
        monkeypatch.setattr(blobs, "free_space", lambda made, _: 1_500_000 - made)
    client = await station.alice_in("Library")
    upload = Upload()
    await station.promises.make(upload, station.alice, 600_000)
    answer = await bring(client, "UID REPLACE 2 Library", HEAD, old)
    assert answer.startswith(b"NO [%b]" % code)
    station.promises.give_back(upload)
    assert await bring(client, "UID REPLACE 2 Library", HEAD, old) == b"OK replaced"


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
