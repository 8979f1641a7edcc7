# SPDX-License-Identifier: GPL-3.0-only
"""The interaction unit, sending side: one submission connection (RFC 6409).

aiosmtplib gives connection, EHLO and AUTH; pipelined replies and the octets of BDAT
(RFC 3030) are ours, because the library keeps one reply at a time and whole messages.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from collections.abc import Callable
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from maild.mail.reply import Reply
from maild.wire.smtp_reply import Ehlo, ReplyFormatError, ReplyReader, parse_ehlo
from terminal_client import errors
from terminal_client.profile import Profile
from terminal_client.sasl import Exchange

CONNECT_TIMEOUT = 30.0
"""Seconds for TCP, TLS and the greeting."""
REPLY_TIMEOUT = 300.0
"""Seconds for a reply to a command (RFC 5321 §4.5.3.2)."""
IDLE_TIMEOUT = 180.0
"""Seconds in which the server must take some octets (RFC 5321 §4.5.3.2.5)."""
LAST_REPLY_TIMEOUT = 600.0
"""Seconds for the reply that takes responsibility (RFC 5321 §4.5.3.2.6)."""
WRITE = 256 * 1024
"""Octets handed to the connection at a time."""


class _Protocol(SMTPProtocol):
    """Keeps every reply, in order; the library's own keeps one."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lost: Callable[[SMTPProtocol], None],
    ) -> None:
        super().__init__(loop, lost)
        self.replies: asyncio.Queue[Reply | None] = asyncio.Queue()
        """None once: nothing will follow."""
        self._reader = ReplyReader()

    def data_received(self, data: bytes) -> None:
        try:
            for reply in self._reader.feed(data):
                self.replies.put_nowait(reply)
        except ReplyFormatError:
            self.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.replies.put_nowait(None)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close without a further octet: an unfinished chunk must not be completed."""
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()

    async def next_reply(self, timeout: float | None) -> Reply:
        """Return the next reply; raise what aiosmtplib raises when there is none."""
        async with asyncio.timeout(timeout):
            reply = await self.replies.get()
        if reply is None:
            self.replies.put_nowait(None)
            raise SMTPServerDisconnected("the connection was lost")
        return reply

    async def read_response(self, timeout: float | None = None) -> SMTPResponse:
        reply = await self.next_reply(timeout)
        return SMTPResponse(reply.code, f"{reply.status} {reply.text}".lstrip())

    async def drain(self) -> None:
        """Wait until the connection takes more octets."""
        await self._drain_helper()


class _Client(SMTP):
    """aiosmtplib's client with our protocol and the name that TLS must show."""

    tls_name: str

    async def _create_connection(self, timeout: float | None) -> SMTPResponse:
        loop = asyncio.get_running_loop()
        protocol = _Protocol(loop, self._on_connection_lost)
        transport, _ = await loop.create_connection(
            lambda: protocol,
            self.hostname or "",
            self.port or 0,
            ssl=self.tls_context,
            server_hostname=self.tls_name,
        )
        self.protocol, self.transport = protocol, transport
        return await protocol.read_response(timeout)


