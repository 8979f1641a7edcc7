# SPDX-License-Identifier: GPL-3.0-only
"""What is being uploaded is sent meanwhile, once, whatever becomes of the attempt."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from terminal_client import errors, sending
from terminal_client.submission import Sent
from terminal_client.terminal import Terminal
from tests.unit.terminal_client.fakes import PASSWORD, Talk, landed, servers

CONTENT = bytes(200_000)


@dataclass
class House:
    """Both servers of alice.  ``refusals``: answers to BURL before it is taken."""

    refusals: list[str] = field(default_factory=list)
    shows: bool = True
    """Whether an upload is shown while it arrives."""
    code: str = ""
    whole: bool = False
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    orders: list[bool] = field(default_factory=list)
    """Of each BURL, whether the upload was whole by then."""

    async def submission(self, talk: Talk) -> None:
        await talk.smtp_login("CHUNKING", "BINARYMIME", "CHECKPOINT", "BURL")
        while not (line := await talk.hear()).startswith("QUIT"):
            if line.startswith("BDAT"):
                await self._chunk(talk, line)
            elif line.startswith("BURL"):
                await talk.say(self._order())
            else:
                await talk.say("250 2.0.0 ok")
        await talk.say("221 2.0.0 bye")

    async def _chunk(self, talk: Talk, line: str) -> None:
        _, size, *last = line.split(" ")
        octets = await talk.reader.readexactly(int(size))
        found = re.search(rb"Share-Code: (\w+)", octets)
        self.code = found[1].decode() if found else self.code
        if last and self.shows:
            await self.sent.wait()  # the rest of it is still on its way
        self.whole = self.whole or bool(last)
        await talk.say(landed(CONTENT) if last else "250 2.0.0 ok")

    def _order(self) -> str:
        self.orders.append(self.whole)
        self.sent.set()
        if self.refusals:
            return self.refusals.pop(0)
        return "250 2.0.0 transfer1 200000 octets"

    async def mailbox(self, talk: Talk) -> None:
        await talk.imap_login()
        while True:
            tag, _, command = (await talk.hear()).partition(" ")
            is_there = self.code and (self.shows or self.whole)
            if command.startswith("UID SEARCH"):
                await talk.say("* SEARCH 5" if is_there else "* SEARCH")
            elif command.startswith("UID FETCH"):
                await self._describe(talk)
            elif command == "IDLE":
                await talk.say("+ idling", "* 1 EXISTS")
                await talk.hear("DONE")
            await talk.say(f"{tag} OK")

    async def _describe(self, talk: Talk) -> None:
        fields = f"Share-Code: {self.code}\r\nShare-Item: item1\r\n\r\n"
        part = '("APPLICATION" "OCTET-STREAM" NIL NIL NIL "BINARY" 200000 NIL '
        part += '("ATTACHMENT" ("FILENAME" "f.bin" "SIZE" "200000")) NIL NIL)'
        await talk.say(
            f"* 1 FETCH (UID 5 FLAGS () BODYSTRUCTURE {part}"
            f" BODY[HEADER.FIELDS (X)] {{{len(fields)}}}",
            f"{fields})",
        )


async def send(folder: Path, house: House) -> tuple[list[Sent], list[list[Sent]]]:
    path = folder / "f.bin"
    path.write_bytes(CONTENT)
    queued: list[list[Sent]] = []
    async with servers(folder, smtp=house.submission, imap=house.mailbox) as made:
        with mock.patch.object(sending, "PATIENCE", 0.0):
            async with Terminal.open(made.profile, password=PASSWORD) as terminal:
                sent = await terminal.send(path, "bob@b.example", queued=queued.append)
    return sent, queued


async def test_it_is_sent_before_it_is_whole(tmp_path: Path) -> None:
    house = House()
    sent, queued = await send(tmp_path, house)
    assert house.orders == [False]
    assert [(one.id, one.uploaded) for one in sent] == [("transfer1", True)]
    assert [[one.id for one in each] for each in queued] == [["transfer1"]]


async def test_a_file_that_is_not_there_is_called_a_file(tmp_path: Path) -> None:
    house = House()
    async with (
        servers(tmp_path, smtp=house.submission, imap=house.mailbox) as made,
        Terminal.open(made.profile, password=PASSWORD) as terminal,
    ):
        with pytest.raises(errors.NoInputError, match="there is no file flim"):
            await terminal.send("flim.mov", "bob@b.example")


@pytest.mark.parametrize("refusal", ["550 5.7.0 not of this", "451 4.3.0 not now"])
async def test_what_is_refused_meanwhile_is_sent_when_whole(
    tmp_path: Path, refusal: str
) -> None:
    house = House(refusals=[refusal])
    sent, queued = await send(tmp_path, house)
    assert house.orders == [False, True]
    assert [one.id for one in sent] == ["transfer1"]
    assert len(queued) == 1


async def test_a_server_that_shows_it_late(tmp_path: Path) -> None:
    house = House(shows=False)
    sent, queued = await send(tmp_path, house)
    assert len(house.orders) == 1
    assert [one.id for one in sent] == ["transfer1"]
    assert len(queued) == 1
