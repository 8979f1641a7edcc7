# SPDX-License-Identifier: Apache-2.0
"""What a client may ask for is bounded, and what it is told is of one moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from maild.imapd import connection
from maild.imapd.flags import MOST_FLAGS
from maild.imapd.listing import MOST_WILDCARDS
from maild.imapd.selected import LARGEST_REV1, Selected
from maild.store.index import Tx
from tests.unit.imapd.live import Live, live

MESSAGE = b"From: a@a.example\r\n\r\nbody\r\n"


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def test_wildcards_of_one_list_are_counted(station: Live) -> None:
    client = await station.alice_in()
    await client.ok('LIST "" "' + "%a" * MOST_WILDCARDS + '"')
    for many in ("%a" * (MOST_WILDCARDS + 1), "*a%b" * MOST_WILDCARDS):
        for verb in ("LIST", "LSUB"):
            lines = await client.command(f'{verb} "" "{many}"')
            assert lines[-1].startswith(b"NO [LIMIT]")
    several = " ".join(['"*a*a*a"'] * 30)
    lines = await client.command(f'LIST "" ({several})')
    assert lines[-1].startswith(b"NO [LIMIT]")
    assert await client.ok('LIST "" "' + "*" * 900 + '"')


async def test_flags_of_one_append_are_counted(station: Live) -> None:
    client = await station.alice_in("INBOX")
    many = " ".join(f"k{n}" for n in range(MOST_FLAGS + 1))
    size = len(MESSAGE)
    client.send(b"x APPEND INBOX (%b) {%d+}\r\n" % (many.encode(), size) + MESSAGE)
    client.send(b"\r\n")
    assert (await client.until(b"x "))[-1].startswith(b"x NO [LIMIT]")
    assert (await client.ok("STATUS INBOX (MESSAGES)"))[0].endswith(b"(MESSAGES 0)")


async def test_counters_are_of_the_moment_of_the_messages(station: Live) -> None:
    client = await station.alice_in("INBOX")
    before = await station.mailbox("INBOX")
    await client.append("INBOX", MESSAGE)
    view = Selected(before, read_only=True, largest=LARGEST_REV1)
    await station.store.index.read(view.load)
    assert view.uids == [1]
    assert view.mailbox.uid_next == 2
    assert view.mailbox == replace(before, uid_next=2, mod_seq=view.mod_seq)


async def test_status_counts_what_select_shows(station: Live) -> None:
    def grow(tx: Tx) -> None:
        tx.run("UPDATE content SET size = ?1", LARGEST_REV1 + 1)

    client = await station.alice_in()
    await client.append("INBOX", MESSAGE)
    await station.store.index.write(grow)
    old = await client.ok("STATUS INBOX (MESSAGES UNSEEN)")
    assert old[0] == b"* STATUS INBOX (MESSAGES 0 UNSEEN 0)"
    await client.ok("ENABLE IMAP4rev2")
    new = await client.ok("STATUS INBOX (MESSAGES UNSEEN)")
    assert new[0] == b"* STATUS INBOX (MESSAGES 1 UNSEEN 1)"


async def test_names_do_not_grow_by_renaming(station: Live) -> None:
    client = await station.alice_in()
    await client.ok("CREATE a/" + "b" * 600)
    lines = await client.command("RENAME a " + "c" * 600)
    assert lines[-1].startswith(b"NO [LIMIT]")
    assert len(await client.ok('LIST "" "a*"')) == 3
    assert len(await client.ok('LIST "" "c*"')) == 1


async def test_mailboxes_are_counted_with_their_parents(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await station.alice_in()
    there = len(await client.ok('LIST "" *')) - 1
    monkeypatch.setattr("maild.imapd.mailboxes.MOST_MAILBOXES", there + 2)
    assert (await client.command("CREATE a/b/c"))[-1].startswith(b"NO [LIMIT]")
    assert len(await client.ok('LIST "" *')) - 1 == there
    await client.ok("CREATE a/b")


@pytest.mark.parametrize("secure", [False, True])
async def test_who_does_not_read_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    """A closed connection with something left to say would stay for ever."""
    monkeypatch.setattr(connection, "PARTING", 0.2)
    gone = asyncio.Event()
    full = asyncio.Event()
    lost = connection.Connection.connection_lost
    pause = connection.Connection.pause_writing

    def tell_lost(self: connection.Connection, error: Exception | None) -> None:
        lost(self, error)
        gone.set()

    def tell_full(self: connection.Connection) -> None:
        pause(self)
        full.set()

    monkeypatch.setattr(connection.Connection, "connection_lost", tell_lost)
    monkeypatch.setattr(connection.Connection, "pause_writing", tell_full)
    async with live(tmp_path) as station:
        client = await (station.client() if secure else station.clear_client())
        station.clients.clear()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            while not full.is_set():
                client.send(b"a CAPABILITY\r\n" * 1000)
                await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await gone.wait()
    client.writer.transport.abort()
    with suppress(OSError):
        await client.writer.wait_closed()
