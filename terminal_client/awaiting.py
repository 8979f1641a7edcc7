# SPDX-License-Identifier: GPL-3.0-only
"""Waiting until an item that was accepted begins to arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from maild.mail.offer import Offer
from terminal_client import errors, library, offers
from terminal_client.attempts import Attempts
from terminal_client.choice import by_id
from terminal_client.connections import Connections
from terminal_client.library import Item


class Awaiting:
    """What somebody waits for: an item, the offer it will come of, or the next one.

    ``tell`` is told, once, that nothing has come yet.
    """

    def __init__(
        self, connections: Connections, name: str | None, tell: Callable[[], None]
    ) -> None:
        self._connections = connections
        self._name = name
        self._tell = tell
        self._attempts = Attempts(lambda done, total: None)
        self._newest: int | None = None
        """UID of the newest item that was there before; None before the first look."""
        self._trace: str | None = None

    async def item(self) -> Item:
        """Return the item, as soon as the first of its octets are there."""
        while True:
            found = await self._attempts.persist(self._next)
            if found is not None:
                return found

    async def _next(self) -> Item | None:
        """Look; wait for news unless it is there."""
        async with self._connections.imap() as imap:
            first = self._newest is None
            if first and self._name is not None:
                known = [w.offer for w in await offers.waiting(imap)]
                known += await offers.accepted(imap)
                self._trace = _trace_of(known, self._name)
            fresh = await library.since(imap, (self._newest or 0) + 1)
            found = self._pick(fresh, first=first)
            self._attempts.has_reached()
            if found is not None:
                return found
            if first:
                self._tell()
            self._newest = fresh[-1].uid if fresh else self._newest or 0
            with suppress(errors.CutError):  # the next look will tell
                await imap.idle()
        return None

    def _pick(self, fresh: Sequence[Item], *, first: bool) -> Item | None:
        if self._name is None:
            found = [i for i in fresh if not i.own and (i.arriving or not first)]
        elif self._trace is not None:
            found = [i for i in fresh if i.trace == self._trace and not i.own]
        else:
            named = by_id(fresh, self._name)
            found = [named] if named else [i for i in fresh if i.name == self._name]
        return found[-1] if found else None


def _trace_of(known: Sequence[Offer], name: str) -> str | None:
    """Return the trace of the newest offer of this id or file name."""
    named = by_id(known, name)
    found = [named] if named else [offer for offer in known if offer.name == name]
    return max(found, key=lambda offer: offer.created).trace if found else None
