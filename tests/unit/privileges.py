# SPDX-License-Identifier: Apache-2.0
"""What root may and others may not, for tests that run as either."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

VERSION = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of capset(2): two words each."""
PAST_PERMISSIONS = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (capabilities(7))."""


@contextmanager
def kept_out() -> Iterator[None]:
    """Let permissions of files hold for this thread, whoever it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(VERSION, 0)
    found = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    _check(libc.capget(header, found))
    fewer = type(found)(*found)
    fewer[0] &= ~PAST_PERMISSIONS
    _check(libc.capset(header, fewer))
    try:
        yield
    finally:
        _check(libc.capset(header, found))


def _check(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
