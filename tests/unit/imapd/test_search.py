# SPDX-License-Identifier: Apache-2.0
"""SEARCH against a real store."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from maild.store import messages
from maild.store.index import Tx
from maild.store.rope import Base64, Constant, Raw
from tests.unit.imapd.mailroom import NOW, Mailroom, Rendering, mailroom, mixed

DAY = 86_400


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[Mailroom]:
    async with mailroom(tmp_path / "store") as opened:
        yield opened


def note(text: str, size: int = 10) -> Rendering:
    return mixed(text.encode(), Constant(b"A" * size))


@pytest.mark.parametrize(
    ("text", "uids"),
    [
        ("ALL", [1, 2, 3]),
        ("1", [1]),
        ("2:*", [2, 3]),
        ("*", [3]),
        ("UID 3,1", [1, 3]),
        ("UID 4:*", [3]),
        ("7", []),
        ("NOT 7", [1, 2, 3]),
        ("SEEN", [2]),
        ("UNSEEN", [1, 3]),
        ("KEYWORD $OFFER", [3]),
        ("UNKEYWORD $Offer SEEN", [2]),
        ("OR SEEN KEYWORD $offer", [2, 3]),
        ("NOT (SEEN UNSEEN)", [1, 2, 3]),
        ("NEW", []),
        ("OLD", [1, 2, 3]),
        ("LARGER 1000", [3]),
        ("SMALLER 1000", [1, 2]),
        ("SINCE 15-Nov-2023", [2, 3]),
        ("ON 15-Nov-2023", [2]),
        ("BEFORE 15-Nov-2023", [1]),
        ("SENTON 14-Nov-2023", [1, 2, 3]),
        ("SENTBEFORE 14-Nov-2023", []),
        ("SENTSINCE 15-Nov-2023", []),
        ("EMAILID M1", [1]),
        ("MODSEQ 1", [1, 2, 3]),
        ("HEADER Share-Number 001", [1, 2, 3]),
        ("HEADER Share-Number 002", []),
        ('HEADER Share-Number ""', [1, 2, 3]),
        ('HEADER X-Missing ""', []),
        ("FROM ALICE@", [1, 2, 3]),
        ("TO alice", []),
        ("SUBJECT {7}\r\nGRÜSSE", [1, 2, 3]),
        ('SUBJECT "grüße to bob"', [1, 2, 3]),
        ("BODY second", [2]),
        ("TEXT second", [2]),
        ("TEXT share-number", [1, 2, 3]),
        ("BODY share-number", []),
        ("SEEN BODY second", [2]),
        ("OR SEEN BODY third", [2, 3]),
        ("NOT BODY second", [1, 3]),
    ],
)
async def test_keys(room: Mailroom, text: str, uids: list[int]) -> None:
    await room.add(note("the first"))
    await room.add(note("the Second"), "\\Seen", at=NOW + DAY)
    await room.add(note("the third", 5000), "$Offer", at=NOW + 2 * DAY)
    assert await room.search(text) == uids


async def test_what_was_saved(room: Mailroom) -> None:
    await room.add_many([note("x"), note("x"), note("x")])
    assert await room.search("$ BODY x", 1, 3, 9) == [1, 3]


async def test_large_texts_are_found_however_they_are_kept(room: Mailroom) -> None:
    text = ("Zeile für Zeile\r\n" * 20_000 + "Nadel im Heuhaufen").encode()
    coded = base64.encodebytes(text).replace(b"\n", b"\r\n")
    blob, coded_blob = await room.blob(text), await room.blob(coded)
    for encoding, piece in (
        ("8bit", Raw(blob, 0, len(text))),
        ("base64", Raw(coded_blob, 0, len(coded))),
        ("base64", Base64(blob, len(text))),
    ):
        made = mixed(b"a note", piece, encoding=encoding, kind="text/plain")
        await room.add(made)
    await room.add(mixed(b"a note", Raw(blob, 0, len(text)), encoding="8bit"))
    assert await room.search("BODY nadel") == [1, 2, 3]
    assert await room.search("BODY zeile FROM alice") == [1, 2, 3]
    assert await room.search("BODY nadeln") == []


async def test_cheap_facts_spare_the_contents(
    room: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.add_many([note("x") for _ in range(5)])
    monkeypatch.delattr(messages, "content")
    assert await room.search("SEEN TEXT x") == []
    assert await room.search("OR UNSEEN TEXT x") == [1, 2, 3, 4, 5]


def own_upload(tx: Tx, content_id: int, number: str, code: str, own: int) -> None:
    tx.run(
        """INSERT INTO item (id, account_id, own, content_id, name, type, size, number,
            code, trace, created)
        SELECT 'item' || ?1, mailbox.account_id, ?4, ?1, 'a', 'b', 1, ?2, ?3, 't', 0
        FROM message JOIN mailbox ON mailbox.id = mailbox_id WHERE content_id = ?1""",
        content_id,
        number,
        code,
        own,
    )


@pytest.mark.parametrize(
    ("text", "uids"),
    [
        ("HEADER Share-Number 001", [1, 4]),
        ("HEADER Share-Number 01", [1, 4]),
        ("HEADER Share-Number 002", [2]),
        ('HEADER Share-Number ""', [1, 2, 3, 4]),
        ("HEADER Share-Code ABC", [1]),
        ("HEADER share-code aBc NOT HEADER Share-Number 002", [1]),
        ("OR HEADER Share-Code xyz HEADER Share-Code abc", [1, 2]),
        ("NOT HEADER Share-Number 002", [1, 3, 4]),
        ("HEADER Share-Number 00 FROM alice", [1, 2, 4]),
    ],
)
async def test_numbers_and_codes_are_known_to_the_index(
    room: Mailroom, text: str, uids: list[int]
) -> None:
    """Own uploads are not read for them; what only says so in its header is."""
    await room.add_many([note("x") for _ in range(4)])
    for content_id, (number, code, own) in enumerate(
        [("001", "aBc", 1), ("002", "xyz", 1), ("3", "q", 1), ("002", "abc", 0)], 1
    ):
        await room.store.index.write(own_upload, content_id, number, code, own)
    assert await room.search(text) == uids


async def test_a_terminal_that_asks_reads_no_contents(
    room: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.add_many([note("x") for _ in range(300)])
    for content_id in range(1, 301):
        number = f"{content_id:03d}"
        await room.store.index.write(own_upload, content_id, number, f"c{number}", 1)
    monkeypatch.delattr(messages, "content")
    assert await room.search("HEADER Share-Number 251") == [251]
    assert await room.search("HEADER Share-Code C007") == [7]


async def test_what_still_arrives_is_found_by_its_header(room: Mailroom) -> None:
    writer = await room.growing(100_000)
    blob = await asyncio.to_thread(lambda: writer.id)
    await room.add(mixed(b"a note", Base64(blob, 100_000)), complete=False)
    assert await room.search("HEADER Share-Number 001 BODY note") == [1]
    await asyncio.to_thread(writer.abandon)
