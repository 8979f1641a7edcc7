# SPDX-License-Identifier: GPL-3.0-only
"""Waiting after a failure of the server, or the way to it, until it is tried again."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from terminal_client.errors import TerminalError, TryLaterError
from terminal_client.folders.backoff import FIRST, wait_after
from terminal_client.folders.gate import Gate
from terminal_client.folders.told import Happening, Kind, Tell

TRIES = 5
"""Failures in a row after which one who does not wait for better times ends."""


class Patience:
    """Of one watch; ``once``: it ends some time.  ``first``: seconds, doubled on."""

    def __init__(
        self, gate: Gate, tell: Tell, *, once: bool, first: float = FIRST
    ) -> None:
        self._gate = gate
        self._tell = tell
        self._once = once
        self._first = first
        self._failed = 0
        self._said = ""

    @property
    def next_wait(self) -> float:
        """Seconds of the wait after one more failure."""
        return wait_after(self._failed + 1, self._first)

    async def hold_up(self, error: TerminalError) -> bool:
        """Wait; return at once, and True, when the network has come back."""
        wait = self.next_wait
        self._failed += 1
        sentence = str(error).partition(";")[0]
        if self._once and self._failed == TRIES:
            raise TryLaterError(
                f"{sentence}, {TRIES} times in a row; run it again later"
            ) from error
        if sentence != self._said:  # said once, however long it takes
            text = f"{sentence}; trying again"
            self._tell(Happening(Kind.WAITING, text, seconds=wait))
        self._said = sentence
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while self._gate.is_open and not self._gate.recovered:
                    await self._gate.change()
        came_back, self._gate.recovered = self._gate.recovered, False
        return came_back

    def ended(self) -> None:
        """Note that the server did something."""
        if self._said:
            self._tell(Happening(Kind.RESUMED, "it goes on"))
        self._failed, self._said = 0, ""
