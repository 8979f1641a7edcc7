# SPDX-License-Identifier: Apache-2.0
"""Whether the clock can be believed: what a wrong one would destroy has to wait.

A clock that is days ahead makes everything look as old as that: all that is on its way
would be over at once.  Somebody gets some time to set it right.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

LEAP: Final = 3600.0
"""Seconds by which the clock may get ahead of the time that has passed."""


class Leaps:
    """Compares the clock at each look with ``steady``, which nobody sets (seconds).

    After a leap nothing is believed for ``distrust`` seconds.  A machine that slept
    leaps, too: then others get that time to come back.
    """

    def __init__(
        self, distrust: float, steady: Callable[[], float] = monotonic
    ) -> None:
        self._distrust = distrust
        self._steady = steady
        self._ahead: float | None = None
        """The clock less what is steady, at the last look."""
        self._until: float | None = None

    def seen(self, now: float) -> float | None:
        """Look at the clock; return by how many seconds it has leapt ahead, if so."""
        steady = self._steady()
        before, self._ahead = self._ahead, now - steady
        if before is None or self._ahead - before <= LEAP:
            return None
        self._until = steady + self._distrust
        return self._ahead - before

    @property
    def is_trusted(self) -> bool:
        """Whether what the clock says may end something."""
        return self._until is None or self._steady() >= self._until
