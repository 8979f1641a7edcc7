# SPDX-License-Identifier: GPL-3.0-only
"""Everything at a glance: told in IDLE, read if it changed, over any cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from maild.mail.address import parse_address
from maild.mail.offer import MEDIA_TYPE, Offer
from maild.mail.transfer import State
from terminal_client import attempts
from terminal_client.errors import NotAllowedError
from terminal_client.offers import Waiting
from terminal_client.overview import Overview
from terminal_client.terminal import Terminal
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers

ABLE = "IMAP4rev1 ENABLE IDLE METADATA UNSELECT"
READ = "/private/vendor/maild/read"
_SIZE = 1000


def offer(id_: str) -> bytes:
    return (
        Offer(
            id=id_,
            nonce="0" * 32,
            sender=parse_address("bob@b.example"),
            recipient=parse_address("alice@a.example"),
            name=f"{id_}.bin",
            type="application/octet-stream",
            size=_SIZE,
            sha256=None,
            created=1_790_000_000,
            expires=2**34,
            home="b.example",
            trace="t" * 8,
        )
        .to_json()
        .encode()
    )


@dataclass
class House:
    """A server with offers, items, a transfer; ``commands``: all it was asked."""

    offers: list[str] = field(default_factory=list)
    items: dict[str, bool] = field(default_factory=dict)
    """Items, and whether they still arrive."""
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    idling: asyncio.Event = field(default_factory=asyncio.Event)
    refuses: bool = False
    _talk: Talk | None = None
    _box: str = ""

    def progress(self, octets: int) -> None:
        entry = "/private/vendor/maild/transfer/tone0001"
        facts = {"id": "tOne0001", "state": "transferring", "size": _SIZE}
        self.metadata[entry] = facts | {"octets": octets, "recipient": "b@b.example"}

    async def tell(self, line: str) -> None:
        """Tell who idles, and wait until he has come to look."""
        await asyncio.wait_for(self.idling.wait(), 10)
        self.idling.clear()
        assert self._talk is not None
        await self._talk.say(line)

    async def cut(self) -> None:
        await asyncio.wait_for(self.idling.wait(), 10)
        self.idling.clear()
        assert self._talk is not None
        self._talk.writer.transport.abort()

    async def serve(self, talk: Talk) -> None:
        self._talk = talk
        if self.refuses:
            await talk.say("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] a.example")
            tag = await talk.command()
            await talk.say(f"{tag} NO [AUTHENTICATIONFAILED] no")
            return
        await talk.imap_login(ABLE)
        while True:
            tag, _, command = (await talk.hear()).partition(" ")
            self.commands.append(command)
            verb = command.split()[0]
            if verb in ("SELECT", "EXAMINE"):
                self._box = command.split()[1].strip('"')
            elif verb == "UID":
                await self._uid(talk, command)
            elif verb == "GETMETADATA":
                await self._entries(talk, command)
            elif verb == "IDLE":
                await talk.say("+ idling")
                self.idling.set()
                await talk.hear("DONE")
            await talk.say(f"{tag} OK done")
            if verb == "LOGOUT":
                return

    async def _uid(self, talk: Talk, command: str) -> None:
        known = {"INBOX": self.offers, "Library": list(self.items)}.get(
            self._box, ["tOne0001"]
        )
        if command.startswith("UID SEARCH"):
            uids = " ".join(str(uid) for uid in range(1, len(known) + 1))
            await talk.say(f"* SEARCH {uids}")
            return
        wanted = {int(uid) for uid in command.split()[2].split(",")}
        for uid, name in enumerate(known, 1):
            if uid in wanted:
                await self._message(talk, uid, name, command)

    async def _message(self, talk: Talk, uid: int, name: str, command: str) -> None:
        if self._box == "INBOX" and "BODYSTRUCTURE" in command:
            media, sub = MEDIA_TYPE.split("/")
            part = f'("{media}" "{sub}" NIL NIL NIL "7bit" 9)'
            await talk.say(f"* {uid} FETCH (UID {uid} BODYSTRUCTURE {part})")
        elif self._box == "INBOX":
            facts = offer(name)
            await talk.say(
                f"* {uid} FETCH (UID {uid} BINARY[1] ~{{{len(facts)}}}",
                f"{facts.decode()})",
            )
        elif self._box == "Library":
            flags = "$Arriving" if self.items[name] else ""
            head = f"Share-Item: {name}\r\n\r\n"
            size = f'("attachment" ("filename" "{name}" "size" "{_SIZE}"))'
            part = f'("application" "octet-stream" NIL NIL NIL "binary" 9 NIL {size})'
            await talk.say(
                f"* {uid} FETCH (UID {uid} FLAGS ({flags}) BODYSTRUCTURE {part}"
                f" BODY[HEADER.FIELDS (X)] {{{len(head)}}}",
                f"{head})",
            )
        else:
            head = f"Share-Transfer: {name}\r\nSubject: film.mov\r\n\r\n"
            await talk.say(
                f"* {uid} FETCH (UID {uid} FLAGS ($Queued)"
                f" BODY[HEADER.FIELDS (X)] {{{len(head)}}}",
                f"{head})",
            )

    async def _entries(self, talk: Talk, command: str) -> None:
        for entry, facts in self.metadata.items():
            asked = entry in command.lower()
            if asked or (READ in command and entry.startswith(f"{READ}/")):
                value = json.dumps(facts).replace('"', '\\"')
                await talk.say(f'* METADATA {self._box or "X"} ({entry} "{value}")')


@asynccontextmanager
async def watched(folder: Path, house: House) -> AsyncIterator[AsyncIterator[Overview]]:
    async with (
        servers(folder, imap=house.serve) as made,
        Terminal.open(made.profile, password=PASSWORD) as terminal,
        aclosing(terminal.overview()) as seen,  # type: ignore[type-var]
    ):
        yield seen


async def the_next(seen: AsyncIterator[Overview]) -> Overview:
    return await asyncio.wait_for(anext(seen), 20)


async def test_what_is_there_and_what_comes(tmp_path: Path) -> None:
    house = House(["offer001"], {"item0001": False, "item0002": True})
    house.progress(100)
    house.metadata["/private/vendor/maild/item/item0002"] = {
        "id": "item0002",
        "octets": 300,
    }
    async with watched(tmp_path, house) as seen:
        now = await the_next(seen)
        assert [o.id for o in now.offers] == ["offer001"]
        assert [(i.id, i.arrived) for i in now.items] == [
            ("item0001", None),
            ("item0002", 300),
        ]
        assert [(t.id, t.octets, t.state) for t in now.transfers] == [
            ("tOne0001", 100, State.TRANSFERRING)
        ]
        coming = asyncio.ensure_future(the_next(seen))
        house.offers.append("offer002")
        await house.tell("* 2 EXISTS")
        assert [o.id for o in (await coming).offers] == ["offer001", "offer002"]


async def test_an_offer_that_is_over_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes or goes then: its message has another keyword."""
    late: list[str] = ["offer003"]
    monkeypatch.setattr(Waiting, "is_late", property(lambda one: one.id in late))
    house = House(["offer001", "offer002", "offer003"])
    async with watched(tmp_path, house) as seen:
        now = await the_next(seen)
        assert [(o.id, o.place) for o in now.offers] == [
            ("offer001", 1),
            ("offer002", 2),
        ]
        coming = asyncio.ensure_future(the_next(seen))
        await asyncio.wait_for(house.idling.wait(), 10)
        late.append("offer001")
        await house.tell("* 1 FETCH (UID 1 FLAGS ($Expired) MODSEQ (9))")
        assert [o.id for o in (await coming).offers] == ["offer002"]


