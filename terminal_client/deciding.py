# SPDX-License-Identifier: GPL-3.0-only
"""Deciding what waits for a person: offers at home, requests at the rendezvous."""

from __future__ import annotations

from terminal_client import errors, offers
from terminal_client.connections import Connections
from terminal_client.offers import Waiting
from terminal_client.people import People
from terminal_client.rendezvous import Rendezvous
from terminal_client.requests import Asking


class Decision:
    """One decision on several things, all named before the first is decided."""

    def __init__(
        self, connections: Connections, people: People, names: list[str]
    ) -> None:
        self._connections = connections
        self._people = people
        self._names = names

    async def make(self, *, accepted: bool) -> list[Waiting | Asking]:
        """Decide; return what was decided, in the order of the names."""
        chosen = await self._chosen()
        async with self._connections.imap() as imap:
            for one in chosen:
                if isinstance(one, Waiting):
                    await offers.decide(imap, one, accepted=accepted)
        asking = [one for one in chosen if isinstance(one, Asking)]
        if asking:
            rendezvous = await self._people.rendezvous()
            await rendezvous.decide(asking, accepted=accepted)
        return chosen

    async def _chosen(self) -> list[Waiting | Asking]:
        async with self._connections.imap() as imap:
            known = await offers.waiting(imap)
            asking: list[Asking] | None = None
            chosen: list[Waiting | Asking] = []
            for name in self._names:
                try:
                    chosen.append(await offers.find(imap, known, name))
                except errors.NoInputError:
                    if not await self._people.has_number():
                        raise
                    rendezvous = await self._people.rendezvous()
                    if asking is None:
                        asking = await rendezvous.requests()
                    chosen.append(await _picked(rendezvous, asking, name))
        return chosen


async def _picked(rendezvous: Rendezvous, asking: list[Asking], name: str) -> Asking:
    try:
        return await rendezvous.asking(asking, name)
    except errors.NoInputError:
        raise errors.NoInputError(
            f"there is neither an offer nor a request {name}; "
            "`mshare offers` and `mshare requests` show what waits"
        ) from None
