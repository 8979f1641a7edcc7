# SPDX-License-Identifier: Apache-2.0
"""How far all pushes have come: recorded together, at most once a second.

However many items move, and however often their servers acknowledge, the index gets
one job a second; what was acknowledged last is never left out while the push runs.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from maild.store import transfers
from maild.store.house import Store

PERIOD = 1.0
"""Seconds between two records of progress."""
SMOOTH = 5.0
"""Seconds over which a rate is averaged: what is older hardly counts."""


@dataclass(slots=True)
class Pace:
    """How far one push has come, and how fast.

    What was there before it began counts for no rate.
    """

    octets: int
    """Of the item, acknowledged."""
    noted: int
    """Of them, when the rate was computed last."""
    when: float
    """Seconds: when that was."""
    rate: float | None = None
    """Octets a second; None until it has moved for a while."""

    def look(self, now: float) -> tuple[int, float]:
        """Return octets and rate (0.0 while it is not known)."""
        passed = now - self.when
        if passed >= PERIOD / 2:
            fresh = (self.octets - self.noted) / passed
            old = fresh if self.rate is None else self.rate
            self.rate = fresh + math.exp(-passed / SMOOTH) * (old - fresh)
            self.noted, self.when = self.octets, now
        return self.octets, self.rate or 0.0


@dataclass(slots=True)
class Progress:
    """Of all pushes of a station."""

    store: Store
    _moving: dict[str, Pace] = field(default_factory=dict)
    _fresh: set[str] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _recording: Future[None] | None = None

    @contextmanager
    def of(self, transfer_id: str) -> Iterator[Callable[[int], None]]:
        """Give a function that takes the octets of the item that have landed.

        What it was told last is recorded with the outcome of the attempt.
        """
        try:
            yield lambda landed: self._note(transfer_id, landed)
        finally:
            self._moving.pop(transfer_id, None)
            self._fresh.discard(transfer_id)

    def _note(self, transfer_id: str, landed: int) -> None:
        pace = self._moving.get(transfer_id)
        if pace is None:
            self._moving[transfer_id] = Pace(landed, landed, monotonic())
        elif landed > pace.octets:
            pace.octets = landed
        else:
            return
        self._fresh.add(transfer_id)
        if self._timer is None:
            self._record()

    def _record(self) -> None:
        """Record what is fresh; look again as long as there was something."""
        self._timer = None
        if not self._fresh:
            return
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._record)
        if self._recording is not None and not self._recording.done():
            return  # the device is slow: what has come meanwhile goes with the next
        now = monotonic()
        moved = {each: self._moving[each].look(now) for each in self._fresh}
        self._fresh.clear()
        self._recording = self.store.index.submit(
            transfers.progress_together, moved, self.store.clock()
        )
