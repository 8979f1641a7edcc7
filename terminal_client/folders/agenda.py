# SPDX-License-Identifier: GPL-3.0-only
"""Which files are to be looked at, and when: bounded, without a clock of its own."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from pathlib import Path

from terminal_client.matching import Shape

MOST = 10_000
"""Files at once; more are found again by going through the folders."""
SOON = 0.5
"""Seconds until the second look at a file that is being written."""
LATEST = 10.0
"""Seconds between two looks at one that has been written for long."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a file waits; all times in seconds of one clock."""

    due: float
    since: float
    before: Shape | None = None
    """How it was at the last look."""
    failed: int = 0
    """How often it was tried, and is to be tried again."""


class Agenda:
    """The files that wait, each once."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: dict[Path, Waiting] = {}
        self._order: list[tuple[float, Path]] = []
        """A heap; what is not what ``_waiting`` says is passed over."""

    def __len__(self) -> int:
        return len(self._waiting)

    def touched(self, path: Path, now: float, quiet: float) -> bool:
        """Look at it ``quiet`` seconds after its last change; False: no room here."""
        return self._put(path, Waiting(now + quiet, now))

    def written(self, path: Path, known: Waiting, shape: Shape, now: float) -> bool:
        """Look again at a file that is being written: the longer that is, the later."""
        wait = min(max((now - known.since) / 4, SOON), LATEST)
        return self._put(path, replace(known, due=now + wait, before=shape))

    def quiet(
        self, path: Path, known: Waiting, shape: Shape, now: float, wait: float
    ) -> bool:
        """Look once more after ``wait`` seconds whether it is still of this shape."""
        return self._put(path, replace(known, due=now + wait, before=shape))

    def again(self, path: Path, known: Waiting, due: float) -> bool:
        """Try it again at ``due``."""
        return self._put(path, replace(known, due=due, failed=known.failed + 1))

    def next(self, now: float) -> tuple[Path, Waiting] | None:
        """Take out the first file that is due."""
        while self._order and self._order[0][0] <= now:
            due, path = heapq.heappop(self._order)
            found = self._waiting.get(path)
            if found is not None and found.due == due:
                del self._waiting[path]
                return path, found
        return None

    def wait(self, now: float) -> float | None:
        """Return the seconds until a file is due; None when none waits."""
        return max(0.0, self._order[0][0] - now) if self._order else None

    def hurry(self, now: float) -> None:
        """Try everything now that failed before."""
        for path, found in self._waiting.items():
            if found.failed and found.due > now:
                self._waiting[path] = replace(found, due=now)
                heapq.heappush(self._order, (now, path))

    def _put(self, path: Path, waiting: Waiting) -> bool:
        if path not in self._waiting and len(self._waiting) >= self._most:
            return False
        self._waiting[path] = waiting
        heapq.heappush(self._order, (waiting.due, path))
        if len(self._order) > 4 * max(len(self._waiting), 64):
            self._order = [(w.due, p) for p, w in self._waiting.items()]
            heapq.heapify(self._order)
        return True
