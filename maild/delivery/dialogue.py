# SPDX-License-Identifier: Apache-2.0
"""The few words at a meeting place: EHLO, AUTH as the offer, then ATRN or XCONNECT.

After the last reply the connection leads to somebody else.  So replies are read octet
by octet: what follows them is not ours to read.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import socket
from dataclasses import dataclass

from scramp import ScramClient, ScramException

from maild.delivery.route import Stop
from maild.delivery.sockets import UnreachableError, open_socket
from maild.mail.address import Address
from maild.mail.reply import Reply, ReplyError
from maild.mail.turn import End, claim, password
from maild.wire import sasl
from maild.wire.smtp_reply import (
    Ehlo,
    ReplyFormatError,
    ReplyReader,
    format_reply,
    parse_ehlo,
)

MOST_ITERATIONS = 100_000
"""Rounds of PBKDF2 that a meeting place may ask for: CPU is ours, the number is its."""
MOST_WORDS = 64 * 1024
"""Octets of all replies; nobody has so much to say."""

NO_MEETINGS = Reply(451, "7.4", "no connections are turned or joined there")
NOT_KNOWN = Reply(451, "7.8", "the meeting place does not know the offer")
NOT_PROVEN = Reply(451, "7.8", "the meeting place does not prove that it knows it")

_ROUNDS = re.compile(r"(?:^|,)i=([0-9]{1,10})(?:,|$)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How one end of an offer logs in where the other one can be met."""

    user: str
    password: str

    @classmethod
    def of(
        cls, secret: str, offer_id: str, sender: Address, recipient: Address, end: End
    ) -> Credentials:
        """Derive them from what both ends know."""
        about = secret, offer_id, sender, recipient, end
        return cls(str(claim(*about)), password(*about))


class Dialogue:
    """One connection to a meeting place; ``idle`` in seconds, for each reply."""

    def __init__(self, connection: socket.socket, stop: Stop, idle: float) -> None:
        self._connection = connection
        self._stop = stop
        self._idle = idle
        self._read = 0

    @classmethod
    async def begin(
        cls,
        stop: Stop,
        hostname: str,
        who: Credentials,
        *,
        keyword: str,
        connect: float,
        idle: float,
    ) -> Dialogue:
        """Connect and log in; raise `ReplyError`, always a temporary one.

        ``keyword``: what the meeting place must offer; ``connect`` in seconds.
        """
        dialogue = cls(await open_socket(stop, connect), stop, idle)
        try:
            await dialogue._greet(hostname, keyword)
            await dialogue._log_in(who)
        except BaseException:
            dialogue.close()
            raise
        return dialogue

    def __str__(self) -> str:
        return str(self._stop)

    async def ask(self, line: bytes, *, patience: float = 1.0) -> Reply:
        """Write a command and return the reply; ``patience`` stretches the timer."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._idle * patience):
                await loop.sock_sendall(self._connection, line)
                return await self._reply()
        except TimeoutError as error:
            raise self._lost("conversation with", "timed out") from error
        except (OSError, EOFError) as error:
            raise self._lost("connection with", "was lost") from error
        except ReplyFormatError as error:
            raise self._lost("the conversation with", "is not SMTP") from error

    async def ask_for(self, code: int, line: bytes) -> None:
        """Write a command that must be answered with ``code``, else this ends."""
        try:
            _expect(await self.ask(line), code)
        except BaseException:
            self.close()
            raise

    def give(self) -> socket.socket:
        """Return the connection, not one octet of which was read too many."""
        return self._connection

    def close(self) -> None:
        """Leave."""
        self._connection.close()

    async def _reply(self) -> Reply:
        loop, reader = asyncio.get_running_loop(), ReplyReader()
        while True:
            octet = await loop.sock_recv(self._connection, 1)
            self._read += 1
            if not octet:
                raise EOFError
            if self._read > MOST_WORDS:
                raise ReplyFormatError("more than there is to say")
            for reply in reader.feed(octet):
                return reply

    async def _greet(self, hostname: str, keyword: str) -> None:
        _expect(await self.ask(b""), 220)
        reply = await self.ask(f"EHLO {hostname}\r\n".encode())
        _expect(reply, 250)
        ehlo: Ehlo = parse_ehlo(reply)
        if keyword not in ehlo or sasl.SCRAM not in ehlo.mechanisms:
            raise ReplyError(NO_MEETINGS)

    async def _log_in(self, who: Credentials) -> None:
        """AUTH (RFC 4954) by SCRAM (RFC 5802): both sides prove that they know."""
        client = ScramClient([sasl.SCRAM], who.user, who.password)
        first = _coded(client.get_client_first())
        try:
            challenge = await self._challenge(f"AUTH {sasl.SCRAM} {first}")
            rounds = _ROUNDS.search(challenge)
            if rounds is None or int(rounds[1]) > MOST_ITERATIONS:
                raise ReplyError(NOT_PROVEN)
            client.set_server_first(challenge)
            final = await asyncio.to_thread(client.get_client_final)
            client.set_server_final(await self._challenge(_coded(final)))
        except ScramException as error:
            raise ReplyError(NOT_PROVEN) from error
        _expect(await self.ask(b"\r\n"), 235)

    async def _challenge(self, line: str) -> str:
        reply = await self.ask(f"{line}\r\n".encode())
        if reply.code == 535:
            raise ReplyError(NOT_KNOWN)
        _expect(reply, 334)
        try:
            return base64.b64decode(reply.text, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise ReplyError(NOT_PROVEN) from error

    def _lost(self, what: str, how: str) -> ReplyError:
        return UnreachableError(Reply(451, "4.2", f"{what} {self._stop} {how}"))


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _expect(reply: Reply, code: int) -> None:
    """Let a meeting place that refuses be a way that is closed now, never an end."""
    if reply.code != code:
        text = format_reply(reply).decode().splitlines()[0]
        raise ReplyError(Reply(451, "4.4", f"the meeting place says {text}"))
