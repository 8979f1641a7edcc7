# SPDX-License-Identifier: GPL-3.0-only
"""The downloads that the screen has begun: each over a terminal of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from terminal_client.errors import TerminalError
from terminal_client.library import Item
from terminal_client.terminal import Terminal
from terminal_client.tui.rows import Fetching

PERIOD = 0.2
"""Seconds between two times that the screen is told: nobody sees more."""


class Downloads:
    """What is on its way here, or has come."""

    def __init__(
        self,
        another: Callable[[], AbstractAsyncContextManager[Terminal]],
        folder: Path,
        moved: Callable[[str], None],
    ) -> None:
        self._another = another
        self._folder = folder
        self._moved = moved
        self._known: dict[str, Fetching] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def of(self, item: str) -> Fetching | None:
        """Return how far the download of an item is, if one was begun."""
        return self._known.get(item)

    def begin(self, item: Item) -> None:
        """Begin to get an item, unless that is going on."""
        if item.id not in self._running:
            self._known[item.id] = Fetching(0, item.size, "beginning")
            self._running[item.id] = asyncio.ensure_future(self._get(item))
            self._moved(item.id)

    def cancel(self, item: str) -> bool:
        """Stop a download; whether there was one."""
        task = self._running.get(item)
        if task is not None:
            task.cancel()
        return task is not None

    async def stop(self) -> None:
        """Stop all; what has come stays for the next time."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _get(self, item: Item) -> None:
        over = Fetching(is_over=True)
        try:
            async with self._another() as terminal:
                report = _Report(self, item)
                place = await terminal.get(item.id, self._folder, progress=report)
            over = replace(over, said=f"it is here: {place}", is_here=True)
        except TerminalError as error:
            over = replace(over, said=str(error))
        except asyncio.CancelledError:
            over = replace(over, said="stopped; g goes on where it was")
        finally:
            del self._running[item.id]
            self.report(item.id, over)

    def report(self, item: str, fetching: Fetching) -> None:
        """Note how far a download is."""
        self._known[item] = fetching
        self._moved(item)


class _Report:
    """Takes progress from the download of one item."""

    def __init__(self, downloads: Downloads, item: Item) -> None:
        self._downloads = downloads
        self._item = item
        self._told = 0.0
        self._at = (0, item.size)

    def __call__(self, done: int, total: int, /) -> None:
        """Take octets done and octets in all."""
        self._at = (done, total)
        now = asyncio.get_running_loop().time()
        if now - self._told >= PERIOD or done == total:
            self._told = now
            self._downloads.report(self._item.id, Fetching(done, total))

    def tell(self, what: str) -> None:
        """Take why nothing moves."""
        self._downloads.report(self._item.id, Fetching(*self._at, said=what))
