# SPDX-License-Identifier: Apache-2.0
"""What the service manager is told: ready, alive, stopping (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The service manager's end of the protocol; without one, nothing is sent."""

    address: str | None = None
    """NOTIFY_SOCKET: a path, or ``@name`` in the abstract namespace."""
    watchdog: float | None = None
    """Seconds within which a sign of life is expected."""

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ
    ) -> Supervisor:
        """Read NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID (sd_watchdog_enabled(3))."""
        watchdog = None
        if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            microseconds = environment.get("WATCHDOG_USEC", "")
            watchdog = int(microseconds) / 1e6 if microseconds.isdigit() else None
        return cls(environment.get("NOTIFY_SOCKET") or None, watchdog)

    def tell(self, *facts: str) -> None:
        """Send assignments such as ``READY=1``; a deaf manager is not our problem."""
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address[0] == "@" else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto("\n".join(facts).encode(), address)
            except OSError:  # it went away, or its queue is full
                return

    async def stay_alive(self) -> None:
        """Send signs of life from the event loop: a blocked loop stops them."""
        while self.watchdog:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / 3)
