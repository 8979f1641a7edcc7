# SPDX-License-Identifier: Apache-2.0
"""Judging what other servers bring about offers, before anything is kept of it.

The rules are `maild.mail.monitor`; here they meet the clock, the counts of this server,
and a process that decodes the thumbnail.  What is refused is told to its sender by the
reply, counted, logged, and listed by ``maild offers ls``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import quopri
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from maild import delivery_log, picture
from maild.backoff import network
from maild.mail import monitor, thumbnail
from maild.mail.address import Address
from maild.mail.monitor import Cause, Facts, Leaf, Policy, Seen
from maild.mail.offer import Offer
from maild.mail.rate import Rates
from maild.mail.reply import LOCAL_ERROR, ReplyError
from maild.mail.structure import Part
from maild.smtpd.arrived import Arrived
from maild.smtpd.thread import in_thread
from maild.smtpd.transaction import Transaction
from maild.store import refusals
from maild.store.house import Store
from maild.store.refusals import Refusal

AT_ONCE: Final = 2
"""Thumbnails decoded at once: each takes a process for a moment."""


class Monitor:
    """Of one server; remembers how often each sender has offered."""

    def __init__(
        self, policy: Policy, per_minute: int, store: Store, threads: ThreadPoolExecutor
    ) -> None:
        self._policy = policy
        self._rates = Rates(per_minute)
        self._store = store
        self._threads = threads
        self._decoding = asyncio.Semaphore(AT_ONCE)

    async def facts(self, transaction: Transaction, arrived: Arrived) -> Facts | None:
        """Return what a message is about, None for ordinary mail.

        Raises why it is refused.  Of what ends here only offers are judged further:
        an answer counts by its nonce or is mail, and so does a withdrawal.
        """
        if arrived.facts is None:
            return None
        found = monitor.read(arrived.facts)
        if isinstance(found, Cause):
            raise self._refused(transaction, None, found)
        if found is None:
            return None
        recipient = self._judged_for(transaction, found)
        if recipient is not None:
            cause = await self._judge(transaction, arrived, found, recipient)
            if cause is not None:
                raise self._refused(transaction, found, cause)
            if not transaction.is_relayed:
                self.judged(transaction, found, "taken")
        return found

    def _judged_for(self, transaction: Transaction, facts: Facts) -> Address | None:
        """Return the recipient for whom a message is judged; None for one forwarded."""
        if transaction.is_relayed:
            return transaction.recipients[0].address
        if not isinstance(facts, Offer):
            return None
        addresses = (each.address for each in transaction.recipients)
        return next((a for a in addresses if a.key == facts.recipient.key), None)

    async def _judge(
        self,
        transaction: Transaction,
        arrived: Arrived,
        facts: Facts,
        recipient: Address,
    ) -> Cause | None:
        leaves: tuple[Leaf, ...] = ()
        if transaction.received <= monitor.MOST_OCTETS:  # nothing else is looked into
            leaves = await in_thread(self._threads, self._leaves, arrived)
        sender = transaction.mail.sender
        seen = Seen(transaction.received, facts, sender, recipient, leaves)
        now = self._store.clock()
        cause = monitor.judge(seen, self._policy, now)
        if cause is not None:
            return cause
        assert sender is not None
        # A sender can be forged: whoever does has a count of his own.
        if not self._rates.takes(f"{sender.key} {network(transaction.client)}", now):
            return Cause.RATE
        for shown in seen.pictures:
            assert shown.octets is not None
            if not await self._can_be_shown(shown.octets):
                return Cause.THUMBNAIL
        return None

    async def _can_be_shown(self, octets: bytes) -> bool:
        async with self._decoding:
            try:
                return await picture.can_be_shown(octets)
            except (OSError, TimeoutError) as error:  # ours: it may go well later
                raise ReplyError(LOCAL_ERROR) from error

    def _leaves(self, arrived: Arrived) -> tuple[Leaf, ...]:
        return tuple(
            Leaf(f"{part.type}/{part.subtype}", self._picture(arrived, part))
            for part in _leaves_of(arrived.structure.root)
        )

    def _picture(self, arrived: Arrived, part: Part) -> bytes | None:
        """Return the octets of a picture that may be a thumbnail; reads blobs."""
        if part.type != "image" or part.size > 2 * thumbnail.MOST_OCTETS:
            return None
        blob = arrived.blob_of(part)
        if blob is not None:
            with self._store.blobs.open(blob.id) as reader:
                return reader.pread(0, min(blob.size, thumbnail.MOST_OCTETS + 1))
        octets = arrived.text(part.body_start, part.body_end)
        match part.encoding:
            case "base64":
                try:
                    return base64.b64decode(octets)
                except binascii.Error:
                    return None
            case "quoted-printable":
                return quopri.decodestring(octets)
            case _:
                return octets

    def _refused(
        self, transaction: Transaction, facts: Facts | None, cause: Cause
    ) -> ReplyError:
        """Log and list a refusal; return it as the error that tells the peer."""
        self.judged(transaction, facts, str(cause))
        reply = monitor.REPLIES[cause]
        offer = facts if isinstance(facts, Offer) else None
        sender, recipients = transaction.names
        refusal = Refusal(
            at=self._store.clock(),
            offer_id=offer.id if offer else "",
            sender=sender,
            recipient=recipients,
            name=offer.name if offer else "",
            size=offer.size if offer else None,
            cause=str(cause),
            reply=str(reply),
            trace=facts.trace if facts else transaction.trace,
        )
        self._store.index.submit(refusals.note, refusal)  # its sender need not wait
        return ReplyError(reply)

    def judged(
        self, transaction: Transaction, facts: Facts | None, outcome: str
    ) -> None:
        """Log and count what becomes of a message: taken, passed, or why not."""
        sender, recipients = transaction.names
        delivery_log.judged(
            transaction.id,
            what=type(facts).__name__.lower() if facts else "unknown",
            outcome=outcome,
            sender=sender,
            to=recipients,
            trace=facts.trace if facts else transaction.trace,
        )


def _leaves_of(part: Part) -> Iterator[Part]:
    """Yield the parts that have none; an attached message is one."""
    if part.type != "multipart":
        yield part
        return
    for child in part.children:
        yield from _leaves_of(child)
