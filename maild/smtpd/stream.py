# SPDX-License-Identifier: Apache-2.0
"""The octets of one connection: lines on the loop, chunks past it.

A chunk first takes what already sits in the reader.  The rest of a large one goes
around the stream: plain, a worker thread reads a duplicate of the socket; inside TLS,
the transport writes into a ring of buffers that a worker thread empties.  In both
cases octets are parsed, hashed and written in the worker, never on the loop.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from dataclasses import dataclass
from typing import Protocol

from maild.mail.reply import ReplyError
from maild.smtpd import replies
from maild.smtpd.listener import Listener
from maild.smtpd.patience import Patience
from maild.smtpd.pieces import LARGEST, Buffers
from maild.smtpd.thread import in_thread
from maild.smtpd.tls_ring import TlsRing
from maild.store.sharing import Shared

BULK = 256 * 1024
"""Octets from which a chunk is worth going around the stream."""
WAKE = 256 * 1024
"""Octets that are worth waking a thread for."""
LULL = 50
"""Milliseconds without octets after which a piece is taken as it is."""


class Sink(Protocol):
    """Where a chunk goes; used by one worker thread at a time."""

    @property
    def offset(self) -> int:
        """Octets in the file that the next ones are appended to."""
        ...

    def take(self, octets: memoryview) -> None:
        """Take octets; never raises, so that the connection stays in step.

        What a read-only view shows does not change as long as there is a view of it.
        """
        ...


class Stream:
    """The octets of one connection, in order."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        protocol: asyncio.Protocol,
        listener: Listener,
    ) -> None:
        self._reader = reader
        self._protocol = protocol
        self._idle = listener.idle_timeout
        self.moving = False
        """Whether a chunk is under way (or was cut short)."""
        self._threads = listener.threads
        self._socket_threads = listener.socket_threads
        self._pieces = listener.pieces

    @property
    def held(self) -> int:
        """Octets that have arrived and nobody has asked for yet."""
        return len(self._buffer)

    @property
    def _buffer(self) -> bytearray:
        # The reader has no public view of what it holds; without one, the octets of a
        # chunk could not be told from those behind it (aiosmtpd does the same).
        buffer: bytearray = self._reader._buffer  # type: ignore[attr-defined]  # noqa: SLF001
        return buffer

    @property
    def _transport(self) -> asyncio.Transport:
        transport = self._protocol.transport  # type: ignore[attr-defined]
        if transport is None:
            raise ConnectionResetError
        assert isinstance(transport, asyncio.Transport)
        return transport

    async def line(self) -> bytes:
        """Return the next line with its end; `ReplyError` when it is too long."""
        try:
            async with asyncio.timeout(self._idle):
                return await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            raise ReplyError(replies.LINE_TOO_LONG, hang_up=True) from error

    def patience(self) -> Patience:
        """Return the patience with one content."""
        return Patience(self._idle)

    async def piece(self, most: int, patience: Patience) -> bytes:
        """Return up to ``most`` octets as soon as there are any."""
        async with asyncio.timeout(patience.left()):
            octets = await self._reader.read(most)
        if not octets:
            raise ConnectionResetError
        patience.moved(len(octets))
        return octets

    def put_back(self, octets: bytes) -> None:
        """Give back what was read beyond the end of a content."""
        self._buffer[0:0] = octets

    async def drop(self, most: int, quiet: float) -> None:
        """Read and forget up to ``most`` octets, until ``quiet`` seconds of silence."""
        while most > 0:
            async with asyncio.timeout(quiet):
                octets = await self._reader.read(min(most, LARGEST))
            if not octets:
                return
            most -= len(octets)

    async def move(self, count: int, sink: Sink) -> None:
        """Give exactly ``count`` octets to ``sink``; `ConnectionError` if cut short."""
        self.moving = True
        patience = self.patience()
        if count < BULK:
            while count:
                octets = await self.piece(count, patience)
                await in_thread(self._threads, sink.take, memoryview(octets))
                count -= len(octets)
        else:
            with self._pieces.one_more():
                await self._move_around(count, sink, patience)
        self.moving = False

    async def _move_around(self, count: int, sink: Sink, patience: Patience) -> None:
        # What the reader holds goes first.  Nothing here lets the loop run between
        # that and the hand-over: it would read more into the reader meanwhile.
        begun = bytearray()
        while self.held and len(begun) < count:
            begun += await self._reader.read(count - len(begun))
        count -= len(begun)
        transport = self._transport
        if not count:
            await in_thread(self._threads, sink.take, memoryview(begun).toreadonly())
        elif transport.get_extra_info("ssl_object") is None:
            chunk = _Chunk(begun, count, sink, patience, self._pieces)
            await self._by_thread(transport, chunk)
        else:
            ring = TlsRing(
                transport,
                self._protocol,
                count,
                sink,
                patience,
                self._pieces,
                self._threads,
                begun,
            )
            del begun  # the sink has it; a chunk may take long
            await ring.run()

    async def _by_thread(self, transport: asyncio.Transport, chunk: _Chunk) -> None:
        """Let a thread read the socket itself; the loop does not touch it meanwhile."""
        transport.pause_reading()
        ours = transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(ours.fileno())) as duplicate:
            loop = asyncio.get_running_loop()
            moved = loop.run_in_executor(self._socket_threads, _copy, duplicate, chunk)
            try:
                await asyncio.shield(moved)
            except asyncio.CancelledError:
                duplicate.shutdown(socket.SHUT_RD)  # wakes the thread
                await asyncio.wait([moved])
                raise
            finally:
                if not transport.is_closing():
                    transport.resume_reading()


