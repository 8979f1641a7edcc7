# SPDX-License-Identifier: GPL-3.0-only
"""Transfers that are watched: told in IDLE, over lost connections, never backwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from terminal_client import attempts, errors
from terminal_client.profile import Profile
from terminal_client.terminal import Terminal
from terminal_client.transfers import ENTRY, Transfer
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers

ABLE = "IMAP4rev1 ENABLE IDLE METADATA UNSELECT"
SIZE = 1000


@dataclass
class Mailbox:
    """A server with the mailbox Transfers; ``commands`` is all it was asked."""

    capabilities: str = ABLE
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    idling: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while a client waits in IDLE."""
    logins: int = 0
    renewed: list[str] = field(default_factory=list)
    """Transfers that get a new UID between the next SEARCH and its FETCH."""
    says_gone: bool = False
    """Whether it refuses such a FETCH after what it could tell (EXPUNGEISSUED)."""
    verdict: str = "OK"
    _talk: Talk | None = None

    def __post_init__(self) -> None:
        self.put("tOne", octets=0)
        self.put("tTwo", octets=0)

    def put(self, name: str, **facts: Any) -> None:
        """Change what is known of a transfer."""
        known = {"id": name, "state": "transferring", "size": SIZE, "octets": 0}
        self.facts[name] = known | self.facts.get(name, {}) | facts

    async def tell(self, name: str, **facts: Any) -> None:
        """Change it, and tell who idles."""
        self.put(name, **facts)
        await self.idling.wait()
        assert self._talk is not None
        await self._talk.say(f'* METADATA Transfers "{ENTRY}/{name.lower()}"')
        self.idling.clear()  # the client leaves, and comes again

    async def cut(self) -> None:
        """End the connection of who idles."""
        await self.idling.wait()
        self.idling.clear()
        assert self._talk is not None
        self._talk.writer.transport.abort()

    async def serve(self, talk: Talk) -> None:
        self._talk = talk
        self.logins += 1
        await talk.imap_login(self.capabilities)
        while True:
            tag, _, command = (await talk.hear()).partition(" ")
            self.commands.append(command)
            match command.split()[0]:
                case "UID":
                    await self._uid(talk, command)
                case "GETMETADATA":
                    await self._entries(talk, command)
                case "IDLE":
                    await talk.say("+ idling")
                    self.idling.set()
                    await talk.hear("DONE")
                    self.idling.clear()
                case _:
                    pass
            await talk.say(f"{tag} {self.verdict}")
            self.verdict = "OK"
            if command == "LOGOUT":
                return

    async def _uid(self, talk: Talk, command: str) -> None:
        uids = range(1, len(self.facts) + 1)
        if command.startswith("UID SEARCH"):
            await talk.say(f"* SEARCH {' '.join(map(str, uids))}")
            return
        gone, self.renewed = self.renewed, []
        if gone and self.says_gone:
            self.verdict = "NO [EXPUNGEISSUED] some messages are gone"
        for uid, name in zip(uids, self.facts, strict=True):
            if name in gone:
                continue
            head = f"Share-Transfer: {name}\r\nSubject: film.mov\r\n\r\n"
            await talk.say(
                f"* {uid} FETCH (UID {uid} FLAGS ($Queued)"
                f" BODY[HEADER.FIELDS (X)] {{{len(head)}}}",
                f"{head})",
            )

    async def _entries(self, talk: Talk, command: str) -> None:
        for name, facts in self.facts.items():
            if f"{ENTRY}/{name}" in command:
                value = json.dumps(facts).replace('"', '\\"')
                await talk.say(
                    f'* METADATA Transfers ({ENTRY}/{name.lower()} "{value}")'
                )


