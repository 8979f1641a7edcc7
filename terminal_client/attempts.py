# SPDX-License-Identifier: GPL-3.0-only
"""Going on after a lost connection: attempts with back-off, progress that only grows.

There is no limit on the whole: as long as octets move, any number of cuts is survived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from terminal_client import errors

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Told octets done and octets in all, at least once for every piece.

If it has a method ``tell(text)``, that is told in a few words why nothing moves."""

WAITS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0)
"""Seconds before each new attempt of a row in which nothing moved."""
LONGEST = 15.0
"""Seconds at most between two looks whether a source that has paused goes on."""
FOR_SOURCE = "waiting for the sender"


class Attempts:
    """Attempts at moving one thing."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._reached = self._reached_before = -1
        self._failed = self._stalled = 0
        self._is_waiting = False

    def progress(self, done: int, total: int) -> None:
        """Pass progress on; what moves a second time is not shown as progress."""
        if done > self._reached:
            self._reached, self._is_waiting = done, False
        self._progress(min(self._reached, total), total)

    def has_reached(self) -> None:
        """Take it that the server is there: what fails from now on is a cut."""
        self._failed, self._reached = 0, max(self._reached, 0)

    def waits_for_source(self) -> None:
        """Say, once, that nothing moves because nothing arrives at the server."""
        if not self._is_waiting:
            self.tell(FOR_SOURCE)
        self._is_waiting = True

    def tell(self, what: str) -> None:
        """Say in a few words what is happening, if anybody listens."""
        tell = getattr(self._progress, "tell", None)
        if tell is not None:
            tell(what)

    async def persist(self, doing: Callable[[], Awaitable[T]]) -> T:
        """Do it, again after every cut; give up when several in a row move nothing.

        What has stopped arriving at the server is waited for as long as it is there.
        The first connection gets one attempt: that nobody is there is told at once.
        """
        while True:
            try:
                return await doing()
            except (errors.CutError, errors.UnreachableError) as error:
                if self._reached < 0 and isinstance(error, errors.UnreachableError):
                    raise
                await self._wait(error)

    async def _wait(self, error: errors.TerminalError) -> None:
        if self._reached > self._reached_before:
            self._reached_before, self._failed, self._stalled = self._reached, 0, 0
        if isinstance(error, errors.StalledError):
            self.waits_for_source()
            await asyncio.sleep(min(0.2 * 2**self._stalled, LONGEST))
            self._failed, self._stalled = 0, min(self._stalled + 1, 20)
            return
        sentence = str(error).partition(";")[0]
        if self._failed == len(WAITS):
            raise errors.TryLaterError(
                f"{sentence}, {self._failed + 1} times in a row; "
                "run the command again, it will go on where it was"
            ) from error
        wait = WAITS[self._failed]
        self._failed += 1
        self.tell(f"{sentence}; again in {wait:g} s")
        await asyncio.sleep(wait)