@dataclass(slots=True)
class _Chunk:
    """A chunk for a thread to move: ``begun``, then ``count`` octets more."""

    begun: bytearray
    count: int
    sink: Sink
    patience: Patience
    pieces: Shared


def _copy(source: socket.socket, chunk: _Chunk) -> None:
    """Move the chunk in pieces that end where a piece of their file ends.

    Buffer and file offsets agree modulo the piece: the kernel then copies whole pages,
    and large ones.
    """
    if chunk.begun:
        chunk.sink.take(memoryview(chunk.begun).toreadonly())
    tap = _Tap(source)
    buffers = Buffers()
    try:
        while chunk.count:
            size = chunk.pieces.size
            start = chunk.sink.offset % size
            stop = start + min(chunk.count, size - start)
            piece = memoryview(buffers.take(size))[start:stop]
            filled = tap.fill(piece, chunk.count, chunk.patience.left())
            chunk.patience.moved(filled)
            chunk.sink.take(piece[:filled].toreadonly())
            del piece  # seen by nobody but whom the sink has lent it
            chunk.count -= filled
    finally:
        tap.wake_at(1)


class _Tap:
    """Where a thread takes the octets of a chunk, woken for many of them at once."""

    def __init__(self, source: socket.socket) -> None:
        source.setblocking(False)  # as it is: the loop goes on writing replies to it
        self._source = source
        self._ready = select.poll()
        self._ready.register(source, select.POLLIN)
        self._wake_at = 1

    def fill(self, view: memoryview, missing: int, patience: float) -> int:
        """Read until ``view`` is full or nothing comes for a moment; one at least.

        ``missing`` octets of the chunk are to come, these included; ``patience`` in
        seconds, for the first one.
        """
        filled = 0
        while filled < len(view):
            try:
                got = self._source.recv_into(view[filled:])
            except BlockingIOError:
                self.wake_at(min(missing - filled, WAKE))
                if self._ready.poll(LULL):
                    continue
                if filled:
                    break
                self.wake_at(1)
                if not self._ready.poll(patience * 1000):
                    raise TimeoutError from None
                continue
            except ConnectionError:
                if filled:
                    break  # the next piece will say so; this one is good
                raise
            if not got:
                if filled:
                    break
                raise ConnectionResetError
            filled += got
        return filled

    def wake_at(self, octets: int) -> None:
        """Let `poll` tell of that many octets, or that no more will come."""
        if octets != self._wake_at:
            self._source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, octets)
            self._wake_at = octets
