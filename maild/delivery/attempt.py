# SPDX-License-Identifier: Apache-2.0
"""One attempt to bring one transfer a step further, from the claim to its outcome.

- a share without ticket is offered (to a server of ours) or mailed (to any other);
- a share with ticket is pushed: never without TLS that proves who the peer is;
- so is content of others that we keep, as a rendezvous;
- a share whose sender has yet to say go gets as far as its first octet of content;
- an answer that brings a ticket goes by such TLS, too;
- a withdrawal goes where an offer may go, as does what passes a rendezvous;
- what is no content goes by the transfer's rendezvous, if it can be reached;
- ordinary mail and other answers go as they are.

An attempt ends in exactly one recorded event and one delivery line.
"""

from __future__ import annotations

import asyncio
import logging

from maild import delivery_log
from maild.delivery import letter, parcel
from maild.delivery.client import Session, Tls
from maild.delivery.journey import Journey
from maild.delivery.ladder import DIRECT
from maild.delivery.letter import Letter
from maild.delivery.octets import Octets
from maild.delivery.outcome import READY, Outcome, failed
from maild.delivery.parcel import Parcel
from maild.delivery.push import NOT_OURS
from maild.delivery.record import Record
from maild.delivery.route import Route
from maild.delivery.sockets import UnreachableError
from maild.delivery.trust import InsecureError
from maild.delivery.work import Means, Tally
from maild.mail.compose import Facts
from maild.mail.reply import LOCAL_ERROR, Reply, ReplyError
from maild.mail.transfer import Event, IllegalTransitionError, Kind
from maild.store import messages, versions
from maild.store.errors import NotFoundError, StoreError
from maild.store.items import Item
from maild.store.transfers import Transfer

_log = logging.getLogger("maild.delivery")

GONE = Reply(554, "6.0", "the item or message is not there any more")
TOO_LARGE_FOR_TICKET = Reply(554, "7.1", "the item is larger than what was accepted")
_TOLD_TO_OURS = frozenset({Kind.WITHDRAWAL, Kind.RELAY})
STOPPED = Reply(451, "3.2", "the attempt was stopped")


