# SPDX-License-Identifier: Apache-2.0
"""How often each of many may do something: a bucket for each, that fills by itself."""

from __future__ import annotations

from collections import OrderedDict

MOST_REMEMBERED = 10_000
"""Buckets; who has done nothing for longest is forgotten, and begins anew."""


class Rates:
    """At most ``per_minute`` at once, and in any minute after that, for each name."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What is left, and when (seconds) it was."""

    def __len__(self) -> int:
        return len(self._buckets)

    def takes(self, name: str, now: float) -> bool:
        """Take one from the bucket of ``name``; False when it is empty."""
        most = float(self._per_minute)
        left, at = self._buckets.pop(name, (most, now))
        left = min(most, left + max(0.0, now - at) * most / 60)
        is_taken = left >= 1
        self._buckets[name] = (left - 1 if is_taken else left, now)
        if len(self._buckets) > MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        return is_taken
