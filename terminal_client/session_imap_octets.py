# SPDX-License-Identifier: GPL-3.0-only
"""The octets of an IMAP connection: aioimaplib with another way of reading.

aioimaplib gives connection, tags, commands and their timers.  Its way of reading is
replaced: it holds literals whole, formats every octet for a debug log and recurses once
for each line.  Here literals go straight to where they are wanted, commands can be
pipelined, and a lost connection ends those that wait.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from aioimaplib import aioimaplib as lib

from terminal_client.imap_answers import (
    AnswerError,
    Placement,
    Response,
    ResponseReader,
)
from terminal_client.profile import Profile

CommandTimeout = lib.CommandTimeout
"""Raised when the server was silent for too long while a command waited."""


LARGE = 64 * 1024
"""Octets that a literal lacks from which it is worth going around `data_received`."""


def quoted(text: str) -> str:
    """Return ``text`` as a quoted string (RFC 9051 §4.3)."""
    return str(lib.quoted(text))


class LostError(Exception):
    """The connection ended while a command waited."""


class PlacedCommand(lib.Command):  # type: ignore[misc] # aioimaplib is untyped
    """A command that keeps its untagged responses, and says where literals go."""

    def __init__(
        self, tag: str, words: Sequence[str], place: Placement | None, timeout: float
    ) -> None:
        name, *arguments = words
        super().__init__(name, tag, *arguments, timeout=timeout)
        self.responses: list[Response] = []
        self.place = place
        self.on_continuation: Callable[[bytes], None] | None = None
        self.on_response: Callable[[Response], None] | None = None

    def add(self, response: Response) -> None:
        """Keep an untagged response."""
        self.responses.append(response)
        self._reset_timer()
        if self.on_response is not None:
            self.on_response(response)

    def queue(self) -> None:
        """Stop the timer: the server is busy with an earlier command."""
        self._timer.cancel()

    def stay(self) -> None:
        """Something arrived: the server is at work."""
        self._reset_timer()

    def fail(self, error: Exception) -> None:
        """End the wait with an error."""
        self._exception = error
        self.close(b"", "KO")

    @property
    def result(self) -> tuple[str, str]:
        """OK, NO or BAD, and the text after it."""
        result, lines = self.response
        return result, bytes(lines[-1]).decode(errors="replace") if lines else ""


class ImapProtocol(lib.IMAP4ClientProtocol):  # type: ignore[misc] # aioimaplib is untyped
    """Reads responses iteratively, in order, for any number of pipelined commands."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.pending: deque[PlacedCommand] = deque()
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self._reader = ResponseReader(self._place)
        self._writable = asyncio.Event()
        self._writable.set()

    def pause_writing(self) -> None:
        """Let whoever sends wait (asyncio.Protocol)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let whoever sends go on (asyncio.Protocol)."""
        self._writable.set()

    async def pour(self, octets: bytes) -> None:
        """Send octets of a literal; returns when the server has taken enough of it."""
        self.transport.write(octets)
        if self.pending:
            self.pending[0].stay()
        await self._writable.wait()

    def data_received(self, d: bytes) -> None:
        """Read what arrived (asyncio.Protocol)."""
        if self.pending:
            self.pending[0].stay()
        try:
            for response in self._reader.feed(d):
                self._take(response)
        except AnswerError as error:
            self._fail_all(error)
            self.transport.abort()
            return
        room = self._reader.room
        if room is not None and len(room) >= LARGE:
            self.transport.set_protocol(_Literal(self, self._reader))

    def connection_lost(self, exc: Exception | None) -> None:
        """End every wait (asyncio.Protocol)."""
        self._writable.set()
        self._fail_all(LostError(str(exc or "closed by the server")))

    def start(self, command: PlacedCommand) -> None:
        """Send a command; its answer is awaited by the caller."""
        if self.pending:
            command.queue()
        self.pending.append(command)
        self.transport.write(f"{command}\r\n".encode())

    def forget(self, command: PlacedCommand) -> None:
        """Stop waiting for a command."""
        if command in self.pending:
            self._remove(command)

    def _remove(self, command: PlacedCommand) -> None:
        self.pending.remove(command)
        if self.pending:  # its turn now
            self.pending[0].stay()

    def _place(self, before: tuple[bytes, ...], size: int) -> memoryview | None:
        for command in self.pending:
            if command.place is not None:
                found = command.place(before, size)
                if found is not None:
                    return found
        return None

    def _take(self, response: Response) -> None:
        line = response.line
        if not self.greeting.done():
            self.greeting.set_result(line)
        elif line.startswith(b"+"):
            if self.pending and self.pending[0].on_continuation:
                self.pending[0].on_continuation(line[1:].strip())
        elif line.startswith(b"* "):
            if self.pending:
                self.pending[0].add(response)
        else:
            self._tagged(line)

    def _tagged(self, line: bytes) -> None:
        tag, _, rest = line.partition(b" ")
        result, _, text = rest.partition(b" ")
        for command in self.pending:
            if command.tag.encode() == tag:
                self._remove(command)
                command.close(text, result=result.decode(errors="replace").upper())
                return
        raise AnswerError("an answer to no command")

    def _fail_all(self, error: Exception) -> None:
        if not self.greeting.done():
            self.greeting.set_exception(error)
            self.greeting.exception()  # nobody may be waiting any more
        while self.pending:
            self.pending.popleft().fail(error)


class _Literal(asyncio.BufferedProtocol):
    """Stands in for an `ImapProtocol` while the octets of one literal come.

    The transport writes them where they belong, never behind the literal's end.
    """

    def __init__(self, protocol: ImapProtocol, reader: ResponseReader) -> None:
        self._protocol = protocol
        self._reader = reader

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return what the literal lacks (asyncio.BufferedProtocol)."""
        room = self._reader.room
        assert room is not None, "the literal's end hands the transport back"
        return room

    def buffer_updated(self, nbytes: int) -> None:
        """Count what was written there (asyncio.BufferedProtocol)."""
        if self._protocol.pending:
            self._protocol.pending[0].stay()
        self._reader.filled(nbytes)
        if self._reader.room is None:
            self._protocol.transport.set_protocol(self._protocol)

    def eof_received(self) -> None:
        """Close: nothing can follow (asyncio.BufferedProtocol)."""

    def connection_lost(self, exc: Exception | None) -> None:
        """End every wait (asyncio.BufferedProtocol)."""
        self._protocol.connection_lost(exc)


class ImapClient(lib.IMAP4):  # type: ignore[misc] # aioimaplib is untyped
    """aioimaplib's client with our protocol and the name that TLS must show."""

    def __init__(self, profile: Profile, tls: ssl.SSLContext) -> None:
        self._tls_name = profile.tls_name or profile.imap.host
        super().__init__(profile.imap.host, profile.imap.port, ssl_context=tls)

    def create_client(
        self,
        host: str,
        port: int,
        loop: asyncio.AbstractEventLoop | None,
        conn_lost_cb: Any = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Begin to connect (called by the library's constructor)."""
        running = asyncio.get_running_loop()
        self.protocol = ImapProtocol(running)
        self._client_task = running.create_task(
            running.create_connection(
                lambda: self.protocol,
                host,
                port,
                ssl=ssl_context,
                server_hostname=self._tls_name,
            )
        )

    async def greeted(self) -> bytes:
        """Return the greeting, once connected."""
        await self._client_task
        return bytes(await self.protocol.greeting)

    def stop(self) -> None:
        """End the connection at once."""
        self._client_task.cancel()
        if self.protocol.transport is not None:
            self.protocol.transport.abort()