class SubmissionConnection:
    """A logged-in submission connection; use it from one task at a time."""

    def __init__(self, profile: Profile, tls: ssl.SSLContext) -> None:
        self._profile = profile
        self._client = _Client(
            hostname=profile.submission.host,
            port=profile.submission.port,
            use_tls=True,
            tls_context=tls,
            local_hostname="[127.0.0.1]",  # never looked up; EHLO says the real one
            timeout=REPLY_TIMEOUT,
        )
        self._client.tls_name = profile.tls_name or profile.submission.host
        self.ehlo = Ehlo("", {})
        """What the server offers, after `open`."""

    @property
    def _protocol(self) -> _Protocol:
        if not isinstance(self._client.protocol, _Protocol):
            raise self._lost()
        return self._client.protocol

    @property
    def is_open(self) -> bool:
        """Whether commands can be given."""
        return self._client.is_connected

    async def open(self, password: str) -> None:
        """Connect and log in (seed 201, 202)."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                greeting = await self._client.connect()
            if greeting.code != 220:
                raise errors.from_reply(Reply(*_split(greeting)), "connect")
            await self._hello()
            await self._log_in(password)
        except (OSError, SMTPException, ssl.SSLError, asyncio.CancelledError) as error:
            self._client.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise errors.from_connect(
                error,
                "the submission server",
                str(self._profile.submission),
                self._profile.login,
            ) from error
        except errors.TerminalError:
            self._client.close()
            raise

    async def _hello(self) -> None:
        host, *_ = self._client.get_transport_info("sockname")
        literal = f"[IPv6:{host}]" if ":" in host else f"[{host}]"
        reply = await self.command(f"EHLO {literal}\r\n".encode())
        if not reply.is_positive:
            raise errors.from_reply(reply, "greet the server")
        self.ehlo = parse_ehlo(reply)

    async def _log_in(self, password: str) -> None:
        exchange = Exchange(
            self.ehlo.mechanisms,
            str(self._profile.address),
            password,
            self._client.get_transport_info("ssl_object"),
        )
        first = base64.b64encode(exchange.first()).decode()
        reply = await self.command(f"AUTH {exchange.mechanism} {first}\r\n".encode())
        while reply.code == 334:
            try:
                challenge = base64.b64decode(reply.text, validate=True)
            except binascii.Error as error:
                raise errors.ProtocolError("the login is malformed") from error
            response = base64.b64encode(await exchange.answer(challenge))
            reply = await self.command(response + b"\r\n")
        if reply.code != 235:
            doing = f"log in as {self._profile.address}"
            raise errors.from_reply(reply, doing, self._profile.login)
        if not exchange.is_done:
            raise errors.ProtocolError(
                "the server said yes before it had proven itself; "
                "this may not be your server"
            )

    async def command(self, line: bytes) -> Reply:
        """Give one command, with its CRLF, and return the reply."""
        (reply,) = await self.commands([line])
        return reply

    async def commands(self, lines: list[bytes]) -> list[Reply]:
        """Give several commands at once (RFC 2920); return their replies in order."""
        self.write(b"".join(lines))
        return [await self.reply() for _ in lines]

    def write(self, octets: bytes) -> None:
        """Send octets without waiting for anything."""
        try:
            self._protocol.write(octets)
        except SMTPException as error:
            raise self._lost() from error

    async def send_octets(self, octets: memoryview) -> None:
        """Send content; returns when the connection takes more."""
        protocol = self._protocol
        try:
            for start in range(0, len(octets), WRITE):
                protocol.write(octets[start : start + WRITE])  # type: ignore[arg-type] # transports take views
                async with asyncio.timeout(IDLE_TIMEOUT):
                    await protocol.drain()
        except (OSError, SMTPException) as error:
            raise self._lost(error) from error

    def replies_waiting(self) -> bool:
        """Whether the server has already answered something."""
        return not self._protocol.replies.empty()

    async def reply(self, timeout: float = REPLY_TIMEOUT) -> Reply:
        """Return the next reply."""
        try:
            return await self._protocol.next_reply(timeout)
        except (OSError, SMTPException) as error:
            raise self._lost(error) from error

    def abort(self) -> None:
        """End the connection at once: what is under way must not be completed."""
        if isinstance(self._client.protocol, _Protocol):
            self._client.protocol.abort()
        self._client.close()

    async def close(self) -> None:
        """Say goodbye; never fails."""
        if self._client.is_connected:
            try:
                self.write(b"QUIT\r\n")
                await self.reply(timeout=5)
            except errors.TerminalError:
                pass
        self._client.close()

    def _lost(self, error: Exception | None = None) -> errors.CutError:
        place = self._profile.submission
        if isinstance(error, TimeoutError):
            self.abort()  # a reply that comes late would be taken for another one
            return errors.CutError(
                f"the submission server at {place} went silent; try again"
            )
        return errors.CutError(
            f"the connection to the submission server at {place} was lost; try again"
        )


def _split(response: SMTPResponse) -> tuple[int, str, str]:
    return response.code, "", response.message
