# SPDX-License-Identifier: GPL-3.0-only
"""Connections that are lent: nobody gets one that is out of step."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terminal_client import errors
from terminal_client.connections import Connections
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers


class Slow:
    """A server that does not answer NOOP on its first connection."""

    def __init__(self) -> None:
        self.connections = 0
        self.asked = asyncio.Event()

    async def serve(self, talk: Talk) -> None:
        self.connections += 1
        await talk.smtp_login()
        while (line := await talk.hear()) == "NOOP":
            self.asked.set()
            if self.connections > 1:
                await talk.say("250 2.0.0 ok")
        assert line == "QUIT"
        await talk.say("221 2.0.0 bye")


async def test_whoever_cancels_leaves_no_reply_to_others(tmp_path: Path) -> None:
    slow = Slow()
    async with servers(tmp_path, smtp=slow.serve) as made:
        connections = Connections(made.profile, PASSWORD)

        async def noop() -> int:
            async with connections.smtp() as smtp:
                return (await smtp.command(b"NOOP\r\n")).code

        task = asyncio.ensure_future(noop())
        await slow.asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await noop() == 250
        assert slow.connections == 2
        await connections.close()


async def test_whoever_went_silent_is_left(tmp_path: Path) -> None:
    slow = Slow()
    async with servers(tmp_path, smtp=slow.serve) as made:
        connections = Connections(made.profile, PASSWORD)
        async with connections.smtp() as smtp:
            smtp.write(b"NOOP\r\n")
            with pytest.raises(errors.CutError, match="silent"):
                await smtp.reply(timeout=0.001)
        async with connections.smtp() as smtp:
            assert (await smtp.command(b"NOOP\r\n")).code == 250
        assert slow.connections == 2
        await connections.close()
