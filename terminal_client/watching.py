# SPDX-License-Identifier: GPL-3.0-only
"""Watching transfers until they end, told by the server in IDLE (RFC 5464 §4.4.2).

Goes on over lost connections and restarted servers, for as long as it takes; what was
shown once as acknowledged is never shown as less.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from terminal_client import attempts, transfers
from terminal_client.connections import Connections
from terminal_client.errors import TryLaterError, UnreachableError
from terminal_client.session_imap import MailboxConnection
from terminal_client.transfers import Transfer

POLL = 1.0
"""Seconds between two looks at a server that tells nothing by itself."""
PATIENCE = 60.0
"""Seconds of one IDLE: a connection that is no longer there is noticed by the next."""


class Watch:
    """Of some transfers of one terminal; ``tell`` hears why nothing moves."""

    def __init__(
        self, connections: Connections, poll: float, tell: Callable[[str], None]
    ) -> None:
        self._connections = connections
        self._poll = poll
        self._tell = tell
        self._known: list[Transfer] = []
        self._looked: MailboxConnection | None = None
        """The connection on which everything was looked at once."""
        self._rests_first = False
        """Whether a while passes before the next look: nobody tells, or others wait."""
        self._failed = 0

    async def follow(self, names: list[str]) -> AsyncIterator[list[Transfer]]:
        """Yield what ids, or beginnings of ids, name; again at each change, to the end.

        The first connection has to succeed; from then on it is made again without end.
        """
        async with self._connections.imap() as imap:
            await self._begin(imap)
            self._known = await transfers.some(imap, names)
            transfers.watch(imap, self._known)
        yield self._known
        while not all(transfer.is_final for transfer in self._known):
            before = self._known
            try:
                await self._renew()
                self._failed = 0
            except (TryLaterError, UnreachableError) as error:
                await self._pause(str(error))
            if self._known != before:
                yield self._known

    async def _begin(self, imap: MailboxConnection) -> None:
        """Ask to be told, before everything is looked at: nothing is missed."""
        self._rests_first = not await transfers.ask_to_be_told(imap)
        self._looked = imap

    async def _renew(self) -> None:
        """Look at what has changed, once something has."""
        if self._rests_first:
            await asyncio.sleep(self._poll)
        async with self._connections.imap() as imap:
            stale = self._known
            if imap is not self._looked:
                await self._begin(imap)
                transfers.watch(imap, self._known)
            elif transfers.is_told(imap):
                stale = await self._news(imap)
            fresh = {t.id: t for t in await transfers.again(imap, stale)}
        self._known = [fresh.get(t.id, t) for t in self._known]

    async def _news(self, imap: MailboxConnection) -> list[Transfer]:
        """Return what has changed; waits in IDLE, unless others want the connection."""
        self._rests_first = False
        stale = transfers.told(imap, self._known)
        if stale:
            return stale
        self._rests_first = not await self._connections.idle(imap, PATIENCE)
        return transfers.told(imap, self._known)

    async def _pause(self, why: str) -> None:
        wait = attempts.WAITS[min(self._failed, len(attempts.WAITS) - 1)]
        if self._failed == 0:  # said once, however long it takes
            self._tell(f"{why.partition(';')[0]}; trying again")
        self._failed += 1
        await asyncio.sleep(wait)
