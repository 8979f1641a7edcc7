# SPDX-License-Identifier: GPL-3.0-only
"""How long to wait after failures, and what does not fit for now."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 1.0
"""Seconds after the first failure."""
MOST = 300.0
"""Seconds at most between two attempts at a server."""
ROOM_FIRST = 60.0
"""Seconds until it is seen whether there is room again."""
ROOM_MOST = 3600.0
"""The same, at most."""


def wait_after(failed: int, first: float = FIRST, most: float = MOST) -> float:
    """Return the seconds to wait after so many failures in a row: doubling."""
    return min(first * 2.0 ** min(failed - 1, 30), most)


@dataclass(slots=True)
class Room:
    """The smallest size that the server had no room for, until it is tried again."""

    size: int = 0
    until: float = 0.0
    failed: int = 0

    def lacks(self, size: int, now: float) -> bool:
        """Whether it is no use to try a file of this size now."""
        return self.failed > 0 and size >= self.size and now < self.until

    def refused(self, size: int, now: float) -> float:
        """Note a refusal; return the seconds until the next attempt."""
        if now >= self.until:
            self.failed += 1
            self.size = size
        self.size = min(self.size, size)
        wait = wait_after(self.failed, ROOM_FIRST, ROOM_MOST)
        self.until = now + wait
        return wait

    def took(self, size: int) -> None:
        """Note that a file of this size was taken."""
        if size >= self.size:
            self.failed = 0
