# SPDX-License-Identifier: Apache-2.0
"""One IMAP session: takes commands one by one, has them carried out, answers each once.

What a command does is in the tables of verbs; which one is allowed when, in
`maild.wire.imap_order`.  An error nobody foresaw costs its command, not the session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from maild import delivery_log
from maild.identity import Identity
from maild.imapd.annotated import Annotated
from maild.imapd.connection import ClosedError, Connection, OutOfStepError
from maild.imapd.outcome import SERVERBUG, Done, explain
from maild.imapd.readings import Readings
from maild.imapd.selected import LARGEST_REV1, News, Selected
from maild.imapd.settings import ImapSettings
from maild.login import Gate
from maild.mail.transfer import Lifetimes
from maild.promises import Promises
from maild.store.accounts import Account
from maild.store.errors import NotFoundError
from maild.store.house import Store
from maild.wire.imap_cursor import BadError
from maild.wire.imap_order import NUMBERED, State, refusal
from maild.wire.imap_read import (
    Broken,
    Command,
    Continue,
    Event,
    LiteralHead,
    LiteralNext,
    Misread,
    Tail,
)
from maild.wire.imap_write import flag_list, status_line

_log = logging.getLogger("maild.imapd")

LOGIN_PATIENCE = 60.0
"""Seconds for one whole command before login: a slow octet is no sign of life."""
MOST_BAD = 20
"""Commands that break the grammar before the connection ends (Postfix: hard errors)."""
MOST_FAILED_LOGINS = 5
"""Wrong credentials on one connection."""
LARGEST_REV2 = 2**63 - 1
"""Octets of the largest message that RFC 9051 can describe (§9: number64)."""


@dataclass(frozen=True, slots=True)
class House:
    """What every session of a station works with."""

    settings: ImapSettings
    lifetimes: Lifetimes
    identity: Identity
    store: Store
    gate: Gate
    promises: Promises


Verb = Callable[["Session", Command], Awaitable[Done]]


class Session:
    """One connection and what its client has done so far."""

    def __init__(
        self,
        connection: Connection,
        house: House,
        verbs: Mapping[str, Verb],
        bring: Callable[[Session, LiteralHead], Awaitable[Done]],
    ) -> None:
        self.connection = connection
        self.house = house
        self.store = house.store
        self.account: Account | None = None
        self.selected: Selected | None = None
        self.enabled: set[str] = set()
        self.annotated: Annotated | None = None
        """What was told of annotations; None unless the client wants to be told."""
        self.readings = Readings()
        self.failed_logins = 0
        self.over = False
        """Set by a verb: the connection ends after its answer."""
        self._verbs = verbs
        self._bring = bring
        self._bad = 0

    @property
    def state(self) -> State:
        """Where the session stands (RFC 9051 §3)."""
        if self.account is None:
            return State.NOT_AUTHENTICATED
        return State.AUTHENTICATED if self.selected is None else State.SELECTED

    @property
    def owner(self) -> Account:
        """The account; only verbs that need a login ask."""
        assert self.account is not None
        return self.account

    @property
    def view(self) -> Selected:
        """The selected mailbox; only verbs that need one ask."""
        assert self.selected is not None
        return self.selected

    @property
    def rev2(self) -> bool:
        """Whether the client speaks RFC 9051 (it has enabled it)."""
        return "IMAP4REV2" in self.enabled

    @property
    def condstore(self) -> bool:
        """Whether mod-sequences are told with every change (RFC 7162 §3.1)."""
        return "CONDSTORE" in self.enabled

    @property
    def largest(self) -> int:
        """Octets of the largest message that this client can be shown."""
        return LARGEST_REV2 if self.rev2 else LARGEST_REV1

    @property
    def patience(self) -> float:
        """Seconds to wait for the client's next octet."""
        return self.house.settings.idle_timeout if self.account else LOGIN_PATIENCE

    async def send(self, octets: bytes | bytearray) -> None:
        """Send an answer, or a part of one."""
        await self.connection.send(octets)

    async def untagged(self, octets: bytes) -> None:
        """Send ``* octets``."""
        await self.connection.send(b"* " + octets + b"\r\n")

    async def status(self, tag: str, word: str, text: str, code: str = "") -> None:
        """Send ``tag OK|NO|BAD|BYE [code] text``."""
        await self.connection.send(status_line(tag, word, text, code))

    async def run(self) -> None:
        """Serve until the client, a timer or the station ends it; raises nothing."""
        try:
            while not self.over:
                await self._serve_one()
        except ClosedError:
            pass
        except TimeoutError:
            self.connection.farewell(status_line("*", "BYE", "idle for too long"))
        except asyncio.CancelledError:
            bye = status_line("*", "BYE", "the server stops", "UNAVAILABLE")
            self.connection.farewell(bye)
            raise
        except Exception:  # noqa: BLE001 - one session's bug must not end the others
            _log.exception("a session with %s ends early", self.connection.client)
            bye = status_line("*", "BYE", "an error on our side", "SERVERBUG")
            self.connection.farewell(bye)
        finally:
            self.connection.close()

    async def next_line(self) -> bytes:
        """Wait for a line that is no command (SASL, DONE)."""
        reader = self.connection.reader
        async with asyncio.timeout(None if self.account else LOGIN_PATIENCE):
            while (line := reader.line()) is None:
                await self.connection.more(self.patience)
        if isinstance(line, Broken):
            await self._break_off(line)
            raise ClosedError
        return line

    async def next_event(self) -> Event:
        """Wait for what the client does next."""
        reader = self.connection.reader
        async with asyncio.timeout(None if self.account else LOGIN_PATIENCE):
            while (event := reader.next()) is None:
                await self.connection.more(self.patience)
        return event

    async def tell_news(self, *, expunges: bool) -> None:
        """Tell the client what others have done to its mailbox (RFC 9051 §5.2)."""
        if self.selected is None:
            return
        try:
            found = await self.store.index.read(self.selected.news)
        except NotFoundError:
            self.connection.farewell(status_line("*", "BYE", "the mailbox is gone"))
            raise ClosedError from None
        await self._tell(self.selected.take(found, expunges=expunges))

    async def tell_annotations(self) -> bool:
        """Name annotations that have changed (RFC 5464 §4.4.2); whether there were."""
        if self.annotated is None:
            return False
        told = await self.annotated.news(utf8=self.rev2)
        if told:
            await self.send(told)
        return bool(told)

    async def _tell(self, news: News) -> None:
        told = [b"* %d EXPUNGE\r\n" % number for number in news.expunged]
        if news.count is not None:
            told.append(b"* %d EXISTS\r\n" % news.count)
        for number, line in news.changed:
            facts = b"UID %d FLAGS %s" % (line.uid, flag_list(line.flags))
            if self.condstore:
                facts += b" MODSEQ (%d)" % line.mod_seq
            told.append(b"* %d FETCH (%s)\r\n" % (number, facts))
        if told:
            await self.send(b"".join(told))  # at once: cancelled, none may be missing

    async def _serve_one(self) -> None:
        match await self.next_event():
            case Command() as command:
                await self._answer(command)
            case Continue(tag, verb):
                await self._go_on(tag, verb)
            case LiteralHead() as head:
                await self._concluding(head.tag, self._bring(self, head), expunges=True)
            case Misread(tag, text):
                await self._bad_command(tag, text)
            case Broken() as broken:
                await self._break_off(broken)
                self.over = True
            case LiteralNext() | Tail():
                await self._bad_command("*", "there is more than was expected")

    async def _go_on(self, tag: str, verb: str) -> None:
        """Ask for a literal, or refuse the command before it holds any secret."""
        reason = refusal(verb, self.state)
        if reason is not None:
            self.connection.reader.refuse()
            await self._bad_command(tag, reason)
        elif verb in {"LOGIN", "AUTHENTICATE"} and not self.connection.secure:
            self.connection.reader.refuse()
            await self.status(tag, "NO", "begin TLS first", "PRIVACYREQUIRED")
        else:
            await self.send(b"+ go on\r\n")

    async def _answer(self, command: Command) -> None:
        reason = refusal(command.verb, self.state)
        if reason is not None:
            await self._bad_command(command.tag, reason)
            return
        expunges = command.verb not in NUMBERED
        carried_out = self._verbs[command.verb](self, command)
        await self._concluding(command.tag, carried_out, expunges=expunges)

    async def _concluding(
        self, tag: str, carried_out: Awaitable[Done], *, expunges: bool
    ) -> None:
        """Wait for a command and send its tagged answer, whatever happens in it."""
        try:
            done = await carried_out
        except BadError as error:
            await self._bad_command(tag, str(error))
        except OutOfStepError as error:
            await self._break_off(Broken(tag, str(error)))
            self.over = True
        except (ClosedError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - answered; logged if unforeseen
            refused = explain(error)
            if refused is SERVERBUG:
                client = self.connection.client
                _log.error("a command of %s failed", client, exc_info=error)
            await self.tell_news(expunges=expunges)
            await self.status(tag, "NO", refused.text, refused.code)
        else:
            await self.tell_news(expunges=expunges)
            if self.account is not None:
                self._bad = 0
            if not done.told:
                await self.status(tag, "OK", done.text, done.code)

    async def _bad_command(self, tag: str, text: str) -> None:
        code, _, rest = text.rpartition("] ")
        await self.status(tag, "BAD", rest, code.removeprefix("["))
        self._bad += 1
        if self._bad >= MOST_BAD:
            await self.status("*", "BYE", "too many errors")
            self.over = True

    async def _break_off(self, broken: Broken) -> None:
        await self._bad_command(broken.tag, broken.text)
        if not self.over:
            await self.status("*", "BYE", "that cannot be followed")

    def refused_login(self, mechanism: str, user: str) -> None:
        """Log wrong credentials; too many of them end the connection."""
        delivery_log.login_failed("imapd", self.connection.client, mechanism, user)
        self.failed_logins += 1
        self.over = self.failed_logins >= MOST_FAILED_LOGINS
