# SPDX-License-Identifier: Apache-2.0
"""The ways to a server that content is for: direct, by its own call, by a rendezvous.

What the server itself says is its answer, whichever way it was reached, and no reason
to try another one: only a way that is closed (refused, silent, without the right TLS)
leads to the next rung.  Every attempt begins with the direct way.
"""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import suppress

from maild.delivery.client import Session, Tls
from maild.delivery.dialogue import Credentials, Dialogue
from maild.delivery.route import BEST_IS_US, NO_MAIL, Route, Stop
from maild.delivery.sockets import UnreachableError
from maild.delivery.trust import InsecureError
from maild.delivery.work import Means
from maild.mail.reply import Reply, ReplyError
from maild.mail.turn import End
from maild.store.transfers import Transfer
from maild.wire import smtp_turn

PATIENCE = 3.0
"""Seconds that the direct way gets, up to EHLO in TLS, where there is another one."""
MEETING = 30.0
"""Seconds for each reply of a rendezvous, which may wait itself for the other end."""
LOOK_EVERY = 3.0
"""Seconds between two looks whether the direct way has opened; each longer, up to
`LOOK_MOST`."""
LOOK_MOST = 30.0
"""Most seconds between two such looks."""
DIRECT = "direct"
"""What the delivery line and ``status`` call the direct way."""
CALLED = "atrn"
"""What they call a connection by which the server has called us (RFC 2645)."""


class AwayError(ReplyError):
    """No way leads to the server: it is not there, rather than unwilling."""


TOO_SLOW = Reply(451, "4.1", "the server does not answer in time")
NO_OTHER_WAY = Reply(451, "4.4", "there is no other way")
_NO_DETOUR = frozenset({NO_MAIL, BEST_IS_US})
"""What is said of a domain for good, by itself or by the operator."""


class Ladder:
    """Of one attempt at a push."""

    def __init__(self, transfer: Transfer, means: Means) -> None:
        self._transfer = transfer
        self._means = means

    async def find(self) -> Route:
        """Return the direct route; one without stops when only a detour is left."""
        domain, router = self._transfer.recipient.domain, self._means.router
        try:
            return await router.find(domain)
        except ReplyError as error:
            # only content goes by a rendezvous; whoever calls is called by its name
            pushed = self._transfer.ticket is not None and bool(self._transfer.via)
            called = self._means.callers.is_waiting(*self._callers(domain))
            if not (pushed or called) or error.reply in _NO_DETOUR:
                raise
            return Route(domain, (), router.peer(domain))

    async def connect(self, route: Route, level: Tls) -> Session:
        """Return a session by the first way that is open; raise `ReplyError`."""
        if not self._has_detour:
            try:
                return await self._means.client.connect(route, level)
            except (UnreachableError, InsecureError):
                if not self._has_detour:  # nor has somebody called meanwhile
                    raise
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._means.client.connect(route, level)
        except TimeoutError:
            closed: ReplyError = UnreachableError(TOO_SLOW)
        except (UnreachableError, InsecureError) as error:
            closed = error
        try:
            return await self.called(route) or await self._joined(route)
        except ReplyError as error:
            if closed.reply == TOO_SLOW:  # slow is better than nothing
                try:
                    return await self._means.client.connect(route, level)
                except (UnreachableError, InsecureError) as late:
                    closed = late
            via = self._transfer.via or CALLED
            why = f"{closed.reply.text}; by way of {via}: "
            reply = Reply(451, closed.reply.detail, why + error.reply.text)
            if isinstance(closed, InsecureError):  # it is there
                raise ReplyError(reply) from error
            raise AwayError(reply) from error

    @property
    def _has_detour(self) -> bool:
        names = self._callers(self._transfer.recipient.domain)
        return self._means.callers.is_waiting(*names) or bool(self._transfer.via)

    def _callers(self, domain: str) -> tuple[str, ...]:
        """Name who may have called: for this transfer, or for all mail."""
        return self._transfer.id, f"@{domain}"

    async def called(self, route: Route) -> Session | None:
        """Use the connection by which the server has called us, if it has."""
        connection = self._means.callers.take(*self._callers(route.domain))
        if connection is None:
            return None
        try:
            host, port = connection.getpeername()[:2]
        except OSError:  # it has just gone
            connection.close()
            return None
        stop = Stop(route.domain, ipaddress.ip_address(host), port)
        return await self._means.client.connect_by(connection, route, stop, CALLED)

    async def _joined(self, route: Route) -> Session:
        """Let the rendezvous join us to the server, should that wait there."""
        transfer, means = self._transfer, self._means
        if not transfer.via or transfer.nonce is None or transfer.sender is None:
            raise UnreachableError(NO_OTHER_WAY)
        who = Credentials.of(
            transfer.nonce,
            transfer.id,
            transfer.sender,
            transfer.recipient,
            End.SOURCE,
        )
        last: ReplyError = UnreachableError(NO_OTHER_WAY)
        for stop in (await means.router.find(transfer.via)).stops:
            try:
                return await self._joined_at(stop, route, who)
            except UnreachableError as error:
                last = error
        raise last

    async def _joined_at(self, stop: Stop, route: Route, who: Credentials) -> Session:
        settings = self._means.settings
        dialogue = await Dialogue.begin(
            stop,
            self._means.identity.hostname,
            who,
            keyword="XCONNECT",
            connect=min(settings.connect_timeout, PATIENCE),
            idle=min(settings.idle_timeout, MEETING),
        )
        await dialogue.ask_for(250, smtp_turn.xconnect(route.domain))
        return await self._means.client.connect_by(
            dialogue.give(), route, stop, self._transfer.via
        )


class Lookout:
    """Looks, while content goes by a detour, whether the direct way has opened.

    Use as a context manager; ``session`` is the open direct way, to be taken by
    whoever uses it.
    """

    def __init__(self, ladder: Ladder, means: Means, level: Tls) -> None:
        self._ladder = ladder
        self._client = means.client
        self._level = level
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None

    def is_open(self) -> bool:
        """Whether the direct way is open."""
        return self._session is not None

    def take(self) -> Session:
        """Return the direct way that is open; it is the caller's from now on."""
        assert self._session is not None
        session, self._session = self._session, None
        return session

    def begin(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look())

    async def end(self) -> None:
        """Look no more; close what nobody has taken."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._session is not None:
            await self.take().channel.quit()

    async def _look(self) -> None:
        pause = LOOK_EVERY
        while self._session is None:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LOOK_MOST)
            with suppress(ReplyError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    route = await self._ladder.find()
                    self._session = await self._client.connect(route, self._level)
