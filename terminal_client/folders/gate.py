# SPDX-License-Identifier: GPL-3.0-only
"""Whether content may flow now, and waiting for that to change."""

from __future__ import annotations

import asyncio

from terminal_client.folders.network import Network


class Gate:
    """Closed while nothing is known of the network, and while it is metered.

    ``on_metered``: open on metered networks, too.
    """

    def __init__(self, *, on_metered: bool) -> None:
        self._on_metered = on_metered
        self._known: Network | None = None
        self._news = asyncio.Event()
        self.recovered = False
        """Whether the network has come back since somebody looked."""

    @property
    def is_known(self) -> bool:
        """Whether anything is known."""
        return self._known is not None

    @property
    def is_open(self) -> bool:
        """Whether content may flow."""
        known = self._known
        return known is not None and (self._on_metered or not known.metered)

    def heard(self, network: Network) -> None:
        """Take what is known of the network now."""
        before, self._known = self._known, network
        if before is not None and network.reachable and not before.reachable:
            self.recovered = True
        self._news.set()
        self._news = asyncio.Event()

    async def change(self) -> None:
        """Wait for news."""
        await self._news.wait()

    async def until(self, *, is_open: bool) -> None:
        """Wait until it is open, or closed."""
        while self.is_open is not is_open or not self.is_known:
            await self.change()
