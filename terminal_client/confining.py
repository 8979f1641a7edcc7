# SPDX-License-Identifier: GPL-3.0-only
"""What a process that looks at strangers' octets keeps: little memory, and no files."""

from __future__ import annotations

import resource


def confine(*, memory: int, seconds: int) -> None:
    """Give away what is not needed: from now on a fault in this process does little.

    ``memory``: octets of address space; ``seconds`` of processor time.  What is open
    stays open; nothing else can be opened, written or started.
    """
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
