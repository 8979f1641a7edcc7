# SPDX-License-Identifier: GPL-3.0-only
"""Items that still arrive: followed to their end, awaited, given up."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import pytest

from terminal_client import attempts, download, errors
from terminal_client.awaiting import Awaiting
from terminal_client.connections import Connections
from terminal_client.library import Item
from terminal_client.memory import Memory
from terminal_client.outlet import read_by_somebody
from terminal_client.receiving import Receiving
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers

CONTENT = random.Random(7).randbytes(9000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ITEM = Item(
    "item1", 7, "1", "f.bin", "x/y", 9000, None, True, None, None, arriving=True
)
_RANGE = re.compile(r"UID FETCH 7 \(BINARY\.PEEK\[1\]<(\d+)\.(\d+)>\)")


@dataclass
class Server:
    """Has one item, that becomes whole at the second IDLE or when it has been read."""

    stalls: list[int] = field(default_factory=list)
    """Offsets at which the source pauses once."""
    gone_at: int = 2**40
    """Offset from which nothing is there any more."""
    whole: bool = False
    shown: bool = True
    idles: int = 0
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def serve(self, talk: Talk) -> None:
        await talk.imap_login()
        while True:
            tag, _, command = (await talk.hear()).partition(" ")
            if command == "LOGOUT":
                return
            end = await self._answer(talk, tag, command)
            await talk.say(f"{tag} {end}")

    async def _answer(self, talk: Talk, tag: str, command: str) -> str:
        found = _RANGE.fullmatch(command)
        if found:
            return await self._slice(talk, tag, int(found[1]), int(found[2]))
        if command.startswith("UID SEARCH"):
            await talk.say("* SEARCH 7" if self.shown else "* SEARCH")
        elif command.startswith("UID FETCH") and "BODYSTRUCTURE" in command:
            await self._describe(talk)
        elif command == "IDLE":
            self.idles += 1
            await talk.say("+ idling")
            self.shown, self.whole = True, self.whole or self.idles > 1
            await talk.say("* 1 EXISTS")
            await talk.hear("DONE")
        return "OK"

    async def _slice(self, talk: Talk, tag: str, start: int, count: int) -> str:
        self.asked.append((start, count))
        if start >= self.gone_at:
            self.shown = False
            return "NO [EXPUNGEISSUED] the message is gone"
        if start in self.stalls:
            self.stalls.remove(start)
            await talk.say(f'* OK [INPROGRESS ("{tag}" 1 2)] waiting for content')
            return "NO [INUSE] the content does not arrive now"
        octets = CONTENT[start : start + count]
        talk.writer.write(
            b"* 1 FETCH (UID 7 BINARY[1]<%d> ~{%d}\r\n" % (start, len(octets)) + octets
        )
        await talk.say(")")
        return "OK"

    async def _describe(self, talk: Talk) -> None:
        if not self.shown:
            return
        fields = "Share-Item: item1\r\n"
        fields += f"Share-SHA256: {DIGEST}\r\n\r\n" if self.whole else "\r\n"
        flags = "" if self.whole else "$Arriving"
        part = '("APPLICATION" "OCTET-STREAM" NIL NIL NIL "BINARY" 9000 NIL '
        part += '("ATTACHMENT" ("FILENAME" "f.bin" "SIZE" "9000")) NIL NIL)'
        await talk.say(
            f"* 1 FETCH (UID 7 FLAGS ({flags}) BODYSTRUCTURE {part}"
            f" BODY[HEADER.FIELDS (X)] {{{len(fields)}}}",
            f"{fields})",
        )


class Told(list[str]):
    def __call__(self, done: int, total: int) -> None:
        """Take progress."""

    def tell(self, what: str) -> None:
        self.append(what)


async def get(folder: Path, server: Server, told: Told) -> tuple[bytes, Item]:
    sink = io.BytesIO()
    async with servers(folder, imap=server.serve) as made:
        connections = Connections(made.profile, PASSWORD)
        memory = Memory(made.profile.memory_file)
        with (
            mock.patch.multiple(download, SLICE=4000, SLICE_LEAST=1000),
            mock.patch.object(attempts, "LONGEST", 0.0),
            mock.patch.object(attempts, "WAITS", (0.0,) * 8),
        ):
            try:
                item = await Receiving(connections, memory, ITEM, told).into(sink)
            finally:
                await connections.close()
    return sink.getvalue(), item


async def test_it_is_followed_to_its_end(tmp_path: Path) -> None:
    """Small slices first; the digest is asked for when the keyword is gone."""
    server = Server()
    octets, item = await get(tmp_path, server, Told())
    assert octets == CONTENT
    assert (item.sha256, item.arriving) == (DIGEST, False)
    assert server.asked[0] == (0, 1000)
    assert max(count for _, count in server.asked) > 1000
    assert server.idles == 2


async def test_a_sender_that_pauses_is_waited_for(tmp_path: Path) -> None:
    server, told = Server(stalls=[0] * 20), Told()
    octets, _ = await get(tmp_path, server, told)
    assert octets == CONTENT
    assert told == ["waiting for the sender"]  # said once


async def test_what_was_given_up_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.UnavailableError, match="gave it up") as caught:
        await get(tmp_path, Server(gone_at=3000), Told())
    assert caught.value.status == os.EX_UNAVAILABLE


async def test_a_wrong_digest_is_told(tmp_path: Path) -> None:
    wrong = CONTENT[:-1] + b"x"
    with (
        mock.patch(f"{__name__}.CONTENT", wrong),
        pytest.raises(errors.ContentError, match="not what was sent"),
    ):
        await get(tmp_path, Server(), Told())


async def test_an_item_is_awaited_by_name(tmp_path: Path) -> None:
    server, told = Server(shown=False), list[str]()
    async with servers(tmp_path, imap=server.serve) as made:
        connections = Connections(made.profile, PASSWORD)
        with (
            mock.patch("terminal_client.offers.waiting", return_value=[]),
            mock.patch("terminal_client.offers.accepted", return_value=[]),
        ):
            item = await Awaiting(
                connections, "f.bin", lambda: told.append("waits")
            ).item()
        await connections.close()
    assert (item.id, item.arriving) == ("item1", True)
    assert told == ["waits"]
    assert server.idles == 1


async def test_a_pipe_that_nobody_reads() -> None:
    reading, writing = os.pipe()

    async def write(sink: BinaryIO) -> None:
        async with read_by_somebody(sink):
            os.close(reading)
            await asyncio.Event().wait()

    with os.fdopen(writing, "wb") as sink, pytest.raises(errors.UnreadError):
        await write(sink)


async def test_a_file_has_no_reader_to_lose(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as sink:
        async with read_by_somebody(sink):
            sink.write(b"x")
