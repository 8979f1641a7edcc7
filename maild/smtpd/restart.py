# SPDX-License-Identifier: Apache-2.0
"""Transactions that were interrupted, and go on where they were (RFC 1845, CHECKPOINT).

A transaction is kept under what only its sender can know, the proof that opened it or
a login with a TRANSID, and never under a name or address of the peer's
(docs/protocol.md says why).  While it is in memory nothing has to be read again; what
is in the store outlives the daemon.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from maild.mail.address import Address
from maild.mail.reply import ReplyError
from maild.smtpd.intake import Intake
from maild.smtpd.lanes import Lanes
from maild.smtpd.showing import Shown, shown
from maild.smtpd.thread import in_thread
from maild.smtpd.transaction import Transaction
from maild.store import arriving, checkpoints, renderings
from maild.store.checkpoints import NOBODY, Checkpoint, Envelope
from maild.store.consent import Accepted
from maild.store.errors import DamagedError, NotFoundError, StoreError
from maild.store.house import Store
from maild.store.index import Tx

_log = logging.getLogger(__name__)


PATIENCE_FOR_OTHERS = 86400.0
"""Seconds that a part of what is passed on is kept after it last grew."""


def key_of(*secret: str) -> str:
    """Return under what a checkpoint is kept: secrets are not written down."""
    return hashlib.sha256("\0".join(secret).encode()).hexdigest()


def key_of_push(proof: str, sender: Address, recipient: Address) -> str:
    """Return under what the checkpoint of a push is kept."""
    return key_of("push", proof, sender.key, recipient.key)


class Checkpoints:
    """The interrupted transactions of one listener.  ``lanes``: who is sending now.

    ``lifetime``: seconds for which the store keeps one after it last grew;
    ``hostname``: who we are, in what we compose.
    """

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        store: Store,
        lifetime: float,
        hostname: str,
    ) -> None:
        self._threads = threads
        self._hostname = hostname
        self._store = store
        self._lifetime = lifetime
        self.lanes = Lanes(threads)

    # In the store

    def journal(self, transaction: Transaction, intake: Intake, blob_key: str) -> None:
        """Record, without waiting, how to go on with a blob that begins to grow.

        Behind its registration and in front of whatever of it becomes durable.
        """
        assert transaction.bound is not None
        now, lifetime = self._store.clock(), self._lifetime
        if transaction.bound.account_id == NOBODY:
            lifetime = min(lifetime, PATIENCE_FOR_OTHERS)
        self._store.index.submit(
            _begin,
            Checkpoint(
                transaction.bound,
                transaction.id,
                intake.front,
                intake.ours,
                None,
                None,
                lifetime,
                transaction.promised,
            ),
            blob_key,
            shown(transaction, intake.front, intake.ours, self._hostname, now),
            now,
        ).add_done_callback(_tell)

    async def known(self, key: str) -> Checkpoint | None:
        """Return what the store has under ``key``."""
        return await self._store.index.read(checkpoints.find, key, self._store.clock())

    async def drop(self, transaction: Transaction) -> None:
        """Forget what is not worth going on with; never raises.

        What has stopped for want of room only is.  What was borrowed for it is not
        borrowed again.  Its blobs go at once: nobody's room counts them any more.
        """
        intake = transaction.intake
        if transaction.bound is None or (intake is not None and intake.is_suspended):
            return
        with suppress(StoreError):
            await self._forget(transaction.bound.key, transaction.id)
            for blob_id in [] if intake is None else intake.sealed:
                self._store.blobs.drop(blob_id)
            if transaction.is_borrowed and transaction.ticket is not None:
                accepted = transaction.ticket.accepted
                await self._store.index.write(
                    renderings.forget, accepted.account_id, accepted.offer_id
                )

    async def give_up(self, transaction: Transaction) -> None:
        """Forget what its sender does not want to go on with.

        RFC 1845 is about sessions that were cut; RSET discards (RFC 5321 §4.1.1.5).
        """
        if transaction.bound is not None and transaction.intake is not None:
            await in_thread(self._threads, transaction.intake.abandon)
            transaction.is_borrowed = False  # there was nothing wrong with that
            await self.drop(transaction)

    async def end(self, key: str) -> None:
        """Let go of what its sender has given up, wherever it is."""
        await self.lanes.end(key)
        known = await self.known(key)
        if known is not None and known.final_reply is None:
            await self._forget(key, known.message_id)

    # Going on

    async def resume(
        self, new: Transaction, bound: Envelope, part_limit: int | None
    ) -> Transaction | None:
        """Return the transaction that ``new`` goes on with, if it is the same.

        None when it has to begin anew; a `StoreError` says that it may go on later.
        The octets that it has ``received`` are durable.  ``part_limit`` as in `Intake`.
        """
        found = self.lanes.take(bound.lane, self._store.clock())
        before = None if found is None else found.bound
        if found is not None and before is not None and before.key == bound.key:
            return await self._from_memory(found, bound)
        if found is not None:  # of another recipient's, who may come back for it
            assert found.intake is not None
            await in_thread(self._threads, found.intake.suspend)
        known = await self.known(bound.key)
        if known is None or known.blob_id is None:
            return None
        if known.envelope != bound:  # another rendering: its offsets mean another thing
            await self._forget(bound.key, known.message_id)
            return None
        return await self._from_store(new, known, part_limit)

    async def borrow(
        self, new: Transaction, bound: Envelope, offered: Accepted, trace_fields: bytes
    ) -> Transaction | None:
        """Let ``new`` go on with what another recipient of the same push was brought.

        To be called when `resume` has found nothing.
        """
        lent = await self._store.index.write(
            renderings.borrow,
            bound,
            offered,
            new.id,
            trace_fields,
            self._lifetime,
            self._store.clock(),
        )
        if lent is None:
            return None
        known = await self._from_store(new, lent, offered.size)
        if known is not None and known.intake is not None and known.intake.is_growing:
            self._show(known, lent)
        return known

    def _show(self, transaction: Transaction, lent: Checkpoint) -> None:
        """Show what has begun to arrive with octets that were here before."""
        now = self._store.clock()
        shows = shown(transaction, lent.head, lent.ours, self._hostname, now)
        if shows is not None and lent.blob_id is not None:
            self._store.index.submit(
                arriving.begin, shows.beginning, lent.blob_id, shows.stub, now
            ).add_done_callback(_tell)

    async def _from_memory(
        self, before: Transaction, bound: Envelope
    ) -> Transaction | None:
        intake = before.intake
        assert intake is not None
        if before.bound != bound:
            self._threads.submit(intake.abandon)
            await self._forget(bound.key, before.id)
            return None
        try:
            await in_thread(self._threads, intake.flush)
        except BaseException:
            self._threads.submit(intake.suspend)
            raise
        if intake.failure is not None:
            if intake.is_suspended:
                raise ReplyError(intake.failure)
            await self._forget(bound.key, before.id)
            return None
        before.received = intake.taken
        self._go_on(before)
        return before

    async def _from_store(
        self, new: Transaction, known: Checkpoint, part_limit: int | None
    ) -> Transaction | None:
        restored: list[Intake] = []

        def restore() -> None:
            assert known.blob_id is not None
            intake = Intake.restored(
                self._store.blobs,
                binary=new.is_binary,
                front=known.head,
                ours=known.ours,
                blob_id=known.blob_id,
                part_limit=part_limit,
            )
            restored.append(intake)

        try:
            await in_thread(self._threads, restore)
        except asyncio.CancelledError:
            for intake in restored:
                self._threads.submit(intake.suspend)
            raise
        except (DamagedError, NotFoundError, ReplyError, ValueError) as error:
            _log.warning("%s: begins anew: %s", known.message_id, error)
            await self._forget(known.envelope.key, known.message_id)
            return None
        new.id = known.message_id
        new.bound = known.envelope
        (new.intake,) = restored
        new.received = new.intake.taken
        new.begun = True
        self._go_on(new)
        return new

    async def _forget(self, key: str, item_id: str) -> None:
        """Forget what cannot be gone on with, and what was shown of it."""
        now = self._store.clock()
        blob_id = await self._store.index.write(_drop, key, item_id, now)
        if blob_id is not None:
            self._store.blobs.forget(blob_id)

    def _go_on(self, transaction: Transaction) -> None:
        """Wake what waits for an item that grows again."""
        now = self._store.clock()
        self._store.index.submit(arriving.go_on, transaction.id, now)


def _begin(
    tx: Tx, checkpoint: Checkpoint, blob_key: str, shows: Shown | None, now: float
) -> None:
    blob_id = checkpoints.begin(tx, checkpoint, blob_key, now)
    if blob_id is not None and shows is not None:
        arriving.begin(tx, shows.beginning, blob_id, shows.stub, now)


def _drop(tx: Tx, key: str, item_id: str, now: float) -> int | None:
    blob_id = checkpoints.drop(tx, key, item_id)
    item = arriving.give_up(tx, item_id, now)
    return blob_id if item is None else item.blob_id


def _tell(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        _log.warning("an arriving message cannot be gone on with: %s", error)
