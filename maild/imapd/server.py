# SPDX-License-Identifier: Apache-2.0
"""The IMAP station: listens, counts connections, gives each its session."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from maild import delivery_log
from maild.backoff import network
from maild.identity import Identity
from maild.imapd import (
    append,
    auth,
    capabilities,
    idle,
    listing,
    mailboxes,
    messages,
    metadata,
    quota,
    replace,
)
from maild.imapd.connection import ClosedError, Connection
from maild.imapd.outcome import Done
from maild.imapd.session import House, Session, Verb
from maild.imapd.settings import ImapSettings
from maild.listeners import listening
from maild.login import Gate
from maild.mail.transfer import Lifetimes
from maild.options import host_port
from maild.promises import Promises
from maild.store.house import Store
from maild.wire.imap_read import LiteralHead
from maild.wire.imap_write import status_line

_log = logging.getLogger("maild.imapd")

VERBS: dict[str, Verb] = {
    **capabilities.VERBS,
    **auth.VERBS,
    **mailboxes.VERBS,
    **listing.VERBS,
    **messages.VERBS,
    **metadata.VERBS,
    **quota.VERBS,
    **idle.VERBS,
    **append.VERBS,
    **replace.VERBS,
}


async def bring(session: Session, head: LiteralHead) -> Done:
    """Take a message that a client brings, by whichever command."""
    if head.verb == "APPEND":
        return await append.append(session, head)
    return await replace.replace_message(session, head)


class ImapStation:
    """Shows accounts what they hold (RFC 9051, RFC 3501)."""

    def __init__(
        self,
        settings: ImapSettings,
        lifetimes: Lifetimes,
        identity: Identity,
        store: Store,
        gate: Gate,
        *,
        promises: Promises | None = None,
    ) -> None:
        if promises is None:  # nobody else promises anything in this process
            promises = Promises(store)
        self.promises = promises
        self._house = House(settings, lifetimes, identity, store, gate, promises)
        self._clients: Counter[str] = Counter()
        self.addresses: list[tuple[str, int]] = []
        """Where it listens, implicit TLS first; set once it has started."""

    async def run(self, started: Callable[[], None]) -> None:
        """Listen, say so, and serve until cancelled; then say BYE to everybody."""
        settings = self._house.settings
        servers: list[asyncio.Server] = []
        async with asyncio.TaskGroup() as sessions:
            try:
                servers += [
                    await self._listen(sessions, address, secure=True)
                    for address in settings.listen
                ]
                servers += [
                    await self._listen(sessions, address, secure=False)
                    for address in settings.listen_starttls
                ]
                self.addresses = [
                    s.getsockname()[:2] for server in servers for s in server.sockets
                ]
                started()
                await asyncio.Event().wait()
            finally:
                for server in servers:
                    server.close()

    async def _listen(
        self, sessions: asyncio.TaskGroup, address: str, *, secure: bool
    ) -> asyncio.Server:
        """Listen at ``host:port``; ``secure``: TLS begins before anything is said."""
        host, port = host_port(address)

        def made(connection: Connection) -> None:
            sessions.create_task(self._serve(connection, secure=secure))

        with listening(address):
            return await asyncio.get_running_loop().create_server(
                lambda: Connection(made), host, port, backlog=512
            )

    async def _serve(self, connection: Connection, *, secure: bool) -> None:
        """See one connection through, from greeting to end."""
        if self._is_full(connection.host):
            bye = status_line("*", "BYE", "too many connections", "LIMIT")
            connection.farewell(b"" if secure else bye)
            return
        client = network(connection.host)
        self._clients[client] += 1
        delivery_log.connected("imapd", connection.client)
        session = Session(connection, self._house, VERBS, bring)
        try:
            if await self._greet(session, secure=secure):
                await session.run()
        finally:
            connection.close()
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
            delivery_log.disconnected("imapd", connection.client)

    async def _greet(self, session: Session, *, secure: bool) -> bool:
        """Begin TLS where it comes first, and say hello; False when nobody is left."""
        identity = self._house.identity
        try:
            if secure and identity.tls is not None:
                await session.connection.start_tls(identity.tls, b"")
            else:
                session.connection.begin()
            code = f"CAPABILITY {capabilities.advertised(session)}"
            await session.status("*", "OK", f"{identity.hostname} maild", code)
        except ClosedError:
            session.connection.abort()
            return False
        return True

    def _is_full(self, host: str) -> bool:
        settings = self._house.settings
        return (
            self._clients.total() >= settings.connections
            or self._clients[network(host)] >= settings.connections_per_client
        )
