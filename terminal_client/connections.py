# SPDX-License-Identifier: GPL-3.0-only
"""The two connections of a terminal: made when first needed, one login each, then kept.

Each is lent to one task at a time, because a mailbox that is selected, and a mail
transaction, belong to whoever began them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from terminal_client import tls
from terminal_client.profile import Profile
from terminal_client.session_imap import PATIENCE, MailboxConnection
from terminal_client.session_smtp import SubmissionConnection


class Connections:
    """Where a terminal's tasks borrow their connections."""

    def __init__(self, who: Profile, password: str) -> None:
        self._profile = who
        self._password = password
        self._tls = tls.client_context(who)
        self._imap: MailboxConnection | None = None
        self._smtp: SubmissionConnection | None = None
        self._imap_is_lent = asyncio.Lock()
        self.imap_is_wanted = asyncio.Event()
        """Set while somebody waits for the IMAP connection that another has."""
        self._smtp_is_lent = asyncio.Lock()

    @asynccontextmanager
    async def imap(self) -> AsyncIterator[MailboxConnection]:
        """Lend the IMAP connection, logged in."""
        if self._imap_is_lent.locked():
            self.imap_is_wanted.set()
        async with self._imap_is_lent:
            self.imap_is_wanted.clear()
            if self._imap is None or not self._imap.is_open:
                self._imap = MailboxConnection(self._profile, self._tls)
                await self._imap.open(self._password)
            yield self._imap

    @asynccontextmanager
    async def smtp(self) -> AsyncIterator[SubmissionConnection]:
        """Lend the submission connection, logged in and between transactions."""
        async with self._smtp_is_lent:
            if self._smtp is None or not self._smtp.is_open:
                self._smtp = SubmissionConnection(self._profile, self._tls)
                await self._smtp.open(self._password)
            try:
                yield self._smtp
            except asyncio.CancelledError:
                # Replies that nobody has heard would be taken for the next ones.
                self._smtp.abort()
                raise

    async def idle(self, imap: MailboxConnection, patience: float = PATIENCE) -> bool:
        """Wait for news in IDLE; False when others want the connection before any."""
        waiting = asyncio.ensure_future(imap.idle(patience))
        wanted = asyncio.ensure_future(self.imap_is_wanted.wait())
        try:
            await asyncio.wait({waiting, wanted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()
            has_ended = waiting.done()
            waiting.cancel()
            await asyncio.wait({waiting})
        if not waiting.cancelled():
            await waiting
        return has_ended

    async def rest(self) -> None:
        """Close the IMAP connection unless somebody has it: it will not be needed soon.

        A server holds some 50 KiB for each.
        """
        if self._imap is not None and not self._imap_is_lent.locked():
            async with self._imap_is_lent:
                await self._imap.close()

    async def verify(self) -> None:
        """Log in to both servers (seed 201, 202); raise what is wrong."""
        async with self.imap(), self.smtp():
            pass

    async def close(self) -> None:
        """Say goodbye to both servers; never fails."""
        for connection in (self._smtp, self._imap):
            if connection is not None:
                await connection.close()
