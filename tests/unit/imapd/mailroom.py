# SPDX-License-Identifier: Apache-2.0
"""A real store with one mailbox, and messages made by hand; for tests alone."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from maild.imapd.fetch import run_fetch
from maild.imapd.search import run_search
from maild.mail.address import parse_address
from maild.mail.structure import Part, Structure
from maild.store import accounts, mailboxes, messages
from maild.store.accounts import ScramKeys
from maild.store.blobs import BlobWriter
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.messages import Line
from maild.store.rope import Constant, Piece, Raw, Rope
from maild.wire.imap_cursor import Cursor
from maild.wire.imap_fetch import parse_fetch
from maild.wire.imap_search import parse_search
from tests.unit.imapd.strict import Value, read_fetches

NOW = 1_700_000_000.0
ENVELOPE = ("date", "subject", (), (), (), (), (), (), None, "<m@a.example>")


class Sent:
    """A writer that remembers what was sent."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._more = asyncio.Event()

    async def send(self, octets: bytes | bytearray) -> None:
        assert len(octets) <= 256 * 1024
        self.pieces.append(bytes(octets))
        self._more.set()

    async def until(self, octets: bytes) -> None:
        """Wait until ``octets`` have been sent."""
        while octets not in self.octets:
            self._more.clear()
            await self._more.wait()

    @property
    def octets(self) -> bytes:
        return b"".join(self.pieces)


HEAD = (
    b"From: Alice <alice@a.example>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= to Bob\r\n"
    b"Date: Tue, 14 Nov 2023 23:30:00 -0500\r\n"
    b"Share-Number: 001\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
)
FILE_HEAD = b"Content-Type: application/octet-stream\r\n\r\n"
NOTE_HEAD = b"Content-Type: text/plain\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Rendering:
    """A message made by hand."""

    rope: Rope
    structure: Structure

    async def octets(self, store: Store) -> bytes:
        """Return all of it, by the plainest means there are."""
        found = b""
        for piece in self.rope.pieces:
            if isinstance(piece, Constant):
                found += piece.octets
                continue
            with store.blobs.open(piece.blob) as reader:
                if isinstance(piece, Raw):
                    found += reader.pread(piece.start, piece.length)
                    continue
                raw = reader.pread(0, piece.length)
            lines = base64.encodebytes(raw).replace(b"\n", b"\r\n")
            found += lines.removesuffix(b"\r\n") if piece.open_end else lines
        return found


def mixed(
    note: bytes,
    file: Piece,
    *,
    encoding: str = "base64",
    note_encoding: str = "8bit",
    kind: str = "application/octet-stream",
) -> Rendering:
    """Return a multipart of a note and a file, which is ``file`` as rendered."""
    pieces: list[Piece] = [Constant(HEAD + b"--b\r\n" + NOTE_HEAD + note)]
    note_start = len(HEAD) + 5
    note_body = note_start + len(NOTE_HEAD)
    pieces.append(Constant(b"\r\n--b\r\n" + FILE_HEAD))
    file_start = note_body + len(note) + 7
    file_body = file_start + len(FILE_HEAD)
    file_end = file_body + file.size
    pieces += [file, Constant(b"\r\n--b--\r\n")]
    rope = Rope(pieces)
    parts = (
        Part(
            "text",
            "plain",
            (("charset", "utf-8"),),
            note_encoding,
            note_start,
            note_body,
            note_body + len(note),
            lines=note.count(b"\n"),
        ),
        Part(
            kind.partition("/")[0],
            kind.partition("/")[2],
            (),
            encoding,
            file_start,
            file_body,
            file_end,
            blob=None if isinstance(file, Constant) else 2,
        ),
    )
    root = Part(
        "multipart",
        "mixed",
        (("boundary", "b"),),
        "7bit",
        0,
        len(HEAD),
        rope.size,
        children=parts,
    )
    return Rendering(rope, Structure(root, rope.size, ENVELOPE))


class Mailroom:
    """One mailbox in a store, and its commands."""

    def __init__(self, store: Store, mailbox_id: int) -> None:
        self.store = store
        self.mailbox_id = mailbox_id

    async def blob(self, octets: bytes) -> int:
        """Keep a blob."""

        def fill() -> int:
            writer = self.store.blobs.create(len(octets))
            writer.append(octets)
            return writer.seal().id

        return await asyncio.to_thread(fill)

    async def growing(self, expected: int) -> BlobWriter:
        """Begin a blob."""
        return await asyncio.to_thread(self.store.blobs.create, expected)

    async def add(
        self,
        rendering: Rendering,
        *flags: str,
        complete: bool = True,
        at: float = NOW,
    ) -> int:
        """Put a message into the mailbox and return its UID."""
        return (await self.add_many([rendering], flags, complete=complete, at=at))[0]

    async def add_many(
        self,
        renderings: Sequence[Rendering],
        flags: Sequence[str] = (),
        *,
        complete: bool = True,
        at: float = NOW,
    ) -> list[int]:
        """Put messages into the mailbox and return their UIDs."""

        def job(tx: Tx) -> list[int]:
            found: list[int] = []
            for made in renderings:
                content = messages.add_content(
                    tx, made.rope, made.structure, "trace", complete=complete
                )
                found.append(messages.append(tx, self.mailbox_id, content, flags, at))
            return found

        return await self.store.index.write(job)

    async def lines(self) -> list[tuple[int, Line]]:
        """Return the mailbox as a session sees it."""
        found, _, _ = await self.store.index.read(messages.lines, self.mailbox_id)
        return list(enumerate(found, 1))

    async def fetch_raw(
        self,
        text: str,
        *,
        uid: bool = False,
        rev2: bool = False,
        read_only: bool = False,
        sent: Sent | None = None,
    ) -> bytes:
        """Run FETCH for the whole mailbox and return what was sent."""
        sent = sent or Sent()
        await run_fetch(
            sent,
            self.store,
            await self.lines(),
            parse_fetch(Cursor(text.encode())),
            uid=uid,
            rev2=rev2,
            read_only=read_only,
            mailbox_id=self.mailbox_id,
            tag="a1",
        )
        return sent.octets

    async def fetch(
        self, text: str, *, uid: bool = False, rev2: bool = False
    ) -> dict[str, Value]:
        """Run FETCH and return the items of the last message."""
        return read_fetches(await self.fetch_raw(text, uid=uid, rev2=rev2))[-1][1]

    async def search(self, text: str, *saved: int) -> list[int]:
        """Run SEARCH and return the UIDs."""
        query = parse_search(Cursor(text.encode()))
        found = await run_search(self.store, await self.lines(), query, saved=saved)
        return [line.uid for _, line in found]


@asynccontextmanager
async def mailroom(root: Path) -> AsyncIterator[Mailroom]:
    """Open a store in ``root`` with one account and its mailbox Test."""
    store = Store(root, clock=lambda: NOW)
    await asyncio.to_thread(store.open)

    def job(tx: Tx) -> int:
        keys = ScramKeys(b"salt", 4096, b"stored", b"server")
        account = accounts.create(tx, parse_address("alice@a.example"), keys, NOW)
        return mailboxes.create(tx, account, "Test", NOW).id

    try:
        yield Mailroom(store, await store.index.write(job))
    finally:
        await asyncio.to_thread(store.close)
