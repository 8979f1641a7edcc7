# SPDX-License-Identifier: Apache-2.0
"""Whether what arrives is still wanted: who deletes it spares its sender the rest."""

from __future__ import annotations

import asyncio

from maild.mail.reply import Reply
from maild.smtpd import replies
from maild.smtpd.transaction import Transaction
from maild.store import checkpoints, consent, forwarding
from maild.store.house import Store
from maild.store.index import Tx

LOOK_EVERY = 1.0
"""Seconds between two looks whether what arrives is still wanted."""


async def unwanted(store: Store, transaction: Transaction) -> Reply | None:
    """Return why no more of a message is wanted: removed while it arrived.

    Looks now and then only.
    """
    if transaction.bound is None or transaction.intake is None:
        return None
    now = asyncio.get_running_loop().time()
    if transaction.looked_at is None:
        transaction.looked_at = now
    if now - transaction.looked_at < LOOK_EVERY:
        return None
    transaction.looked_at = now
    return await store.index.read(_why_not, transaction)


def _why_not(tx: Tx, transaction: Transaction) -> Reply | None:
    if transaction.ticket is not None and transaction.is_relayed:
        sender, proof = transaction.mail.sender, transaction.ticket.proof
        assert sender is not None
        is_wanted = forwarding.is_wanted(tx, proof, sender)
        return None if is_wanted else replies.NEEDS_OFFER
    if transaction.ticket is not None:
        is_refused = consent.is_refused(tx, transaction.ticket.proof)
        return replies.NEEDS_OFFER if is_refused else None
    assert transaction.bound is not None
    ended = checkpoints.ended(tx, transaction.bound.key, transaction.id)
    reply = None if ended is None else replies.again(ended)
    return None if reply is None or reply.is_positive else reply
