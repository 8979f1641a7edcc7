# SPDX-License-Identifier: GPL-3.0-only
"""Downloads: in slices over one connection, in flat memory."""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from terminal_client import download, errors
from terminal_client.library import Item
from terminal_client.session_imap import MailboxConnection
from terminal_client.tls import client_context
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_RANGE = re.compile(r"UID FETCH 7 \(BINARY\.PEEK\[2\]<(\d+)\.(\d+)>\)")


def item(size: int) -> Item:
    return Item("item1", 7, "2", "film.mov", "x/y", size, None, False, None, None)


async def serve_ranges(talk: Talk, content: bytes) -> None:
    """Answer slices of section 2 of message 7, as many as are asked for."""
    await talk.imap_login()
    while True:
        tag, _, command = (await talk.hear()).partition(" ")
        found = _RANGE.fullmatch(command)
        assert found, command
        start, count = int(found[1]), int(found[2])
        octets = content[start : start + count]
        talk.writer.write(
            b"* 1 FETCH (UID 7 BINARY[2]<%d> ~{%d}\r\n" % (start, len(octets)) + octets
        )
        await talk.say(")", f"{tag} OK")


async def fetch(
    folder: Path, content: bytes, size: int, seen: list[int]
) -> tuple[bytes, str]:
    sink = io.BytesIO()
    async with servers(folder, imap=lambda talk: serve_ranges(talk, content)) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        try:
            digest = await download.content(
                connection,
                item(size),
                download.Arrival(sink),
                lambda done, total: seen.append(done),
            )
        finally:
            connection.abort()
    return sink.getvalue(), digest


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 10_001])
async def test_slices_make_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(download, "SLICE", 1000)
    content = os.urandom(size)
    seen: list[int] = []
    assert await fetch(tmp_path, content, size, seen) == (
        content,
        hashlib.sha256(content).hexdigest(),
    )
    assert seen == sorted(seen)
    assert seen[-1] == size


async def test_large_slices_go_around_the_reader(tmp_path: Path) -> None:
    content = os.urandom(2 * download.SLICE + 12_345)
    octets, digest = await fetch(tmp_path, content, len(content), [])
    assert octets == content
    assert digest == hashlib.sha256(content).hexdigest()


async def test_a_sink_that_takes_a_little_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Narrow(io.BytesIO):
        def write(self, octets: Buffer, /) -> int:
            return super().write(memoryview(octets)[:7])

    sink = Narrow()
    monkeypatch.setattr(io, "BytesIO", lambda: sink)
    content = os.urandom(1000)
    octets, _ = await fetch(tmp_path, content, len(content), [])
    assert octets == content


async def test_a_cut_within_a_large_slice(tmp_path: Path) -> None:
    async def cut(talk: Talk) -> None:
        await talk.imap_login()
        await talk.hear()
        talk.writer.write(b"* 1 FETCH (UID 7 BINARY[2]<0> ~{%d}\r\n" % download.SLICE)
        talk.writer.write(bytes(300_000))
        await talk.writer.drain()
        talk.writer.close()

    async with servers(tmp_path, imap=cut) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        with pytest.raises(errors.TryLaterError, match="was lost"):
            await download.content(
                connection,
                item(download.SLICE),
                download.Arrival(io.BytesIO()),
                lambda done, total: None,
            )


async def test_content_that_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SLICE", 1000)
    with pytest.raises(errors.ProtocolError, match="ends at octet 1500 of 5000"):
        await fetch(tmp_path, bytes(1500), 5000, [])
