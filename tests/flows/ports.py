# SPDX-License-Identifier: Apache-2.0
"""Which ports a flow's servers have: each worker's flows have a range of their own."""

from __future__ import annotations

import os
import random
import socket
from contextlib import ExitStack

FIRST, LAST = 8000, 20000
"""Below those that Linux gives to outgoing connections and that `maild playground`
takes by itself: what one worker has stopped, no other takes before it starts again."""
SHARE = 2000
"""Ports of one worker."""
TAKEN = 16
"""Ports of one playground, and a few more."""

_used: set[int] = set()


def base_port() -> int:
    """Return the first of ``TAKEN`` ports that nobody has, or has had, here."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST + worker % ((LAST - FIRST) // SHARE) * SHARE
    bases = [n for n in range(first, first + SHARE, TAKEN) if n not in _used]
    for base in random.sample(bases, len(bases)):
        if _are_free(range(base, base + TAKEN)):
            _used.add(base)
            return base
    raise AssertionError(f"no ports are free from {first} to {first + SHARE}")


def _are_free(ports: range) -> bool:
    with ExitStack() as held:
        try:
            for port in ports:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
