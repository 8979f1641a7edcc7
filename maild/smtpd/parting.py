# SPDX-License-Identifier: Apache-2.0
"""How a connection ends: what was promised is written and read, but nobody stays."""

from __future__ import annotations

import asyncio
import weakref

from maild.smtpd.answers import Answers
from maild.smtpd.stream import Stream

LINGER = 0.5
"""Seconds of silence after which a peer that was hung up on has read our reply."""
LINGER_OCTETS = 2**20
"""Octets read and dropped so that the peer reads our last reply, not a reset."""
PATIENCE = 5.0
"""Seconds that a peer gets in all to read our last replies and to fall silent."""


async def settled(answers: Answers) -> None:
    """Wait for what is landing, even if cancelled: a restart asks how it ended."""
    settling = asyncio.create_task(answers.settle())
    try:
        await asyncio.shield(settling)
    except asyncio.CancelledError:
        await settling


async def linger(transport: asyncio.BaseTransport | None, stream: Stream) -> None:
    """Drop what is still coming: closing now would reset our last reply away."""
    if isinstance(transport, asyncio.WriteTransport) and transport.can_write_eof():
        transport.write_eof()
    await stream.drop(LINGER_OCTETS, LINGER)


def close(transport: asyncio.BaseTransport | None) -> None:
    """Close; a peer that does not read what waits for it would else stay for ever."""
    if isinstance(transport, asyncio.WriteTransport):
        transport.close()
        if transport.get_write_buffer_size() or transport.get_extra_info("ssl_object"):
            loop = asyncio.get_running_loop()
            loop.call_later(PATIENCE, _cut_off, weakref.ref(transport))


def _cut_off(held: weakref.ref[asyncio.WriteTransport]) -> None:
    transport = held()
    if transport is not None:  # TLS does not tell what waits below it
        transport.abort()


def is_written(transport: asyncio.BaseTransport | None) -> bool:
    """Whether nothing waits to be sent."""
    return (
        isinstance(transport, asyncio.WriteTransport)
        and not transport.is_closing()
        and not transport.get_write_buffer_size()
    )
