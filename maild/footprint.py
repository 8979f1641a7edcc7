# SPDX-License-Identifier: Apache-2.0
"""What keeps the memory of the process small, whatever its stations do in it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import mmap
import ssl
from asyncio import constants, sslproto
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Which option of mallopt(3)."""
HEAPS: Final = 2
"""Heaps for all threads: each thread's own kept what pieces it had freed (measured with
2 GiB through push and download: a peak 7 MiB lower, at the same speed)."""
MAPPED: Final = 64 * 1024
"""Octets from which memory goes back to the system when it is freed.  glibc begins with
twice as much, goes higher with each large buffer, and then keeps what is smaller."""
READ: Final = 16 * 1024
"""Octets that a TLS connection reads at once (asyncio: 256 KiB): a record.  Whoever
reads many asks for more meanwhile."""
UNREAD: Final = 16
"""KiB that may wait in a TLS connection to be read (asyncio: 256): OpenSSL never gives
back what it once needed for them."""
UNSENT: Final = 32
"""KiB that may wait in a TLS connection to be sent (asyncio: 512)."""
GARBAGE: Final = (700, 3, 1)
"""When Python looks for garbage: objects, then looks at young ones for one at older
ones.  A connection that has ended is garbage, and about eighty objects hold its 50 KiB:
by Python's own figures (700, 10, 10) a thousand of them would lie about."""

LOOK: Final = 1.0
"""Seconds between two looks at what the process holds."""
GROWN: Final = 1024 * 1024
"""Octets by which it must have grown before free pages are looked for."""


def stay_small() -> None:
    """Set the process up: all is loaded, and there are no threads or connections."""
    gc.collect()
    gc.freeze()  # what is loaded stays, and need not be looked at again and again
    gc.set_threshold(*GARBAGE)
    with suppress(OSError, AttributeError):  # only glibc has to be told
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, HEAPS)
        mallopt(M_MMAP_THRESHOLD, MAPPED)
    sslproto.SSLProtocol.max_size = READ
    _read_by_one_buffer()
    _let_go_of_what_ended()
    constants.FLOW_CONTROL_HIGH_WATER_SSL_READ = UNREAD  # type: ignore[misc]  # "Final"
    constants.FLOW_CONTROL_HIGH_WATER_SSL_WRITE = UNSENT  # type: ignore[misc]  # "Final"


async def giving_back(started: Callable[[], None]) -> None:
    """Give free pages back to the system whenever the process has grown, for ever.

    glibc does so at the end of its heap only, and holes between what is kept add up:
    a fifth of the heap while a hundred upload, more than half when they are gone.
    """
    started()
    trim = None
    with suppress(OSError, AttributeError):  # only glibc has it
        trim = ctypes.CDLL(None).malloc_trim
    least = _resident()
    while True:
        await asyncio.sleep(LOOK)
        if trim is not None and _resident() > least + GROWN:
            await asyncio.to_thread(trim, 0)
            least = _resident()
        least = min(least, _resident())


def _resident() -> int:
    """Return the octets of memory that the process holds now; 0 if nobody says."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * mmap.PAGESIZE


def _read_by_one_buffer() -> None:
    """Let all TLS connections receive in one buffer, not each in one of its own.

    OpenSSL has taken what is in it before the event loop, the only one of the process,
    comes to another connection.
    """
    buffer = bytearray(READ)
    view = memoryview(buffer)
    made = sslproto.SSLProtocol.__init__

    def make(protocol: Any, *args: Any, **kwargs: Any) -> None:
        made(protocol, *args, **kwargs)
        protocol._ssl_buffer, protocol._ssl_buffer_view = buffer, view  # noqa: SLF001

    sslproto.SSLProtocol.__init__ = make  # type: ignore[assignment,method-assign]


def _let_go_of_what_ended() -> None:
    """Let a TLS connection that has ended give back at once what OpenSSL has of it.

    The connection itself is garbage that Python finds sometime; these are its 50 KiB.
    """
    ended = sslproto.SSLProtocol.connection_lost
    nothing = ssl.MemoryBIO()

    def end(protocol: Any, error: BaseException | None) -> None:
        ended(protocol, error)
        protocol._sslobj = None  # noqa: SLF001
        # Who has not heard of the end yet may ask how much waits to be sent.
        protocol._incoming = protocol._outgoing = nothing  # noqa: SLF001
        protocol._extra.clear()  # noqa: SLF001 - it holds the first of them, too

    sslproto.SSLProtocol.connection_lost = end  # type: ignore[method-assign,assignment]
