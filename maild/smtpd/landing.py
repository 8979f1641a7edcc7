# SPDX-License-Identifier: Apache-2.0
"""What a whole message means, and the reply that takes responsibility for it.

From other servers: a push, an offer, an answer, or ordinary mail.  What our own
terminals submit is told in `maild.smtpd.filing`.  Each road ends in one index job.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from maild import delivery_log, ids
from maild.mail.compose import digest_in
from maild.mail.offer import Answer, Offer, Withdrawal
from maild.mail.reply import Reply, ReplyError
from maild.smtpd import filing, forwarding, inbox, kept, passing, replies
from maild.smtpd.arrived import Arrived
from maild.smtpd.intake import Intake
from maild.smtpd.listener import Listener
from maild.smtpd.restart import key_of_push
from maild.smtpd.thread import in_thread
from maild.smtpd.transaction import Ticket, Transaction
from maild.store import (
    accounts,
    arriving,
    checkpoints,
    consent,
    parting,
    renderings,
    transfers,
)
from maild.store.accounts import Account
from maild.store.blobs import Sealed
from maild.store.consent import Randomness
from maild.store.errors import ExistsError, NotFoundError, StoreError
from maild.store.index import Tx

_log = logging.getLogger(__name__)

ATTACH_LIMIT = 25 * 10**6
"""Octets up to which INBOX gets the content itself: what mail programs can bear."""


def abandon(listener: Listener, transaction: Transaction) -> None:
    """Forget what has arrived of a transaction; returns at once."""
    if transaction.intake is not None:
        listener.threads.submit(transaction.intake.abandon)


async def land(
    listener: Listener, transaction: Transaction, account: Account | None, client: str
) -> Reply:
    """Keep a whole message and return its 250; raise `ReplyError` if it cannot be."""
    if transaction.final_reply is not None:
        return replies.again(transaction.final_reply)
    try:
        return await _land(listener, transaction, account, client)
    except ReplyError:
        # Not worth going on with; what only could not be written down is.
        await listener.checkpoints.drop(transaction)
        raise


async def _land(
    listener: Listener, transaction: Transaction, account: Account | None, client: str
) -> Reply:
    arrived: Arrived | None = None
    if transaction.intake is not None:
        arrived = await _whole(listener, transaction.intake)
        transaction.trace = arrived.trace or transaction.trace
    if account is not None:
        reply = await filing.file(listener, transaction, arrived, account)
    else:
        assert arrived is not None
        reply = await _take_in(listener, transaction, arrived)
    delivery_log.taken_in(
        transaction.id,
        client=client,
        sender=transaction.sender,
        size=transaction.size,
        octets=transaction.received,
        nrcpt=len(transaction.recipients),
        trace=transaction.trace,
    )
    return reply


async def _whole(listener: Listener, intake: Intake) -> Arrived:
    """Return what has arrived; a thread is only needed for much of it, or a blob."""
    if not intake.is_short:
        return await in_thread(listener.threads, intake.finish)
    if intake.read_end():
        await in_thread(listener.threads, intake.carry_out)
    return intake.whole()


async def _take_in(
    listener: Listener, transaction: Transaction, arrived: Arrived
) -> Reply:
    """Carry out what a message from another server means."""
    now = listener.store.clock()
    ticket = transaction.ticket
    if ticket is not None and transaction.is_relayed:
        blob = _checked(arrived, ticket)
        return await forwarding.keep(listener, transaction, arrived, ticket, blob, now)
    if ticket is not None:
        blob = _checked(arrived, ticket)
        reply = filing.responsibility(transaction.id, blob.size, blob.sha256)
        job = partial(
            _keep_push,
            transaction=transaction,
            ticket=ticket,
            arrived=arrived,
            blob=blob,
            reply=reply,
            hostname=listener.identity.hostname,
            now=now,
        )
        try:
            await listener.store.index.write(job)
        except (ExistsError, NotFoundError):
            return await _given_before(listener, transaction, ticket, now)
        return reply
    reply = filing.responsibility(transaction.id, *arrived.landed)
    facts = await listener.monitor.facts(transaction, arrived)
    if transaction.is_relayed:
        return await passing.take(listener, transaction, arrived, facts, now)
    if isinstance(facts, Answer) and await _hear(listener, transaction, facts, now):
        return reply
    if isinstance(facts, Withdrawal) and await _forgo(
        listener, transaction, facts, now
    ):
        return reply
    offered = facts if isinstance(facts, Offer) else None
    fresh = [
        Randomness(ids.nonce(), ids.queue_id())
        for _ in (transaction.recipients if offered else ())
    ]
    await listener.store.index.write(
        inbox.keep_mail, transaction, arrived, offered, fresh, now
    )
    return reply


# A push


async def _given_before(
    listener: Listener, transaction: Transaction, ticket: Ticket, now: float
) -> Reply:
    """Return the 250 of another connection that has brought the same meanwhile.

    Raises why the content could not be kept, if there was none.
    """
    sender, recipient = transaction.mail.sender, transaction.recipients[0].address
    assert sender is not None
    accepted = await listener.store.index.read(
        consent.redeem, ticket.proof, sender, recipient, now
    )
    if accepted is None:
        raise ReplyError(replies.NEEDS_OFFER)
    if accepted.final_reply is None:
        # What was not found is not the offer: it may well be there the next time.
        raise StoreError("accepted content could not be kept")
    await listener.checkpoints.drop(transaction)
    return replies.again(accepted.final_reply)


def _checked(arrived: Arrived, ticket: Ticket) -> Sealed:
    """Return the blob that was offered; raise unless it is that."""
    root = arrived.structure.root
    if len(root.children) < 2:
        raise ReplyError(replies.NOT_WHAT_WAS_OFFERED)
    blob = arrived.blob_of(root.children[1])
    if blob is None or blob.size != ticket.accepted.size:
        raise ReplyError(replies.NOT_WHAT_WAS_OFFERED)
    announced = digest_in(arrived.facts or b"")
    if announced is not None and announced != blob.sha256:
        raise ReplyError(replies.BAD_DIGEST)
    if ticket.accepted.sha256 not in (None, blob.sha256):
        raise ReplyError(replies.NOT_WHAT_WAS_OFFERED)
    return blob


def _keep_push(
    tx: Tx,
    *,
    transaction: Transaction,
    ticket: Ticket,
    arrived: Arrived,
    blob: Sealed,
    reply: Reply,
    hostname: str,
    now: float,
) -> None:
    """Keep received content: Library, Items, INBOX, and the end of its offer."""
    account = accounts.get(tx, ticket.accepted.account_id)
    item = kept.of_push(transaction, ticket, now)
    item = replace(item, blob_id=blob.id, sha256=blob.sha256)
    note = ticket.accepted.note
    stub = kept.stub(item, account.address, hostname, now, note=note)
    is_small = arrived.structure.size <= ATTACH_LIMIT
    item = arriving.whole(
        tx,
        item,
        arrived.rope,
        arrived.structure,
        stub,
        inbox=None if is_small else stub,
        now=now,
    )
    if is_small:
        inbox.into(tx, account, "INBOX", item.content_id, (), now)
    consent.arrived(tx, ticket.proof, item.id, str(reply), now)
    if transaction.bound is not None:
        renderings.arrived(tx, transaction.bound, item.id, transaction.front)
        checkpoints.forget(tx, transaction.bound.key)
    filing.told(tx, transaction, f"received {blob.size} octets", now)


# Offers, answers, withdrawals, ordinary mail


async def _hear(
    listener: Listener, transaction: Transaction, answer: Answer, now: float
) -> bool:
    """Apply an answer; False when it answers nothing of ours, and so is mail.

    One that does not count (a second one, or from somebody else) is forgotten.
    """
    sender = transaction.mail.sender
    addressed = {r.address.key for r in transaction.recipients}
    counts = (
        sender is not None
        and answer.sender.key in addressed
        and await listener.store.index.write(transfers.answered, answer, sender, now)
    )
    verdict = "counts" if counts else "does not count"
    _log.info("%s: answer to %s %s", transaction.id, answer.offer_id, verdict)
    return counts or await listener.store.index.read(transfers.is_answered, answer)


async def _forgo(
    listener: Listener, transaction: Transaction, withdrawal: Withdrawal, now: float
) -> bool:
    """End what its sender has taken back; False when that is not who sent this.

    One that does not count (a second one, or of what has arrived) is forgotten.
    """
    sender, store = transaction.mail.sender, listener.store
    accounts_meant = [
        r.account
        for r in transaction.recipients
        if r.address.key == withdrawal.recipient.key
    ]
    if sender is None or sender.key != withdrawal.sender.key or not accounts_meant:
        return False
    assert accounts_meant[0] is not None
    ended = await store.index.write(
        parting.withdrawn,
        accounts_meant[0].id,
        withdrawal,
        listener.identity.hostname,
        now,
    )
    verdict = "does not count" if ended is None else "counts"
    _log.info("%s: withdrawal of %s %s", transaction.id, withdrawal.offer_id, verdict)
    if ended is None:
        return True
    delivery_log.parted(
        ended.id,
        to=str(ended.to),
        why=str(ended.parting.cause),
        octets=ended.parting.landed,
        size=ended.parting.size,
        trace=ended.trace,
    )
    if ended.proof is not None:
        key = key_of_push(ended.proof, withdrawal.sender, withdrawal.recipient)
        await listener.checkpoints.end(key)
    if ended.blob_id is not None:
        store.blobs.forget(ended.blob_id)
    return True
