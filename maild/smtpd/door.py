# SPDX-License-Identifier: Apache-2.0
"""The door of a listener with implicit TLS: who stands in it is counted, and not long.

Without it a client would be nobody until its handshake is over, and any number of them
could begin one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from maild.smtpd.listener import Guests

HANDSHAKE = 20.0
"""Seconds for a handshake."""


class Door(asyncio.Protocol):
    """One client on its way in; ``doors`` holds those that are."""

    def __init__(
        self,
        guests: Guests,
        tls: ssl.SSLContext,
        session: Callable[[], asyncio.Protocol],
        doors: set[Door],
    ) -> None:
        self._guests = guests
        self._tls = tls
        self._session = session
        self._doors = doors
        self._early = bytearray()
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin TLS, or hang up: there is no language yet to say why in."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()  # what comes first belongs to TLS
        peer = transport.get_extra_info("peername")
        client = str(peer[0]) if peer else "local"
        if not self._guests.enter(client):
            transport.abort()
            return
        self._doors.add(self)
        self.task = asyncio.create_task(self._let_in(transport, client))

    def data_received(self, data: bytes) -> None:
        """Keep what comes between the end of the handshake and the session."""
        self._early += data

    async def _let_in(self, transport: asyncio.Transport, client: str) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                self._tls,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE,
            )
        except OSError:  # no TLS, the wrong one, too slow, or gone
            secured = None
        finally:
            self._guests.leave(client)
            self._doors.discard(self)
        if secured is None or secured.is_closing():
            transport.abort()
            return
        session = self._session()
        secured.set_protocol(session)
        session.connection_made(secured)  # it counts the client from here on
        if self._early:
            session.data_received(bytes(self._early))