async def test_progress_costs_one_small_look(tmp_path: Path) -> None:
    house = House(["offer001"], {"item0001": False})
    house.progress(100)
    async with watched(tmp_path, house) as seen:
        await the_next(seen)
        coming = asyncio.ensure_future(the_next(seen))
        await asyncio.wait_for(house.idling.wait(), 10)
        before = len(house.commands)
        house.progress(500)
        entry = "/private/vendor/maild/transfer/tone0001"
        await house.tell(f'* METADATA Transfers "{entry}"')
        assert (await coming).transfers[0].octets == 500
        fresh = [command.split()[0] for command in house.commands[before:]]
        assert fresh == ["GETMETADATA"]


async def test_a_whole_item_is_read_once(tmp_path: Path) -> None:
    house = House(items={"item0001": False, "item0002": True})
    async with watched(tmp_path, house) as seen:
        await the_next(seen)
        coming = asyncio.ensure_future(the_next(seen))
        await asyncio.wait_for(house.idling.wait(), 10)
        before = len(house.commands)
        house.items["item0002"] = False
        house.metadata[f"{READ}/item0001"] = {"id": "item0001", "octets": 700}
        await house.tell('* METADATA Library "/private/vendor/maild/item/item0002"')
        now = await coming
        assert [(i.arriving, i.read) for i in now.items] == [
            (False, 700),
            (False, None),
        ]
        fetched = [c for c in house.commands[before:] if c.startswith("UID FETCH")]
        assert [c.split()[2] for c in fetched] == ["2"]


async def test_a_lost_connection_is_told_and_made_again(tmp_path: Path) -> None:
    house = House(["offer001"])
    with patch.object(attempts, "WAITS", (0.0,)):
        async with watched(tmp_path, house) as seen:
            await the_next(seen)
            coming = asyncio.ensure_future(the_next(seen))
            await house.cut()
            lost = await coming
            assert "was lost" in lost.trouble
            assert [o.id for o in lost.offers] == ["offer001"]
            house.offers.append("offer002")
            back = await the_next(seen)
            assert back.trouble == ""
            assert len(back.offers) == 2


async def test_a_wrong_password_ends_it(tmp_path: Path) -> None:
    async with watched(tmp_path, House(refuses=True)) as seen:
        with pytest.raises(NotAllowedError):
            await the_next(seen)
