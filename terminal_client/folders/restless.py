# SPDX-License-Identifier: GPL-3.0-only
"""Files that change again and again: each time they have to be quiet for longer.

A log that is appended to would else be uploaded, whole, with every line.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

SETTLE = 1.0
"""Seconds after its last change until a file is looked at."""
LONGEST = 900.0
"""The same, at most."""
FORGOTTEN = 3600.0
"""Seconds after which a file counts as any other."""
MOST = 1000
"""Files that are remembered."""


class Restless:
    """How often files were uploaded, or cut by a change, of late."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._counts: OrderedDict[Path, tuple[int, float]] = OrderedDict()

    def moved(self, path: Path, now: float) -> None:
        """Note an upload, whole or cut."""
        self._counts[path] = self._count(path, now) + 1, now
        self._counts.move_to_end(path)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)

    def quiet(self, path: Path, now: float) -> float:
        """Return the seconds that it has to be quiet before it is looked at."""
        return min(SETTLE * 2.0 ** min(self._count(path, now), 30), LONGEST)

    def _count(self, path: Path, now: float) -> int:
        count, when = self._counts.get(path, (0, now))
        return count if now - when < FORGOTTEN else 0
