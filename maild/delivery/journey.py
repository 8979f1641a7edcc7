# SPDX-License-Identifier: Apache-2.0
"""A push from where it begins to where it ends, by one way or by several in turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from maild.delivery import keeping, letter
from maild.delivery.client import Session, Tls
from maild.delivery.ladder import AwayError, Ladder, Lookout
from maild.delivery.octets import Octets
from maild.delivery.outcome import READY, Outcome, failed
from maild.delivery.parcel import OTHER_OCTETS, Parcel, agrees
from maild.delivery.push import Push
from maild.delivery.record import Record
from maild.delivery.route import Route
from maild.delivery.work import Means, Tally
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.offer import proof
from maild.mail.reply import Reply, ReplyError
from maild.mail.transfer import Event
from maild.store.transfers import Transfer

STALL = 30.0
"""Seconds that a push waits for a source that does not grow: then others may have its
slot, and it is due again as soon as the source goes on."""


class Journey:
    """Of one attempt: ``use`` is told of each session, ``part`` ends the last one."""

    def __init__(
        self,
        transfer: Transfer,
        means: Means,
        tally: Tally,
        record: Record,
        use: Callable[[Session], None],
        part: Callable[[], Awaitable[None]],
    ) -> None:
        self._transfer = transfer
        self._means = means
        self._tally = tally
        self._record = record
        self._use = use
        self._part = part
        self._ladder = Ladder(transfer, means)
        self.secret = ""
        """What a peer may repeat to us and nobody may read: the proof."""

    async def find(self) -> Route:
        """Return the direct route; one without stops when only a detour is left."""
        return await self._ladder.find()

    async def called(self, route: Route) -> Session | None:
        """Return a session by a call of the server that a route leads to, if any."""
        return await self._ladder.called(route)

    async def push(
        self, route: Route, level: Tls, octets: Octets, goods: Parcel
    ) -> Outcome:
        """Seed 214-218: content leaves only behind the proof that it is wanted.

        QUIT behind the envelope ends a preparation.
        """
        self._tally.relay = ", ".join(map(str, route.stops[:1]))
        session = await self._connect(route, level)
        self._use(session)
        lookout = Lookout(self._ladder, self._means, level)
        try:
            if session.via:
                lookout.begin()
            return await self._send(session, goods, octets, lookout)
        except ReplyError as error:
            if not session.keeps:
                raise
            reply = keeping.temporary(error.reply, self._transfer)
            raise ReplyError(reply) from error
        finally:
            await lookout.end()

    async def _connect(self, route: Route, level: Tls) -> Session:
        """Return a session with the server, or with who keeps content for it."""
        try:
            return await self._ladder.connect(route, level)
        except AwayError:
            self._tally.is_away = True
            if not keeping.is_time(self._transfer, self._means):
                raise
        return await keeping.connect(self._transfer, self._means)

    async def _send(
        self, session: Session, goods: Parcel, octets: Octets, lookout: Lookout
    ) -> Outcome:
        """Send by ``session``, and by the direct one once that is open."""
        means, transfer = self._means, self._transfer
        stall = min(means.settings.idle_timeout, STALL)
        with means.progress.of(transfer.id) as report:
            while True:
                push = Push(
                    session,
                    goods,
                    means.store,
                    octets,
                    self._tally,
                    report,
                    stall,
                    lookout.is_open,
                )
                mail = self._mail(session, goods.total)
                offset = await push.begin(mail, RcptTo(transfer.recipient))
                if transfer.confirm:
                    return READY
                await self._record.content_flows(
                    offset, goods.total, kept=session.keeps
                )
                reply = await push.send(offset)
                if reply is not None:
                    return self._delivered(reply, push.sha256, goods.size)
                if session.keeps:
                    await keeping.take_back(session)
                await self._part()
                session = lookout.take()
                self._use(session)

    def _delivered(self, reply: Reply, sha256: str | None, size: int) -> Outcome:
        if not agrees(reply, sha256, size):
            return failed(OTHER_OCTETS)
        self._tally.landed = size
        return Outcome(Event.DELIVER, reply)

    def _mail(self, session: Session, total: int) -> MailFrom:
        transfer = self._transfer
        assert transfer.ticket is not None
        assert transfer.sender is not None
        proven = transfer.ticket
        if not transfer.is_kept:
            proven = proof(
                transfer.ticket, transfer.id, transfer.sender, transfer.recipient
            )
        self.secret = proven
        smtputf8 = not (transfer.sender.is_ascii and transfer.recipient.is_ascii)
        if smtputf8 and "SMTPUTF8" not in session.ehlo:
            raise ReplyError(letter.NEEDS_SMTPUTF8)
        # With another BODY nothing that others were brought is lent for it: it would
        # be shown to the recipient before go.
        return MailFrom(
            transfer.sender,
            size=total,
            body=Body.SEVEN_BIT if transfer.confirm else Body.BINARY,
            smtputf8=smtputf8,
            transid=f"{proven}@{transfer.sender.domain}",
        )
