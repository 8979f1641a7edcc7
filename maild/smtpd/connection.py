# SPDX-License-Identifier: Apache-2.0
"""One connection: its lines, its replies in order, its TLS, and how it ends.

Verbs live in `maild.smtpd.session`.  The library gives the protocol class, the stream
and STARTTLS; the command loop is ours, because a reply may wait for its commit while
the next command runs, and because a peer that half-closes still gets its replies.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

from aiosmtpd.smtp import SMTP, TLSSetupException

from maild import delivery_log
from maild.mail.reply import Reply, ReplyError
from maild.smtpd import parting, replies
from maild.smtpd.answers import Answers
from maild.smtpd.at_hand import AtHand
from maild.smtpd.listener import Listener
from maild.wire.smtp_reply import format_reply

_log = logging.getLogger(__name__)

MOST_ERRORS = 20
"""Refused commands after which a connection ends (Postfix smtpd_hard_error_limit)."""
BREATH = 24
"""Commands after which the loop gets to other connections, however many are held."""


class Connection(SMTP):
    """What every SMTP connection does, whatever the commands mean."""

    line_length_limit = 12288
    """Octets of a command line: the longest is AUTH (RFC 4954 §4)."""

    def __init__(self, listener: Listener, alive: set[Connection]) -> None:
        # An attribute of its own: the library's is shared by all connections, and each
        # new connection would reset the limits of live ones.
        self.command_size_limits = defaultdict(int)
        super().__init__(
            None,
            hostname=listener.identity.hostname,
            ident="ESMTP",
            tls_context=listener.identity.tls,
            enable_SMTPUTF8=True,
            timeout=listener.idle_timeout,
            loop=asyncio.get_running_loop(),
        )
        self.listener = listener
        self._alive = alive
        self.ip = ""
        self.tls = False
        self.own_task: asyncio.Task[None] | None = None
        self._answers = Answers(self.loop, self._write)
        self._counted = False
        self._leaving = False
        self._lingers = False
        self._is_handed_over = False
        """Whether what the connection carries is no answer of ours any more."""
        self._errors = 0
        self._verb = ""

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; also called when TLS has begun, which resets everything."""
        peer = transport.get_extra_info("peername")
        self.ip = str(peer[0]) if peer else "local"
        self.tls = transport.get_extra_info("ssl_object") is not None
        self.forget_greeting()
        if self._original_transport is None:
            self._counted = self.listener.guests.enter(self.ip)
            self._leaving = not self._counted
        super().connection_made(transport)
        if self._original_transport is None:
            self.own_task = self._handler_coroutine
            self._alive.add(self)
            delivery_log.connected(self.listener.station, self.client)

    def eof_received(self) -> bool | None:
        """Let replies that are still to come be written: Exim half-closes.

        The library would cancel the command that waits for its commit: the message
        is kept, the peer defers it, and it arrives twice.
        """
        asyncio.StreamReaderProtocol.eof_received(self)
        return not self.tls  # asyncio cannot keep half of a TLS connection

    def connection_lost(self, error: Exception | None) -> None:
        """End the stream; the loop notices, and what is being kept stays kept."""
        if self._original_transport is not None:
            self._original_transport.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Do nothing: each wait has its own idle timer, the library's is total."""

    # The loop of commands

    async def _handle_client(self) -> None:
        self.stream = AtHand(self._reader, self, self.listener)
        try:
            if self._counted:
                await self._converse()
            else:
                self.say(replies.TOO_MANY_CONNECTIONS)
        except (EOFError, ConnectionError):
            pass  # the peer has gone
        except TimeoutError:
            self.say(replies.IDLE)
        except asyncio.CancelledError:
            self.say(replies.CLOSING)
            self._lingers = self.stream.moving
        finally:
            await self._part()

    async def _converse(self) -> None:
        await self._greet()
        commands = 0
        while not self._leaving:
            commands += 1
            if not commands % BREATH:
                await asyncio.sleep(0)
            try:
                await self._obey(await self.stream.line())
            except ReplyError as error:
                self.say(error.reply)
                if error.hang_up:
                    self._leaving = self._lingers = True
            except (EOFError, ConnectionError, TimeoutError):
                raise
            except Exception as error:  # noqa: BLE001 - temporary for the peer
                if not replies.is_foreseen(error):
                    _log.exception("%s from %s", self._verb, self.client)
                self.say(replies.for_error(error))
            await self._answers.make_room()
            await self._drain()
            if self._errors >= MOST_ERRORS:
                self.hang_up(replies.TOO_MANY_ERRORS)

    async def _greet(self) -> None:
        """Greet; whoever talks before that is a robot (RFC 5321 §3.1)."""
        for _ in range(3):  # lets the loop read what has already arrived
            await asyncio.sleep(0)
        if self.stream.held:
            self.hang_up(replies.PIPELINED)
            return
        self.say(Reply(220, "", f"{self.hostname} ESMTP"))
        await self._drain()

    async def _obey(self, line: bytes) -> None:
        self._verb = "?"
        # A chunk of unknown length follows: not one of its lines may be a command.
        is_lost = line.lstrip()[:4].upper() == b"BDAT"
        try:
            text = line.removesuffix(b"\r\n").decode()
        except UnicodeDecodeError as error:
            raise ReplyError(replies.BAD_SYNTAX, hang_up=is_lost) from error
        if not line.endswith(b"\r\n") or not text.isprintable():
            raise ReplyError(replies.BAD_SYNTAX, hang_up=is_lost)
        verb, _, argument = text.partition(" ")
        self._verb = verb.upper()
        command = self._smtp_methods.get(self._verb)
        if command is None:
            raise ReplyError(replies.UNKNOWN_COMMAND, hang_up=is_lost)
        await command(argument)

    def must_be_last(self) -> None:
        """Refuse octets behind a command that needs its reply (RFC 2920 §3.1)."""
        if self.stream.held:
            raise ReplyError(replies.PIPELINED, hang_up=True)

    # Replies

    @property
    def client(self) -> str:
        """The peer as the log names it."""
        return f"unknown[{self.ip}]"

    def say(self, reply: Reply) -> None:
        """Answer; behind everything that has not been answered yet."""
        if not reply.is_positive:
            self._note(reply, self._verb, self.who())
        self._answers.say(format_reply(reply))

    def say_lines(self, octets: bytes) -> None:
        """Answer with a reply that is already written out."""
        self._answers.say(octets)

    def say_later(
        self,
        landing: Coroutine[Any, Any, Reply],
        *,
        about: tuple[str, str],
        octets: int,
    ) -> None:
        """Answer with what ``landing`` returns; the next command need not wait.

        ``about``: sender and recipients, for the log; ``octets`` of the message.
        """
        verb = self._verb

        async def land() -> bytes:
            try:
                reply = await landing
            except ReplyError as error:
                reply = error.reply
            except Exception as error:  # noqa: BLE001 - temporary for the peer
                if not replies.is_foreseen(error):
                    _log.exception("landing a message from %s", self.client)
                reply = replies.for_error(error)
            if not reply.is_positive:
                self._note(reply, verb, about)
            return format_reply(reply)

        self._answers.later(land(), octets)

    def hang_up(self, reply: Reply) -> None:
        """Say a last word and read no further command."""
        self.say(reply)
        self._leaving = self._lingers = True

    async def settle(self) -> None:
        """Wait until every reply so far is known and written."""
        await self._answers.settle()
        await self._drain()

    def _note(self, reply: Reply, verb: str, about: tuple[str, str]) -> None:
        self._errors += reply.is_permanent
        station, (sender, to) = self.listener.station, about
        delivery_log.refused(station, self.client, verb, reply, sender=sender, to=to)

    def _write(self, octets: bytes) -> None:
        if not self._is_handed_over:
            self._writer.write(octets)

    async def _drain(self) -> None:
        if parting.is_written(self.transport):
            return  # as ever: the peer reads
        async with asyncio.timeout(self.listener.idle_timeout):
            await self._writer.drain()

    # TLS

    async def smtp_STARTTLS(self, argument: str) -> None:  # noqa: N802
        """Begin TLS (RFC 3207); what was sent in clear behind it is thrown away."""
        if argument:
            raise ReplyError(replies.NO_ARGUMENT)
        if self.tls:
            raise ReplyError(replies.TLS_IS_ON)
        if self.tls_context is None:
            raise ReplyError(replies.NO_TLS)
        await self.settle()
        try:
            await super().smtp_STARTTLS("")
        except TLSSetupException as error:
            _log.info("%s: no TLS: %s", self.client, delivery_log.clean(repr(error)))
        if not self.tls:  # the library takes a connection cut short for a handshake
            self.connection_lost(None)
            raise ConnectionResetError

    # The end

    async def _part(self) -> None:
        """Close once everything that was promised is written."""
        try:
            await self.leave_transaction()
            await parting.settled(self._answers)
            async with asyncio.timeout(parting.PATIENCE):
                await self._drain()
                if self._lingers:
                    await parting.linger(self.transport, self.stream)
        except (ConnectionError, EOFError, TimeoutError):
            pass
        finally:
            parting.close(self.transport)
            if self._counted:
                self.listener.guests.leave(self.ip)
            self._alive.discard(self)
            delivery_log.disconnected(self.listener.station, self.client)

    # What a session adds

    def who(self) -> tuple[str, str]:
        """Return sender and recipients of the transaction, for the log."""
        return "", ""

    def forget_greeting(self) -> None:
        """Forget EHLO, login and transaction."""

    async def leave_transaction(self) -> None:
        """Keep of the transaction what the peer can go on with later."""

    def drop_transaction(self) -> None:
        """Forget the transaction and what has arrived of it."""
