# SPDX-License-Identifier: GPL-3.0-only
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from terminal_client import library
from terminal_client.connections import Connections
from terminal_client.errors import ReplacedError, TerminalError
from terminal_client.library import Item
from terminal_client.memory import Memory
from terminal_client.receiving import Receiving
from terminal_client.session_imap import MailboxConnection
from terminal_client.tls import client_context
from terminal_client.verbs import get
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers

ITEM = Item("item1", 7, "2", "film.mov", "x/y", 100, None, False, None, None)


@pytest.mark.parametrize(
    ("answer", "end", "size"),
    [
        ("* 1 FETCH (UID 7 BINARY.SIZE[2] 123)", "OK", 123),
        ("* 1 FETCH (UID 7)", "OK", 100),
        ("* 1 FETCH (UID 7 BINARY.SIZE[2] NIL)", "OK", 100),
        ("* 1 EXISTS", "NO [UNKNOWN-CTE]", 100),
        ("* 1 EXISTS", "BAD", 100),
        ("* 1 EXISTS", "", None),
    ],
)
async def test_the_server_knows_the_size_best(
    tmp_path: Path, answer: str, end: str, size: int | None
) -> None:
    async def serve(talk: Talk) -> None:
        await talk.imap_login()
        tag = await talk.command("UID FETCH 7 (UID BINARY.SIZE[2])")
        await talk.say(answer)
        if end:
            await talk.say(f"{tag} {end} done")
            await talk.hear()

    async with servers(tmp_path, imap=serve) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        try:
            if size is None:  # the connection is lost: that is no answer
                with pytest.raises(TerminalError):
                    await library.measured(connection, ITEM)
            else:
                measured = await library.measured(connection, ITEM)
                assert measured == replace(ITEM, size=size)
        finally:
            connection.abort()


async def test_octets_of_two_versions_are_never_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = replace(ITEM, uid=9, size=200, version=2)

    async def now(*_: object) -> Item:
        return found

    monkeypatch.setattr(library, "find", now)
    async with servers(tmp_path) as made:
        connections = Connections(made.profile, PASSWORD)
        memory = Memory(made.profile.memory_file)
        receiving = Receiving(connections, memory, ITEM, lambda done, total: None)
        imap = MailboxConnection(made.profile, client_context(made.profile))
        with pytest.raises(ReplacedError, match="get it again"):
            await receiving._find_again(imap)
        found = replace(ITEM, uid=9)
        await receiving._find_again(imap)
        assert receiving.item.uid == 9


def test_what_has_no_digest_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    get._warn(replace(ITEM, sha256="0" * 64))
    assert capsys.readouterr().err == ""
    get._warn(ITEM)
    said = capsys.readouterr()
    assert said.out == ""
    assert "nothing else could be verified" in said.err
