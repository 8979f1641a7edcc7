# SPDX-License-Identifier: Apache-2.0
"""Items that arrive, as a waiting client is told of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.imapd.annotated import NAMES_A_LINE, NAMES_AT_ONCE, Annotated
from maild.store import blob_records, item_view, metadata
from maild.store.index import Tx
from tests.unit.imapd.belongings import an_item
from tests.unit.imapd.live import NOW, Client, Live, live

ENTRY = item_view.ENTRY + "item000001"
NAMED = f'* METADATA Library "{ENTRY}"'.encode()


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def numbers(client: Client) -> dict[str, object]:
    """Return what the item's annotation says."""
    line = (await client.ok(f"GETMETADATA Library {ENTRY}"))[0]
    quoted = line.partition(b' "')[2].removesuffix(b'")')
    found: dict[str, object] = json.loads(quoted.replace(b"\\", b""))
    return found


def begin(tx: Tx) -> int:
    """Let the item arrive anew: a blob of its own, no octet, no digest."""
    blob = blob_records.register(tx, "growing", 11, NOW)
    tx.run("UPDATE blob SET refs = 1 WHERE id = ?1", blob)
    tx.run("UPDATE item SET blob_id = ?1, sha256 = NULL", blob)
    return blob


def end(tx: Tx, blob: int) -> None:
    """Let the item be whole."""
    tx.run("UPDATE item SET sha256 = ?1", "0" * 64)
    tx.changed(f"blob:{blob}")


async def test_an_item_that_arrives_is_named_until_it_is_whole(station: Live) -> None:
    await an_item(station)
    index = station.store.index
    blob = await index.write(begin)
    client = await station.alice_in()
    await client.ok("ENABLE METADATA")
    assert await numbers(client) == {
        "id": "item000001",
        "state": "arriving",
        "octets": 0,
        "size": 11,
        "sha256": None,
    }
    client.send(b"i IDLE\r\n")
    assert (await client.line()).startswith(b"+")
    await index.write(blob_records.grow, blob, 5, [], NOW)
    assert await client.line() == NAMED
    await index.write(blob_records.grow, blob, 7, [], NOW)
    await index.write(blob_records.grow, blob, 9, [], NOW)
    assert await client.line() == NAMED
    await index.write(end, blob)
    assert await client.line() == NAMED
    client.send(b"DONE\r\n")
    assert (await client.line()).startswith(b"i OK")
    whole = await numbers(client)
    assert (whole["state"], whole["octets"]) == ("whole", 11)
    assert whole["sha256"] == "0" * 64


async def test_an_item_that_begins_to_arrive_while_idle(station: Live) -> None:
    client = await station.alice_in()
    await client.ok("ENABLE METADATA")
    client.send(b"i IDLE\r\n")
    assert (await client.line()).startswith(b"+")
    stubs = await station.mailbox("Items")
    item = await an_item(station)

    def job(tx: Tx) -> int:
        blob = begin(tx)
        tx.changed(f"mailbox:{stubs.id}")
        return blob

    blob = await station.store.index.write(job)
    assert await client.line() == NAMED
    await station.store.index.write(blob_records.grow, blob, item.size, [], NOW)
    assert await client.line() == NAMED


async def test_growth_wakes_more_often_than_the_client_hears(station: Live) -> None:
    await an_item(station)
    index = station.store.index
    blob = await index.write(begin)
    annotated = Annotated(index, station.alice)
    await annotated.begin()
    for octets in range(1, 11):
        await index.write(blob_records.grow, blob, octets, [], NOW)
    assert await annotated.news(utf8=False) == NAMED + b"\r\n"
    assert await annotated.news(utf8=False) == b""


async def test_many_changes_are_told_in_bounded_pieces(station: Live) -> None:
    index = station.store.index
    annotated = Annotated(index, station.alice)
    await annotated.begin()
    count = NAMES_AT_ONCE + 10

    def job(tx: Tx) -> None:
        for number in range(count):
            metadata.put(tx, station.alice, "INBOX", f"/private/{number}", b"x")

    await index.write(job)
    first = (await annotated.news(utf8=False)).splitlines()
    rest = (await annotated.news(utf8=False)).splitlines()
    assert len(first) == NAMES_AT_ONCE / NAMES_A_LINE
    assert len(rest) == 1
    names = [name for line in first + rest for name in line.split()[3:]]
    assert len(set(names)) == len(names) == count
    assert await annotated.news(utf8=False) == b""


async def test_two_sessions_hear_the_same(station: Live) -> None:
    watchers = [await station.alice_in() for _ in range(2)]
    for watcher in watchers:
        await watcher.ok("ENABLE METADATA")
        watcher.send(b"i IDLE\r\n")
        assert (await watcher.line()).startswith(b"+")
    await station.store.index.write(
        metadata.put, station.alice, "Transfers", "/private/x", b"1"
    )
    heard = await asyncio.gather(*(watcher.line() for watcher in watchers))
    assert heard == [b'* METADATA Transfers "/private/x"'] * 2
