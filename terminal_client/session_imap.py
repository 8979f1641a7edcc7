# SPDX-License-Identifier: GPL-3.0-only
"""The interaction unit, reading side: one IMAP connection (RFC 9051, RFC 3501)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from terminal_client import errors
from terminal_client.imap_answers import Placement, Response, changed_annotations
from terminal_client.profile import Profile
from terminal_client.sasl import Exchange
from terminal_client.session_imap_octets import (
    CommandTimeout,
    ImapClient,
    ImapProtocol,
    LostError,
    PlacedCommand,
)

CONNECT_TIMEOUT = 30.0
"""Seconds for TCP, TLS and the greeting."""
IDLE_TIMEOUT = 120.0
"""Seconds without an octet from the server while a command waits."""
PATIENCE = 600.0
"""Seconds of one IDLE, well below the 29 minutes of RFC 9051 §6.3.13: a connection that
is no longer there is noticed by the next one."""
LEAVE = 5.0
"""Seconds that the server has to end what nobody waits for any more."""

_MOVED = re.compile(rb"\* (?:[0-9]+ (?:EXISTS|EXPUNGE)|VANISHED)\b", re.IGNORECASE)
_CAPABILITY = re.compile(rb"\[CAPABILITY ([^\]]*)\]", re.IGNORECASE)


class MailboxConnection:
    """A logged-in IMAP connection; commands may be given from several tasks."""

    def __init__(self, profile: Profile, tls: ssl.SSLContext) -> None:
        self._profile = profile
        self._tls = tls
        self._client: ImapClient | None = None
        self.capabilities: frozenset[str] = frozenset()
        """Upper case; as told in the greeting or at login."""
        self.selected: str | None = None
        """The mailbox that is selected, with its mode (`terminal_client.mailbox`)."""
        self.is_rev2 = False
        """Whether IMAP4rev2 was enabled (RFC 9051 §6.3.1)."""
        self.uid_validity = 0
        """Of the selected mailbox."""
        self.watched: set[str] = set()
        """Names of annotations, in lower case, whose changes are of interest."""
        self.watches_all = False
        """Whether the changes of all annotations are of interest, also of new ones."""
        self.has_moved = False
        """Whether the server said, during any command, that messages came or went."""
        self.told: set[str] = set()
        """Those of them that the server said have changed (RFC 5464 §4.4.2), during any
        command; whoever looks at one takes it out."""

    @property
    def is_open(self) -> bool:
        """Whether commands can be given."""
        if self._client is None or self._client.protocol.transport is None:
            return False
        return not self._client.protocol.transport.is_closing()

    async def open(self, password: str) -> None:
        """Connect and log in; refuses a server that claims we are logged in already."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                self._client = ImapClient(self._profile, self._tls)
                greeting = await self._client.greeted()
                self._greet(greeting)
                if not self.capabilities:
                    await self.run("CAPABILITY")
            await self._log_in(password)
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError | ssl.SSLError | LostError):
                raise errors.from_connect(
                    error,
                    "the IMAP server",
                    str(self._profile.imap),
                    self._profile.login,
                ) from error
            raise

    def _greet(self, greeting: bytes) -> None:
        words = greeting.upper().split()
        if words[1:2] == [b"PREAUTH"]:
            # Somebody in the middle would have us work in his mailbox, unproven.
            raise errors.ProtocolError(
                "the IMAP server says that we are logged in already (PREAUTH); "
                "this may not be your server"
            )
        if words[1:2] == [b"BYE"]:
            raise errors.CutError("the IMAP server is busy or closing; try later")
        if words[:2] != [b"*", b"OK"]:
            raise errors.ProtocolError(
                f"what answers at {self._profile.imap} is not an IMAP server; "
                "check the profile's port"
            )
        self._note_capabilities(greeting)

    def _note_capabilities(self, line: bytes) -> None:
        found = _CAPABILITY.search(line)
        if found:
            self.capabilities = frozenset(
                found[1].decode("ascii", "replace").upper().split()
            )

    async def _log_in(self, password: str) -> None:
        names = [c[5:] for c in self.capabilities if c.startswith("AUTH=")]
        client = self._client_now()
        exchange = Exchange(
            names,
            str(self._profile.address),
            password,
            client.protocol.transport.get_extra_info("ssl_object"),
        )
        first = base64.b64encode(exchange.first()).decode() or "="
        words = ["AUTHENTICATE", exchange.mechanism]
        held = deque([first])
        if "SASL-IR" in self.capabilities:
            words.append(held.popleft())
        command = self._command(words, None, IDLE_TIMEOUT)
        challenges: asyncio.Queue[bytes | None] = asyncio.Queue()
        command.on_continuation = challenges.put_nowait
        client.protocol.start(command)
        answering = asyncio.ensure_future(self._answer(exchange, challenges, held))
        try:
            await self._done(command, f"log in as {self._profile.address}")
        finally:
            challenges.put_nowait(None)
            await asyncio.gather(answering)
        if not exchange.is_done:
            raise errors.ProtocolError(
                "the IMAP server said yes before it had proven itself; "
                "this may not be your server"
            )

    async def _answer(
        self,
        exchange: Exchange,
        challenges: asyncio.Queue[bytes | None],
        held: deque[str],
    ) -> None:
        while (challenge := await challenges.get()) is not None:
            if held:
                response = held.popleft()
            else:
                try:
                    octets = base64.b64decode(challenge, validate=True)
                    response = base64.b64encode(await exchange.answer(octets)).decode()
                except (binascii.Error, errors.TerminalError):
                    self.abort()
                    raise
            self._client_now().protocol.transport.write(f"{response}\r\n".encode())

    async def run(
        self,
        *words: str,
        place: Placement | None = None,
        timeout: float = IDLE_TIMEOUT,
        notice: Callable[[Response], None] | None = None,
    ) -> list[Response]:
        """Give one command; return its untagged responses.  ``timeout``: idle seconds.

        ``notice`` is told each response as it comes.  A NO or BAD is raised as the
        `TerminalError` that says so.
        """
        command = self._command(words, place, timeout)
        command.on_response = notice
        self._client_now().protocol.start(command)
        return await self._done(command, f"run {words[0]}")

    async def run_together(self, *commands: Sequence[str]) -> list[list[Response]]:
        """Give commands in one go; return the responses of each."""
        started = [self._command(words, None, IDLE_TIMEOUT) for words in commands]
        for command in started:
            self._client_now().protocol.start(command)
        return [await self._done(c, f"run {c.name}") for c in started]

    @asynccontextmanager
    async def bringing(self, *words: str) -> AsyncIterator[Bringing]:
        """Give a command that brings literals (RFC 9051 §4.3); give them to what it is.

        Afterwards all has been sent, and the server's answer was OK.
        """
        command = self._command(words, None, IDLE_TIMEOUT)
        protocol = self._client_now().protocol
        protocol.start(command)
        ending = asyncio.ensure_future(self._done(command, f"run {words[0]}"))
        ending.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            yield Bringing(protocol, command, ending)
            await asyncio.shield(ending)
        except BaseException:
            if not ending.done():  # in the middle of a literal: out of step
                self.abort()
                await asyncio.wait({ending})
            raise

    async def idle(self, patience: float = PATIENCE) -> list[Response]:
        """Wait until something happens to the selected mailbox (RFC 9051 §6.3.13).

        Return what the server told; nothing after ``patience`` seconds without news.
        What had happened before and was not told yet is told at once.
        """
        begun, told = asyncio.Event(), asyncio.Event()
        command = self._command(["IDLE"], None, patience + IDLE_TIMEOUT)
        command.on_continuation = lambda _: begun.set()
        command.on_response = lambda _: told.set()
        protocol = self._client_now().protocol
        protocol.start(command)
        ending = asyncio.ensure_future(self._done(command, "wait for news"))
        ending.add_done_callback(lambda task: task.cancelled() or task.exception())
        waiting = asyncio.ensure_future(_news(begun, told, patience))
        try:
            await asyncio.wait({ending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # also when nobody waits any more: the connection is kept in step
            waiting.cancel()
            if begun.is_set() and not ending.done():
                protocol.transport.write(b"DONE\r\n")
                await asyncio.wait({ending}, timeout=LEAVE)
            if not ending.done():
                self.abort()
        return await ending

    def _command(
        self, words: Sequence[str], place: Placement | None, timeout: float
    ) -> PlacedCommand:
        return PlacedCommand(
            self._client_now().protocol.new_tag(), words, place, timeout
        )

    async def _done(self, command: PlacedCommand, doing: str) -> list[Response]:
        try:
            await command.wait()
        except asyncio.CancelledError:
            self.abort()  # the answer still comes: to whoever has the connection next
            raise
        except CommandTimeout as error:
            self.abort()
            raise errors.CutError(
                f"the IMAP server at {self._profile.imap} went silent; try again"
            ) from error
        except LostError as error:
            raise errors.CutError(
                f"the connection to the IMAP server at {self._profile.imap} was lost; "
                "try again"
            ) from error
        finally:
            if self._client is not None:
                self._client.protocol.forget(command)
        result, text = command.result
        self._note_capabilities(text.encode())
        for response in command.responses:
            if response.line.upper().startswith(b"* CAPABILITY "):
                self._note_capabilities(b"[" + response.line[2:] + b"]")
            named = changed_annotations(response)
            self.told.update(named if self.watches_all else self.watched & set(named))
            self.has_moved |= _MOVED.match(response.line) is not None
        if result != "OK":
            raise errors.from_refusal(result, text, doing, self._profile.login)
        return command.responses

    def _client_now(self) -> ImapClient:
        if self._client is None or not self.is_open:
            raise errors.CutError(
                f"the connection to the IMAP server at {self._profile.imap} was lost; "
                "try again"
            )
        return self._client

    def abort(self) -> None:
        """End the connection at once."""
        if self._client is not None:
            self._client.stop()

    async def close(self) -> None:
        """Say goodbye; never fails."""
        if self.is_open:
            with suppress(errors.TerminalError):
                await self.run("LOGOUT", timeout=5)
        self.abort()


class Bringing:
    """A command whose literals are on their way."""

    def __init__(
        self,
        protocol: ImapProtocol,
        command: PlacedCommand,
        ending: asyncio.Future[list[Response]],
    ) -> None:
        self._protocol = protocol
        self._ending = ending
        self._asked = asyncio.Event()
        command.on_continuation = lambda _: self._asked.set()

    async def wait(self) -> None:
        """Wait until the server asks for the literal; raise its refusal."""
        asked = asyncio.ensure_future(self._asked.wait())
        either: set[asyncio.Future[Any]] = {asked, self._ending}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
        if not self._asked.is_set():
            await self._ending
            raise errors.ProtocolError("the IMAP server did not wait for the message")
        self._asked.clear()

    async def send(self, octets: bytes) -> None:
        """Send octets of a literal, or what stands between two of them."""
        if self._ending.done():
            await self._ending  # it has been refused: that is what counts
        await self._protocol.pour(octets)


async def _news(begun: asyncio.Event, told: asyncio.Event, patience: float) -> None:
    await begun.wait()  # DONE may follow the continuation only
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await told.wait()
