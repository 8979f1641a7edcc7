# SPDX-License-Identifier: Apache-2.0
"""Takes one chunk out of a TLS connection through a bounded ring of buffers.

While it runs it is the transport's protocol.  Its buffer never reaches beyond the
chunk, and it hands the transport back inside the call that completes the chunk: no
octet behind the chunk is ever seen here, none of the chunk by the command loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from maild.smtpd.patience import Patience
from maild.smtpd.pieces import Buffers
from maild.store.sharing import Shared

BUFFERS = 3
"""Buffers of a ring: one being filled, one being emptied, one of slack.  Records of
16 KiB are gathered in them, so that threads meet rarely."""
AT_ONCE = 64 * 1024
"""Octets that TLS takes from the socket at once, unless many chunks share the memory:
more is no faster, less costs a tenth of the CPU."""
LULL = 0.05
"""Seconds after which a part-filled buffer is handed over as it is."""


class _Sink(Protocol):
    # What a read-only view shows does not change as long as there is a view of it.
    def take(self, octets: memoryview) -> None: ...


class _Row:
    """Full buffers on their way into a sink, in order, by one thread at a time.

    A thread is not kept waiting for more: it takes some 40 KiB, and many chunks arrive
    more slowly than they go.  Nor does one that comes faster keep a thread to itself.
    ``given_back`` is called, on the loop, for each buffer.
    """

    def __init__(
        self,
        sink: _Sink,
        threads: ThreadPoolExecutor,
        given_back: Callable[[], None],
    ) -> None:
        self._sink = sink
        self._threads = threads
        self._given_back = given_back
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._full: deque[memoryview] = deque()
        self._is_over = True
        """Whether no thread has anything to do with it."""
        self._emptied = asyncio.Event()
        self._emptied.set()

    def give(self, octets: memoryview) -> None:
        """Add a buffer to the row."""
        with self._lock:
            self._full.append(octets)
            if not self._is_over:
                return
            self._is_over = False
        self._emptied.clear()
        self._threads.submit(self._empty)

    async def emptied(self) -> None:
        """Wait until the sink has all of it."""
        await self._emptied.wait()

    def _empty(self) -> None:
        for _ in range(BUFFERS):
            with self._lock:
                if not self._full:
                    self._is_over = True
                    break
                octets = self._full.popleft()
            self._sink.take(octets)
            del octets  # seen by nobody but whom the sink has lent it
            self._loop.call_soon_threadsafe(self._given_back)
        else:
            self._threads.submit(self._empty)  # behind whoever waits for a thread
            return
        self._loop.call_soon_threadsafe(self._ended)

    def _ended(self) -> None:
        if self._is_over:  # nothing has been given since
            self._emptied.set()


class TlsRing(asyncio.BufferedProtocol):
    """One chunk of ``count`` octets on its way from ``transport`` to ``sink``.

    ``pieces`` says how large buffers are, as others come and go.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        count: int,
        sink: _Sink,
        patience: Patience,
        pieces: Shared,
        threads: ThreadPoolExecutor,
        begun: bytearray,
    ) -> None:
        """``begun``: what has come before; the first thing the sink is given."""
        self._transport = transport
        self._tls = transport._ssl_protocol  # type: ignore[attr-defined]  # noqa: SLF001
        self._usual: tuple[int, bytearray] | None = None
        """How TLS received before."""
        self._protocol = protocol
        self._missing = count
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Future[None] = self._loop.create_future()
        self._row = _Row(sink, threads, self._given_back)
        self._waiting = 0
        """Buffers that the worker has not emptied yet."""
        if begun:
            self._give(memoryview(begun))
        self._pieces = pieces
        self._most = count
        self._buffers = Buffers()
        self._buffer: memoryview | None = self._fresh()
        self._filled = 0
        self._lull: asyncio.TimerHandle | None = None
        self._paused = False
        """Whether we have stopped the transport from reading."""
        self._heard = False
        """Whether octets have come since the watch last looked."""

    async def run(self) -> None:
        """Move the chunk; `ConnectionError` or `TimeoutError` when it is cut short."""
        self._transport.set_protocol(self)
        if not self._pieces.is_crowded:
            self._read_at_once(AT_ONCE)
        watch = self._loop.create_task(self._watch())
        try:
            await self._arrived
        finally:
            watch.cancel()
            self._hand_over()  # cut short, this is what a restart need not send again
            self._give_back_transport()
            self._read_as_ever()
            self._let_go()
            await self._row.emptied()

    def _let_go(self) -> None:
        """Keep no buffer: asyncio sees the last ring as long as the connection lives.

        (`set_protocol` leaves what it calls of a buffered protocol where it was.)
        """
        self._missing = 0
        self._buffer = None
        self._buffers = Buffers()

    def _read_at_once(self, octets: int) -> None:
        """Let TLS take so many octets from the socket at once.

        asyncio has a buffer for that; there is no public way to say how large.
        """
        self._usual = self._tls.max_size, self._tls._ssl_buffer  # noqa: SLF001
        self._receive_in(octets, bytearray(octets))

    def _read_as_ever(self) -> None:
        if self._usual is not None:
            self._receive_in(*self._usual)
            self._usual = None

    def _receive_in(self, most: int, buffer: bytearray) -> None:
        self._tls.max_size = most
        self._tls._ssl_buffer = buffer  # noqa: SLF001
        self._tls._ssl_buffer_view = memoryview(buffer)  # noqa: SLF001

    # What the transport tells

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to write; never more than the chunk still lacks."""
        assert self._buffer is not None, "reading goes on while the ring is full"
        return self._buffer[self._filled : self._filled + self._missing]

    def buffer_updated(self, nbytes: int) -> None:
        """Count what has been written, and pass on what is full."""
        assert self._buffer is not None
        self._heard = True
        self._patience.moved(nbytes)
        self._filled += nbytes
        self._missing -= nbytes
        if not self._missing:
            self._hand_over()
            self._give_back_transport()
            if not self._arrived.done():
                self._arrived.set_result(None)
        elif self._filled == len(self._buffer):
            self._hand_over()
        elif self._lull is None:
            self._lull = self._loop.call_later(LULL, self._hand_over)

    def eof_received(self) -> bool | None:
        """Give up: the peer ended TLS inside the chunk, nothing after that counts."""
        self._cut(ConnectionResetError())
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up; the session hears of it as well."""
        self._cut(exc or ConnectionResetError())
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on; replies are written while a chunk arrives."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._protocol.resume_writing()

    # Between the loop and the worker

    def _hand_over(self) -> None:
        if self._lull is not None:
            self._lull.cancel()
            self._lull = None
        if self._buffer is None or not self._filled:
            return
        self._give(self._buffer[: self._filled])
        self._filled = 0
        self._buffer = None
        if self._missing and self._waiting < BUFFERS:
            self._buffer = self._fresh()
        if self._buffer is None and self._missing:
            self._paused = True
            self._transport.pause_reading()

    def _give(self, octets: memoryview) -> None:
        self._waiting += 1
        self._row.give(octets.toreadonly())

    def _given_back(self) -> None:
        self._waiting -= 1
        if self._buffer is None and self._missing:
            self._buffer = self._fresh()
            self._heard = True
            self._resume()

    def _fresh(self) -> memoryview:
        return memoryview(self._buffers.take(min(self._pieces.size, self._most)))

    def _give_back_transport(self) -> None:
        if self._lull is not None:
            self._lull.cancel()
            self._lull = None
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._protocol)
            self._resume()

    def _resume(self) -> None:
        """Undo a pause of our own, never one of the stream: it would not stop again."""
        if self._paused:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _cut(self, error: Exception) -> None:
        if not self._arrived.done():
            self._arrived.set_exception(error)

    async def _watch(self) -> None:
        """Give up when the peer is idle, or slower than it may be."""
        self._heard = True
        with suppress(TimeoutError):
            # While the ring is full it is we who are slow.
            while self._heard or self._buffer is None:
                self._heard = False
                await asyncio.sleep(self._patience.left())
        self._cut(TimeoutError())