class Attempt:
    """Runs once."""

    def __init__(self, transfer: Transfer, means: Means) -> None:
        self._transfer = transfer
        self._means = means
        self._tally = Tally(means.store.clock())
        self._record = Record(transfer, means, self._tally)
        self._session: Session | None = None
        self._journey = Journey(
            transfer, means, self._tally, self._record, self._talk_to, self._hang_up
        )
        self._offers = False
        """Whether an offer is on its way: the server may have it, or not."""
        self._kept: int | None = None
        """The blob that is of no use here once its message is delivered."""
        self.is_decided = False
        """Set once only the goodbye is left: there is nothing to stop any more."""

    async def run(self) -> None:
        """Make the attempt; record and log its outcome whatever happens.

        Cancelled, it drops the connection and leaves the record to whoever cancelled.
        """
        try:
            outcome = (await self._outcome()).without(self._journey.secret)
        except asyncio.CancelledError:
            if self._session is not None:
                self._session.channel.abort()
            self._record.log_line(Outcome(Event.FAIL_FOR_NOW, STOPPED))
            if self._offers:
                self._record.offer_left()
            raise
        self.is_decided = True
        try:
            await self._record.keep(outcome, self._hang_up)
        except BaseException:
            if not self._record.is_kept:  # the next start makes another attempt
                outcome = failed(STOPPED)
            raise
        finally:
            self._record.log_line(outcome)
        if outcome.is_final:
            delivery_log.removed(self._transfer.id)
            if self._kept is not None:
                self._means.store.blobs.drop(self._kept)
        await self._hang_up()

    async def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.channel.quit()

    async def _outcome(self) -> Outcome:
        try:
            return await self._try()
        except ReplyError as error:
            return failed(error.reply)
        except NotFoundError:
            return failed(GONE)
        except (StoreError, EOFError):
            _log.exception("%s: the store failed this attempt", self._transfer.id)
            return failed(LOCAL_ERROR)
        except IllegalTransitionError:
            return failed(STOPPED)
        except Exception:  # noqa: BLE001 - an error nobody foresaw is temporary
            _log.exception("%s: an attempt failed", self._transfer.id)
            return failed(LOCAL_ERROR)

    async def _try(self) -> Outcome:
        transfer, means = self._transfer, self._means
        ticketed = transfer.ticket is not None
        with Octets(means.store.blobs, means.readers) as octets:
            if transfer.via and not ticketed:
                passed = await self._by_rendezvous(octets)
                if passed is not None:
                    return passed
            route = await self._journey.find()
            secret = ticketed or transfer.carries_ticket
            level = Tls.TRUSTED if secret and not route.peer.plain else Tls.MAY
            if ticketed:
                goods = await self._goods()
                return await self._journey.push(route, level, octets, goods)
            if transfer.kind in _TOLD_TO_OURS:
                return await self._tell(route, octets)
            if transfer.kind is not Kind.SHARE:
                return await self._mail(route, level, octets)
            item = await self._item()
            session = await self._connect_to_offer(route)
            if session.takes_pushes:
                return await self._offer(session, octets)
            return await self._attach(session, octets, item)

    async def _by_rendezvous(self, octets: Octets) -> Outcome | None:
        """Let the rendezvous pass on what is no content (seed 207).

        None when it cannot be reached, or does not know these two: then it goes as if
        there were none.  What it has looked at and refused is refused.
        """
        transfer, means = self._transfer, self._means
        try:
            route = await means.router.find(transfer.via)
            session = await self._connect_to_offer(route)
        except ReplyError as error:
            await self._pass_over(error.reply)
            return None
        if not session.takes_pushes:
            await self._pass_over(NOT_OURS)
            return None
        try:
            if transfer.kind is Kind.SHARE:
                return await self._offer(session, octets)
            reply = await letter.send(
                session, await self._letter(), octets, self._tally
            )
            return Outcome(Event.DELIVER, reply)
        except ReplyError as error:
            if (error.reply.code, error.reply.detail) != (550, "7.1"):
                raise
            await self._pass_over(error.reply)
            return None

    async def _pass_over(self, reply: Reply) -> None:
        """Leave the rendezvous, and say why."""
        why = delivery_log.clean(str(reply))
        via = self._transfer.via
        _log.info("%s: not by the rendezvous %s: %s", self._transfer.id, via, why)
        await self._hang_up()

    async def _connect(self, route: Route, level: Tls) -> Session:
        self._tally.relay = ", ".join(map(str, route.stops[:1]))
        try:
            session = await self._means.client.connect(route, level)
        except UnreachableError:
            called = await self._journey.called(route)
            if called is None:
                raise
            session = called
        self._talk_to(session)
        return session

    def _talk_to(self, session: Session) -> None:
        self._session = session
        self._tally.relay = str(session.stop)
        self._tally.tls = session.tls
        self._tally.ways.append(session.via or DIRECT)
        self._tally.start_talking()

    async def _connect_to_offer(self, route: Route) -> Session:
        """Make no offer to a server of ours to which the content could not follow.

        Any other server is spoken to as all mail is (RFC 7435).
        """
        if route.peer.plain:
            return await self._connect(route, Tls.MAY)
        try:
            return await self._connect(route, Tls.TRUSTED)
        except InsecureError:
            session = await self._connect(route, Tls.MAY)
            if session.takes_pushes:
                raise
            return session

    async def _item(self) -> Item:
        index = self._means.store.index
        return await index.read(versions.brought_by, self._transfer.id)

    async def _goods(self) -> Parcel:
        """Return what is to be pushed."""
        transfer, store = self._transfer, self._means.store
        if transfer.is_kept:
            goods = await parcel.kept(transfer, store)
            self._kept = goods.blob
            return goods
        hostname = self._means.identity.hostname
        item, goods = await parcel.frozen(transfer, hostname, store)
        if transfer.ticket_size is not None and item.size > transfer.ticket_size:
            raise ReplyError(TOO_LARGE_FOR_TICKET)
        return goods

    # -- what an attempt can do but for pushing ----------------------------------------

    async def _mail(self, route: Route, level: Tls, octets: Octets) -> Outcome:
        mail = await self._letter()
        session = await self._connect(route, level)
        reply = await letter.send(session, mail, octets, self._tally)
        return Outcome(Event.DELIVER, reply)

    async def _tell(self, route: Route, octets: Octets) -> Outcome:
        """Tell a server of ours what no other understands, and nobody else should."""
        mail = await self._letter()
        session = await self._connect_to_offer(route)
        if not session.takes_pushes:
            raise ReplyError(NOT_OURS)
        reply = await letter.send(session, mail, octets, self._tally)
        return Outcome(Event.DELIVER, reply)

    async def _letter(self) -> Letter:
        transfer = self._transfer
        if transfer.content_id is None:
            raise NotFoundError("a mail without content")
        content = await self._means.store.index.read(
            messages.content, transfer.content_id
        )
        return Letter(
            transfer.sender, transfer.recipient, content.rope, transfer.smtputf8
        )

    async def _offer(self, session: Session, octets: Octets) -> Outcome:
        """Seed 207: only the offer leaves, no octet of the content."""
        transfer, means = self._transfer, self._means
        hostname, now = means.identity.hostname, means.store.clock()
        item, goods = await parcel.frozen(transfer, hostname, means.store)
        facts = Facts(f"{transfer.id}.offer@{hostname}", now, transfer.trace)
        picture = await parcel.picture(means.store, item)
        composed = parcel.offer(transfer, item, goods, facts, picture)
        mail = Letter(transfer.sender, transfer.recipient, parcel.plain_rope(composed))
        self._offers = True
        reply = await letter.send(session, mail, octets, self._tally)
        self._tally.landed = 0
        return Outcome(Event.OFFER_TAKEN, reply)

    async def _attach(self, session: Session, octets: Octets, item: Item) -> Outcome:
        """Mail the item as an attachment: the server takes no pushes, but any mail."""
        transfer, means = self._transfer, self._means
        rope = parcel.attachment(
            transfer, item, means.identity.hostname, means.store.clock()
        )
        mail = Letter(transfer.sender, transfer.recipient, rope)
        if transfer.confirm:
            await letter.ask(session, mail, octets)
            return READY
        if not await parcel.is_whole(means.store, item):
            raise ReplyError(parcel.NOT_WHOLE_YET)
        reply = await letter.send(session, mail, octets, self._tally)
        self._tally.landed = item.size
        return Outcome(Event.DELIVER, reply)
