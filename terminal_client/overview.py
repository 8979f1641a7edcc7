# SPDX-License-Identifier: GPL-3.0-only
"""Everything at a glance, kept up to date: offers, items and transfers of one account.

The server tells by itself what changes (IDLE, RFC 5464 §4.4.2); then only that is
looked at again.  A lost connection is made again, for as long as it takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from terminal_client import attempts, library, mailbox, offers, transfers
from terminal_client.connections import Connections
from terminal_client.errors import NoInputError, TryLaterError, UnreachableError
from terminal_client.library import Item
from terminal_client.offers import Waiting
from terminal_client.session_imap import MailboxConnection
from terminal_client.transfers import Transfer

PATIENCE = 60.0
"""Seconds of one IDLE: then a dead connection is noticed."""
POLL = 5.0
"""Seconds between two looks at a server that does not tell by itself."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is now, oldest first."""

    offers: tuple[Waiting, ...] = ()
    items: tuple[Item, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    trouble: str = ""
    """Why nothing is heard of the server at the moment; "" when it is there."""


class Watch:
    """Of one account, over a connection of its own."""

    def __init__(self, connections: Connections, poll: float = POLL) -> None:
        self._connections = connections
        self._poll = poll
        self._now = Overview()
        self._looked: MailboxConnection | None = None
        self._validity = 0
        self._failed = 0

    async def follow(self) -> AsyncIterator[Overview]:
        """Yield what there is, and again at each change; never ends by itself.

        A first connection that fails is waited for as well; what cannot come right by
        waiting (a wrong password) is raised.
        """
        shown: Overview | None = None
        while True:
            try:
                await self._renew()
                self._now, self._failed = replace(self._now, trouble=""), 0
            except (TryLaterError, UnreachableError) as error:
                trouble = str(error).partition(";")[0]
                self._now = replace(self._now, trouble=trouble)
                self._failed += 1
            if self._now != shown:
                shown = self._now
                yield shown
            if self._failed:
                waits = attempts.WAITS
                await asyncio.sleep(waits[min(self._failed, len(waits)) - 1])

    async def _renew(self) -> None:
        """Look at everything on a new connection; else wait for news, look at these."""
        async with self._connections.imap() as imap:
            if imap is not self._looked:
                imap.watches_all = True
                await transfers.ask_to_be_told(imap)
                await self._look_at_all(imap)
                self._looked = imap
                return
            if transfers.is_told(imap):
                if not imap.told and not imap.has_moved:
                    await imap.idle(PATIENCE)
                await self._look_at_news(imap)
                return
            await asyncio.sleep(self._poll)
            await self._look_at_all(imap)

    async def _look_at_all(self, imap: MailboxConnection) -> None:
        imap.told.clear()
        await self._look_at_items(imap)
        sent = await transfers.everything(imap)
        self._now = replace(self._now, transfers=tuple(sent))
        await self._look_at_offers(imap)

    async def _look_at_news(self, imap: MailboxConnection) -> None:
        """Look at what the server has named; INBOX is selected afterwards."""
        named, moved = set(imap.told), imap.has_moved
        imap.told.difference_update(named)
        ids = {t.id.lower() for t in self._now.transfers}
        sent = {n.rpartition("/")[2] for n in named if n.startswith(transfers.ENTRY)}
        if sent - ids:
            found = await transfers.everything(imap)
            self._now = replace(self._now, transfers=tuple(found))
        elif sent:
            await self._look_at_transfers(imap, sent)
        ours = (library.ENTRY, library.READ_ENTRY)
        if moved or any(name.startswith(ours) for name in named):
            await self._look_at_items(imap)
        if moved or not (imap.selected or "").endswith(f" {offers.INBOX}"):
            await self._look_at_offers(imap)
        else:  # that one is over is told as a change of keywords, which moves nothing
            left = tuple(o for o in self._now.offers if not o.is_late)
            self._now = replace(self._now, offers=left)

    async def _look_at_transfers(
        self, imap: MailboxConnection, named: set[str]
    ) -> None:
        stale = [t for t in self._now.transfers if t.id.lower() in named]
        try:
            fresh = {t.id: t for t in await transfers.again(imap, stale)}
            now = tuple(fresh.get(t.id, t) for t in self._now.transfers)
        except NoInputError:  # one was taken back, or removed
            now = tuple(await transfers.everything(imap))
        self._now = replace(self._now, transfers=now)

    async def _look_at_items(self, imap: MailboxConnection) -> None:
        """Read what is new or still arrives; what was whole stays as it is."""
        uids = await mailbox.open_and_search(imap, library.LIBRARY, ["ALL"])
        known = {item.uid: item for item in self._now.items}
        if imap.uid_validity != self._validity:
            known, self._validity = {}, imap.uid_validity
        stale = [u for u in uids if u not in known or known[u].arriving]
        if stale:
            found = await library.arrived(imap, await library.read(imap, stale))
            known |= {item.uid: item for item in found}
        now = [known[uid] for uid in uids if uid in known]
        now = await library.being_read(imap, now)
        self._now = replace(self._now, items=tuple(now))

    async def _look_at_offers(self, imap: MailboxConnection) -> None:
        """Look until nothing came or went meanwhile: nothing is told twice."""
        while True:
            imap.has_moved = False
            found = await offers.waiting(imap)
            self._now = replace(self._now, offers=tuple(found))
            if not imap.has_moved:
                return


async def followed(connections: Connections) -> AsyncIterator[Overview]:
    """Yield what `Watch.follow` does, over connections that nobody else has."""
    try:
        async for now in Watch(connections).follow():
            yield now
    finally:
        await connections.close()
