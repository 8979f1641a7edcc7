# SPDX-License-Identifier: GPL-3.0-only
"""Waiting on an IMAP connection: for news, and for octets that have yet to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from terminal_client import errors
from terminal_client.session_imap import MailboxConnection
from terminal_client.tls import client_context
from tests.unit.terminal_client.fakes import PASSWORD, Script, Talk, servers


@asynccontextmanager
async def opened(folder: Path, script: Script) -> AsyncIterator[MailboxConnection]:
    async with servers(folder, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        try:
            yield connection
        finally:
            connection.abort()


async def test_idle_returns_what_happens(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        tag = await talk.command("IDLE")
        await talk.say("+ idling", "* 3 EXISTS")
        await talk.hear("DONE")
        await talk.say(f"{tag} OK done")
        tag = await talk.command("NOOP")
        await talk.say(f"{tag} OK")

    async with opened(tmp_path, script) as connection:
        news = await connection.idle()
        assert [response.line for response in news] == [b"* 3 EXISTS"]
        await connection.run("NOOP")


async def test_idle_ends_after_a_while_without_news(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        tag = await talk.command("IDLE")
        await talk.say("+ idling")
        await talk.hear("DONE")
        await talk.say(f"{tag} OK done")

    async with opened(tmp_path, script) as connection:
        assert await connection.idle(0.01) == []


async def test_who_leaves_idle_leaves_the_connection_in_step(tmp_path: Path) -> None:
    idling = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.imap_login()
        tag = await talk.command("IDLE")
        await talk.say("+ idling")
        idling.set()
        await talk.hear("DONE")
        await talk.say(f"{tag} OK done")
        tag = await talk.command("NOOP")
        await talk.say(f"{tag} OK")

    async with opened(tmp_path, script) as connection:
        waiting = asyncio.ensure_future(connection.idle())
        await idling.wait()
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        if connection.is_open:  # unless the continuation had not been read yet
            await connection.run("NOOP")


async def test_idle_that_is_refused_or_lost(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        tag = await talk.command("IDLE")
        await talk.say(f"{tag} BAD no such command")
        await talk.command("IDLE")

    async with opened(tmp_path, script) as connection:
        with pytest.raises(errors.ProtocolError):
            await connection.idle()
        with pytest.raises(errors.CutError, match="was lost"):
            await connection.idle()


async def test_only_the_first_of_several_commands_can_be_late(tmp_path: Path) -> None:
    """What waits behind a slice that has yet to arrive is not silence."""
    both, go_on = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.imap_login()
        first = await talk.command("FIRST")
        second = await talk.command("SECOND")
        both.set()
        await go_on.wait()
        await talk.say(f"{first} OK")
        await talk.hear("")  # nothing comes: the client hangs up
        await talk.say(f"{second} OK")

    async with opened(tmp_path, script) as connection:
        first = asyncio.ensure_future(connection.run("FIRST"))
        second = asyncio.ensure_future(connection.run("SECOND"))
        pending = connection._client_now().protocol.pending
        await both.wait()
        timers = [command._timer.cancelled() for command in pending]
        assert timers == [False, True]
        go_on.set()
        await first
        assert [command._timer.cancelled() for command in pending] == [False]
        second.cancel()


async def test_who_leaves_a_command_leaves_no_connection(tmp_path: Path) -> None:
    """Its answer would come to whoever has the connection next."""
    asked = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.imap_login()
        await talk.command("NOOP")
        asked.set()

    async with opened(tmp_path, script) as connection:
        running = asyncio.ensure_future(connection.run("NOOP"))
        await asked.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert not connection.is_open
