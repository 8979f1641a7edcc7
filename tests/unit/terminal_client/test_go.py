# SPDX-License-Identifier: GPL-3.0-only
"""Saying go: a keyword on the transfer's message, until the server has heard it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from maild.mail.transfer import KEYWORD, State
from terminal_client import errors
from terminal_client.following import reason
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers

ID = "5phtYhd8X0JwZ5"


@dataclass
class Mailbox:
    """Transfers with one message, whose UID changes ``renewed`` times at a STORE."""

    state: State = State.PREPARED
    confirm: int = 3600
    uid: int = 4
    renewed: int = 0
    stored: list[str] = field(default_factory=list)

    async def serve(self, talk: Talk) -> None:
        await talk.imap_login("IMAP4rev1 METADATA")
        while True:
            tag, _, command = (await talk.hear()).partition(" ")
            if command.startswith("UID SEARCH"):
                await talk.say(f"* SEARCH {self.uid}")
            elif command.startswith("UID FETCH"):
                fields = f"Share-Transfer: {ID}\r\nSubject: x\r\n\r\n"
                await talk.say(
                    f"* 1 FETCH (UID {self.uid} FLAGS ({KEYWORD[self.state]})"
                    f" BODY[HEADER.FIELDS (X)] {{{len(fields)}}}",
                    f"{fields})",
                )
            elif command.startswith("GETMETADATA"):
                facts = json.dumps(
                    {"id": ID, "state": self.state.value, "confirm": self.confirm}
                )
                name = f"/private/vendor/maild/transfer/{ID}"
                await talk.say(
                    f'* METADATA Transfers ("{name}" {{{len(facts)}}}', f"{facts})"
                )
            elif command.startswith("UID STORE"):
                self._store(command)
            await talk.say(f"{tag} OK")

    def _store(self, command: str) -> None:
        self.stored.append(command)
        if self.renewed:
            self.renewed -= 1
            self.uid += 1
        else:
            self.state, self.confirm = State.ACCEPTED, 0


async def go(folder: Path, box: Mailbox) -> list[Transfer]:
    async with (
        servers(folder, imap=box.serve) as made,
        Terminal.open(made.profile, password=PASSWORD) as terminal,
    ):
        return await terminal.go(ID[:6])


async def test_it_is_a_keyword(tmp_path: Path) -> None:
    box = Mailbox()
    (gone,) = await go(tmp_path, box)
    assert box.stored == ["UID STORE 4 +FLAGS ($Go)"]
    assert (gone.state, gone.awaits_go) == (State.ACCEPTED, False)


async def test_a_message_that_was_renewed_meanwhile_hears_it(tmp_path: Path) -> None:
    box = Mailbox(renewed=2)
    (gone,) = await go(tmp_path, box)
    assert box.stored == [f"UID STORE {uid} +FLAGS ($Go)" for uid in (4, 5, 6)]
    assert not gone.awaits_go


async def test_a_server_that_never_hears_it(tmp_path: Path) -> None:
    box = Mailbox(renewed=99)
    with pytest.raises(errors.TryLaterError):
        await go(tmp_path, box)


@pytest.mark.parametrize(
    ("state", "confirm"), [(State.SENT, 0), (State.EXPIRED, 60), (State.OFFERED, 0)]
)
async def test_nothing_is_said_where_nobody_waits(
    tmp_path: Path, state: State, confirm: int
) -> None:
    box = Mailbox(state=state, confirm=confirm)
    (found,) = await go(tmp_path, box)
    assert box.stored == []
    assert found.state is state


def test_people_are_told_what_it_waits_for() -> None:
    waiting = Transfer(ID, 4, State.PREPARED, "b", "f", 0, 1, "2.1.5", "ok", expires=5)
    assert reason(waiting).endswith(f"for: mshare go {ID}")
    failed = Transfer(ID, 4, State.FAILED, "b", "f", 0, 1, "5.7.1", "no")
    assert reason(failed) == "5.7.1 no"
