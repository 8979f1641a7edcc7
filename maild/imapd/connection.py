# SPDX-License-Identifier: Apache-2.0
"""One IMAP connection: octets in both directions, with back-pressure and TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol

from maild.wire.imap_read import CommandReader

AT_ONCE = 64 * 1024
"""Octets given to TLS at once: it keeps what room it needed for them."""
HIGH_WATER = 32 * 1024
"""Octets that may wait to be sent before the sender waits; and unread ones at once."""
PARTING = 30.0
"""Seconds that a client gets to take what waits for it once we have closed."""
SEND_STALL = 300.0
"""Seconds in which a piece must move before a reader that takes nothing is cut off."""


class Writer(Protocol):
    """Where answers go: a `Connection`, or a list in a test."""

    async def send(self, octets: bytes | bytearray) -> None:
        """Send at most 256 KiB; returns when the client has taken enough."""
        ...


class ClosedError(Exception):
    """The connection is gone."""


class OutOfStepError(Exception):
    """What the client sends next may be no command: it can be followed no longer."""


class Connection(asyncio.Protocol):
    """The transport's other side.  ``made`` is called once, when it is there."""

    def __init__(self, made: Callable[[Connection], None]) -> None:
        self.reader = CommandReader()
        self.secure = False
        self.host = ""
        self._made = made
        self._transport: asyncio.Transport | None = None
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = False
        self._paused = False
        self._parting: asyncio.TimerHandle | None = None

    @property
    def client(self) -> str:
        """The client as logs name it, ``unknown[ip]``."""
        return f"unknown[{self.host}]"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, deaf for now (asyncio calls this): TLS may have to come first."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._take_transport(transport)
        peer = transport.get_extra_info("peername")
        self.host = str(peer[0]) if peer else "local"
        self._made(self)

    def data_received(self, data: bytes) -> None:
        """Take octets (asyncio calls this)."""
        self.reader.feed(data)
        self._arrived.set()
        if self.reader.held > HIGH_WATER and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Close when the client does: it waits for no more answers."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End (asyncio calls this)."""
        self._closed = True
        self._arrived.set()
        self._writable.set()
        if self._parting is not None:
            self._parting.cancel()

    def pause_writing(self) -> None:
        """Stop senders (asyncio calls this above the high-water mark)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let senders go on (asyncio calls this)."""
        self._writable.set()

    def begin(self) -> None:
        """Begin to listen, in clear."""
        if self._transport is not None and not self._closed:
            self._transport.resume_reading()

    async def more(self, seconds: float) -> None:
        """Wait until octets have come; raise `ClosedError` or `TimeoutError`."""
        self._arrived.clear()
        if self._closed:
            raise ClosedError
        if self._paused and self._transport:
            self._paused = False
            self._transport.resume_reading()
        async with asyncio.timeout(seconds):
            await self._arrived.wait()
        if self._is_closed() and not self.reader.held:
            raise ClosedError

    async def send(self, octets: bytes | bytearray) -> None:
        """Send ``octets``; wait while the client is slow, but not for ever."""
        if self._closed or self._transport is None:
            raise ClosedError
        view = memoryview(octets)
        for start in range(0, len(view), AT_ONCE):
            self._transport.write(view[start : start + AT_ONCE])
            if not self._writable.is_set():
                await self._wait_for_room()
            if self._is_closed():
                raise ClosedError

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(SEND_STALL):
                await self._writable.wait()
        except TimeoutError:
            self.abort()

    async def start_tls(self, context: ssl.SSLContext, before: bytes) -> None:
        """Send ``before``, then begin TLS; what came in clear behind it is dropped.

        Nothing read before the handshake may count after it (CVE-2011-0411).
        """
        clear = self._transport
        if self._closed or clear is None:
            raise ClosedError
        clear.pause_reading()
        self.reader.drop()
        clear.write(before)
        loop = asyncio.get_running_loop()
        self._paused = False
        try:
            secured = await loop.start_tls(
                clear, self, context, server_side=True, ssl_handshake_timeout=30.0
            )
        except (OSError, ssl.SSLError) as error:
            raise ClosedError from error
        if secured is None:
            raise ClosedError
        self.secure = True
        self._take_transport(secured)

    def farewell(self, octets: bytes) -> None:
        """Send last words without waiting for anybody, then close."""
        if self._transport is not None and not self._closed:
            self._transport.write(octets)
        self.close()

    def close(self) -> None:
        """Send what waits, then close; whoever does not read it is cut off."""
        if self._transport is None or self._closed or self._parting is not None:
            return  # asyncio (3.11) cannot abort TLS that was closed twice
        self._transport.close()
        loop = asyncio.get_running_loop()
        self._parting = loop.call_later(PARTING, self._transport.abort)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
        self._closed = True

    def _is_closed(self) -> bool:
        return self._closed

    def _take_transport(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._transport = transport