class Seen:
    """What somebody who follows has seen."""

    def __init__(self, profile: Profile, *names: str) -> None:
        self.terminal = Terminal(profile, PASSWORD)
        self.heard: list[str] = []
        self.lists: list[list[Transfer]] = []
        self._names = names
        self._more = asyncio.Event()
        self.task = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        names = self._names
        async for now in self.terminal.follow(
            *names, interval=0.001, tell=self.heard.append
        ):
            self.lists.append(now)
            self._more.set()

    async def octets(self, *octets: int) -> None:
        """Wait until just this is shown."""
        while not self.lists or self.octets_now() != list(octets):
            self._more.clear()
            more = asyncio.ensure_future(self._more.wait())
            await asyncio.wait({more, self.task}, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
            assert not self.task.done() or self.octets_now() == list(octets)

    def octets_now(self) -> list[int]:
        """Return what is shown now."""
        return [transfer.octets for transfer in self.lists[-1]]


@asynccontextmanager
async def watched(folder: Path, mailbox: Mailbox, *names: str) -> AsyncIterator[Seen]:
    async with servers(folder, imap=mailbox.serve) as made:
        with patch.object(attempts, "WAITS", (0.0, 0.001)):
            seen = Seen(made.profile, *names)
            try:
                async with asyncio.timeout(30):
                    yield seen
            finally:
                seen.task.cancel()
                await asyncio.wait({seen.task})
                await seen.terminal.close()


async def test_what_is_told_is_looked_at_alone(tmp_path: Path) -> None:
    mailbox = Mailbox()
    async with watched(tmp_path, mailbox, "tOne", "tTwo") as seen:
        await seen.octets(0, 0)
        await mailbox.idling.wait()
        mailbox.commands.clear()
        await mailbox.tell("tOne", octets=100)
        await seen.octets(100, 0)
        await mailbox.tell("tTwo", octets=300)
        await seen.octets(100, 300)
        looks = [c for c in mailbox.commands if c != "IDLE"]
        assert looks == [
            f'GETMETADATA "Transfers" ({ENTRY}/tOne)',
            f'GETMETADATA "Transfers" ({ENTRY}/tTwo)',
        ]
        await mailbox.tell("tTwo", state="sent", octets=SIZE)
        await seen.octets(100, SIZE)
        await mailbox.tell("tOne", state="declined")
        await seen.task
    assert [str(t.state) for t in seen.lists[-1]] == ["declined", "sent"]
    assert mailbox.logins == 1


async def test_it_is_asked_for_before_the_first_look(tmp_path: Path) -> None:
    mailbox = Mailbox()
    async with watched(tmp_path, mailbox, "tOne") as seen:
        await seen.octets(0)
        await mailbox.idling.wait()
    verbs = [command.split()[0] for command in mailbox.commands]
    assert verbs.index("ENABLE") < verbs.index("EXAMINE") < verbs.index("GETMETADATA")


async def test_a_lost_connection_loses_no_change_and_shows_no_less(
    tmp_path: Path,
) -> None:
    mailbox = Mailbox()
    async with watched(tmp_path, mailbox, "tOne") as seen:
        await mailbox.tell("tOne", octets=700)
        await seen.octets(700)
        mailbox.put("tOne", octets=200)  # a server that was restored
        await mailbox.cut()
        await mailbox.idling.wait()
        mailbox.put("tOne", octets=800)
        await mailbox.cut()
        await seen.octets(800)
        await mailbox.tell("tOne", octets=SIZE, state="sent")
        await seen.task
    shown = [now[0].octets for now in seen.lists]
    assert shown == sorted(shown)
    assert mailbox.logins == 3
    assert len(seen.heard) == 2
    assert all("was lost; trying again" in text for text in seen.heard)


async def test_an_end_that_nobody_told_is_found_by_the_next_connection(
    tmp_path: Path,
) -> None:
    mailbox = Mailbox()
    async with watched(tmp_path, mailbox, "tOne") as seen:
        await mailbox.idling.wait()
        mailbox.put("tOne", octets=SIZE, state="sent")
        await mailbox.cut()
        await seen.task
    assert seen.octets_now() == [SIZE]


async def test_a_server_that_tells_nothing_is_asked(tmp_path: Path) -> None:
    mailbox = Mailbox("IMAP4rev1 IDLE")
    async with watched(tmp_path, mailbox, "tOne") as seen:
        await seen.octets(0)
        mailbox.put("tOne", octets=5)
        await seen.octets(5)
        mailbox.put("tOne", octets=SIZE, state="sent")
        await seen.task
    assert "IDLE" not in mailbox.commands
    assert "ENABLE METADATA" not in mailbox.commands


async def test_others_get_the_connection_meanwhile(tmp_path: Path) -> None:
    mailbox = Mailbox()
    async with watched(tmp_path, mailbox, "tOne") as seen:
        await mailbox.idling.wait()
        found = await seen.terminal.transfers("tTwo")
        assert [t.id for t in found] == ["tTwo"]
        await mailbox.tell("tOne", octets=SIZE, state="sent")
        await seen.task
    assert mailbox.logins == 1


async def test_two_follow_different_ones_over_one_connection(tmp_path: Path) -> None:
    mailbox = Mailbox()
    async with watched(tmp_path, mailbox, "tOne") as seen:
        await mailbox.idling.wait()
        other = [now async for now in _first(seen.terminal, "tTwo")]
        assert [t.id for t in other[0]] == ["tTwo"]
        await mailbox.tell("tTwo", octets=9)
        await mailbox.tell("tOne", octets=SIZE, state="sent")
        await seen.task
    assert mailbox.logins == 1


async def _first(terminal: Terminal, name: str) -> AsyncIterator[list[Transfer]]:
    async for now in terminal.follow(name, interval=0.001):
        yield now
        return


async def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    mailbox = Mailbox()
    async with watched(tmp_path, mailbox, "tNone") as seen:
        with pytest.raises(errors.NoInputError):
            await seen.task


@pytest.mark.parametrize("says_gone", [False, True])
@pytest.mark.parametrize("renewed", [["tOne"], ["tOne", "tTwo"]])
async def test_one_whose_message_is_renewed_meanwhile_is_there(
    tmp_path: Path, renewed: list[str], says_gone: bool
) -> None:
    mailbox = Mailbox(renewed=renewed, says_gone=says_gone)
    async with watched(tmp_path, mailbox, "tOne") as seen:
        await seen.octets(0)
        await mailbox.tell("tOne", octets=SIZE, state="sent")
        await seen.task
    assert seen.octets_now() == [SIZE]
