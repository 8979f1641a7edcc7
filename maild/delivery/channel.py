# SPDX-License-Identifier: Apache-2.0
"""One open connection to a server: commands, replies in their order, and octets.

Takes the transport over from aiosmtplib once TLS and EHLO are done, because there every
command waits for its reply and the whole message is one timed write.  Here commands may
be pipelined (RFC 2920) and each wait has an idle timer of its own, never the transfer.
Whatever ends the connection is a temporary `ReplyError`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import IO

from maild.mail.reply import Reply, ReplyError
from maild.wire.smtp_order import ExpectedReplies, UnexpectedReplyError
from maild.wire.smtp_reply import ReplyFormatError, ReplyReader

PIECE = 1024 * 1024
"""Octets given to sendfile at once: what one idle timer covers."""
AT_ONCE = 64 * 1024
"""Octets given to TLS at once: it keeps what room it needed for them."""
HIGH_WATER = 32 * 1024
"""Octets that may wait to be sent before the sender waits (asyncio: 512 KiB in TLS)."""
FAREWELL = 5.0
"""Seconds that QUIT waits for its 221; nothing depends on it."""

Pending = asyncio.Future[Reply]


class Channel(asyncio.Protocol):
    """A connection on which EHLO has been answered.  ``peer`` is for error texts."""

    def __init__(self, transport: asyncio.Transport, peer: str, idle: float) -> None:
        self._transport = transport
        self._peer = peer
        self._idle = idle
        self._reader = ReplyReader()
        self._expected: ExpectedReplies[Pending] = ExpectedReplies()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended: ReplyError | None = None
        self._farewell: Reply | None = None
        self._doing = "while it was idle"
        self._owing = False
        transport.set_write_buffer_limits(high=HIGH_WATER)
        transport.set_protocol(self)

    # -- what the transport tells -------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Give each reply to the command that waits for it."""
        try:
            for reply in self._reader.feed(data):
                pending = self._expected.answered(reply.code)
                if pending is None:
                    self._farewell = reply
                elif not pending.done():
                    pending.set_result(reply)
        except (ReplyFormatError, UnexpectedReplyError) as error:
            self._end(Reply(451, "5.0", f"{self._peer} does not keep to SMTP: {error}"))
            self._transport.abort()

    def eof_received(self) -> bool:
        """End too: the peer closed its side."""
        self._end(self._lost())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever still waits."""
        self._end(self._lost())

    def pause_writing(self) -> None:
        """Hold writers back: the transport has enough."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._writable.set()

    # -- what a transaction does --------------------------------------------------

    @property
    def is_tls(self) -> bool:
        """Whether octets must pass through the TLS layer (so: no sendfile)."""
        return self._transport.get_extra_info("sslcontext") is not None

    def command(self, line: bytes, *, owing: bool = False) -> Pending:
        """Write a command and return the reply to come; several may be under way.

        ``owing``: content belongs to it, until `paid` is called.
        """
        self._check()
        if owing:
            self.owe()
        pending: Pending = asyncio.get_running_loop().create_future()
        self._expected.expect(pending)
        self._transport.write(line)
        return pending

    def owe(self) -> None:
        """Say that the server waits for octets that are not written yet."""
        self._owing = True

    def paid(self) -> None:
        """Say that all octets that were announced have been written."""
        self._owing = False

    async def ask(self, line: bytes, doing: str) -> Reply:
        """Write a command and wait for its reply."""
        return await self.answer(self.command(line), doing)

    async def answer(
        self, pending: Pending, doing: str, *, patience: float = 1.0
    ) -> Reply:
        """Wait for a reply; ``patience`` stretches the idle timer."""
        self._doing = doing
        try:
            async with asyncio.timeout(self._idle * patience):
                return await asyncio.shield(pending)
        except TimeoutError:
            raise self._timed_out() from None

    async def write(self, octets: bytes | bytearray | memoryview) -> None:
        """Write content and wait until the transport has room for more."""
        self._check()
        view = memoryview(octets)
        for start in range(0, len(view), AT_ONCE):
            self._transport.write(view[start : start + AT_ONCE])
            if not self._writable.is_set():
                await self._wait_for_room()
        await asyncio.sleep(0)  # let replies in between two pieces

    async def _wait_for_room(self) -> None:
        self._doing = "while sending content"
        try:
            async with asyncio.timeout(self._idle):
                await self._writable.wait()
        except TimeoutError:
            raise self._timed_out() from None
        self._check()

    async def send_file(self, file: IO[bytes], start: int, count: int) -> None:
        """Send ``start : start + count`` of a file; never under TLS (59 MB/s there).

        Reading pauses while a piece is under way: replies are seen between pieces.
        """
        self._doing = "while sending content"
        stop = start + count
        while start < stop:
            self._check()
            start += await self._send_piece(file, start, min(PIECE, stop - start))
            await asyncio.sleep(0)

    async def _send_piece(self, file: IO[bytes], start: int, count: int) -> int:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._idle):
                sent = await loop.sendfile(
                    self._transport, file, start, count, fallback=False
                )
        except TimeoutError:
            raise self._timed_out() from None
        except (OSError, RuntimeError) as error:  # RuntimeError: it is closing
            self._transport.abort()
            raise self._end(self._lost()) from error
        if sent == 0:
            raise EOFError("the file is shorter than the store said")
        return sent

    async def quit(self) -> None:
        """Say goodbye; never fails and never waits long.

        A server that is owed octets would take QUIT for content: it gets none.
        """
        if self._owing:
            self.abort()
            return
        with suppress(ReplyError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self.ask(b"QUIT\r\n", "after QUIT")
                self._transport.close()
                return
        self._transport.abort()  # who does not read would keep it open for ever

    def abort(self) -> None:
        """Close without a word: the peer is owed octets that will not come."""
        self._transport.abort()

    # -- how it ends --------------------------------------------------------------

    def _check(self) -> None:
        if self._ended is not None:
            raise self._ended

    def _end(self, reply: Reply) -> ReplyError:
        if self._ended is None:
            self._ended = ReplyError(reply, hang_up=True)
        self._writable.set()
        for pending in self._expected.drain():
            if not pending.done():
                pending.set_exception(self._ended)
                pending.exception()  # nobody needs to be waiting for it
        return self._ended

    def _lost(self) -> Reply:
        if self._farewell is not None:
            return self._farewell
        return Reply(451, "4.2", f"lost connection with {self._peer} {self._doing}")

    def _timed_out(self) -> ReplyError:
        self._transport.abort()
        return self._end(
            Reply(451, "4.2", f"conversation with {self._peer} timed out {self._doing}")
        )
