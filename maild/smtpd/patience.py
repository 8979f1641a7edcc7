# SPDX-License-Identifier: Apache-2.0
"""How long a peer may take for content: an idle time, and a least rate.

A peer that sends one octet now and then is never idle; with a least rate (Postfix:
smtpd_min_data_rate) it cannot hold a connection and a thread for ever.
"""

from __future__ import annotations

from time import monotonic

LEAST_RATE = 500.0
"""Octets a second, on average over the content (Postfix smtpd_min_data_rate)."""


class Patience:
    """With one content; ``idle`` in seconds, both for a pause and for the start."""

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._until = monotonic() + idle

    def moved(self, octets: int) -> None:
        """Count octets that have come; each of them buys time."""
        self._until += octets / LEAST_RATE

    def left(self) -> float:
        """Return the seconds to wait for the next octets; raise `TimeoutError`."""
        left = min(self._idle, self._until - monotonic())
        if left <= 0:
            raise TimeoutError
        return left
