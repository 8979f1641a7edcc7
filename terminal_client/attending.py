# SPDX-License-Identifier: GPL-3.0-only
"""Attending: waiting at home and at the rendezvous for whatever wants a decision.

Both connections lead outwards and wait in IDLE.  What the rendezvous has told meanwhile
is remembered, so that sending back asks nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import suppress

from terminal_client import errors, offers
from terminal_client.attempts import WAITS
from terminal_client.connections import Connections
from terminal_client.contacts import Contact
from terminal_client.offers import Waiting
from terminal_client.people import People
from terminal_client.requests import Asking

News = Waiting | Asking | Contact
"""An offer, a number that asks for our address, or somebody who has told us his."""
ROOM = 100
"""News that may wait to be taken."""


class Attending:
    """What comes to one terminal; ``tell`` hears why nothing does."""

    def __init__(
        self, connections: Connections, people: People, tell: Callable[[str], None]
    ) -> None:
        self._connections = connections
        self._people = people
        self._tell = tell
        self._known: dict[str, Set[str]] = {}
        """Ids that were there at the last look, by kind."""
        self._news: asyncio.Queue[News] = asyncio.Queue(ROOM)

    async def news(self) -> AsyncIterator[News]:
        """Yield what waits now, then what comes, without end."""
        looks: list[Callable[[], Awaitable[None]]] = [self._at_home]
        if await self._people.has_number():
            looks.append(self._at_rendezvous)
        tasks = [asyncio.ensure_future(self._keep(look)) for look in looks]
        try:
            while True:
                coming = asyncio.ensure_future(self._news.get())
                await asyncio.wait(
                    {coming, *tasks}, return_when=asyncio.FIRST_COMPLETED
                )
                if not coming.done():
                    coming.cancel()
                    for task in tasks:
                        if task.done():
                            task.result()  # neither ends but by an error
                    continue
                yield coming.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look again and again; a lost connection is made again without end.

        The first has to come about: that nobody is there is told at once.
        """
        failed, has_been = 0, False
        while True:
            try:
                await look()
                failed, has_been = 0, True
            except (errors.TryLaterError, errors.UnreachableError) as error:
                if not has_been:
                    raise
                if failed == 0:
                    self._tell(f"{str(error).partition(';')[0]}; trying again")
                await asyncio.sleep(WAITS[min(failed, len(WAITS) - 1)])
                failed += 1

    async def _at_home(self) -> None:
        async with self._connections.imap() as imap:
            found = await offers.waiting(imap)
            await self._tell_new("offer", {waiting.id: waiting for waiting in found})
            with suppress(errors.CutError):  # the next look will tell
                await imap.idle()

    async def _at_rendezvous(self) -> None:
        rendezvous = await self._people.rendezvous()
        for contact in await rendezvous.learn():
            await self._news.put(contact)
        found = await rendezvous.requests()
        await self._tell_new("request", {asking.id: asking for asking in found})
        with suppress(errors.CutError):
            await rendezvous.news()

    async def _tell_new(self, kind: str, waiting: Mapping[str, News]) -> None:
        """Put what was not there at the last look; what has gone may come again."""
        known, self._known[kind] = self._known.get(kind, frozenset()), set(waiting)
        for name, news in waiting.items():
            if name not in known:
                await self._news.put(news)
