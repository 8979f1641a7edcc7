# SPDX-License-Identifier: Apache-2.0
"""What passes a rendezvous: offers, answers and withdrawals between homes it knows.

Nothing else does: no ordinary mail, no content, and nobody's but of two homes whose
numbers have exchanged addresses here.
"""

from __future__ import annotations

from dataclasses import replace

from maild.mail.address import Address
from maild.mail.monitor import MOST_OCTETS, REPLIES, Cause, Facts
from maild.mail.offer import Answer, Offer, Withdrawal
from maild.mail.reply import Reply, ReplyError
from maild.mail.transfer import Kind
from maild.smtpd import forwarding, replies
from maild.smtpd.arrived import Arrived
from maild.smtpd.filing import responsibility, told
from maild.smtpd.listener import Listener
from maild.smtpd.transaction import Recipient, Transaction
from maild.store import exchanges, messages, passages, transfers
from maild.store import forwarding as kept
from maild.store.errors import ExistsError
from maild.store.index import Tx
from maild.store.passages import Passage

GivenUp = tuple[Passage, int | None]
"""A passage that is over, and the blob of its content that was kept."""


def admit(listener: Listener, transaction: Transaction, address: Address) -> None:
    """Let a recipient of another server in, or raise why not.

    What the message is about is judged once it is here (`maild.smtpd.monitoring`), and
    only then whether the two know each other: a recipient alone tells nobody that.
    """
    if not listener.identity.rendezvous or transaction.mail.sender is None:
        raise ReplyError(replies.RELAYING_DENIED)
    if transaction.recipients:
        raise ReplyError(replies.TOO_MANY_RECIPIENTS)
    if (transaction.mail.size or 0) > MOST_OCTETS:
        raise ReplyError(replies.TOO_LARGE)
    transaction.is_relayed = True
    transaction.size_limit = MOST_OCTETS
    transaction.recipients.append(Recipient(address, None))


async def take(
    listener: Listener,
    transaction: Transaction,
    arrived: Arrived,
    facts: Facts | None,
    now: float,
) -> Reply:
    """Take what others have for each other, to bring it to the recipient's server."""
    if facts is None:
        raise ReplyError(replies.RELAYING_DENIED)
    patience = listener.lifetimes.queue
    given_up = await listener.store.index.write(
        pass_on, transaction, arrived, facts, patience, now
    )
    if given_up is not None:
        await forwarding.give_up(listener, *given_up)
    if isinstance(facts, Answer) and facts.accepted and listener.turns is not None:
        listener.turns.meeting.accepted(
            (facts.offer_id, facts.sender.key, facts.recipient.key)
        )
    listener.monitor.judged(transaction, facts, "passed")
    return responsibility(transaction.id, *arrived.landed)


def pass_on(
    tx: Tx,
    transaction: Transaction,
    arrived: Arrived,
    facts: Facts,
    patience: float,
    now: float,
) -> GivenUp | None:
    """Queue what was judged for the recipient's server, and keep how the offer stands.

    One that has come before, because its 250 was lost, is queued once.  ``patience``:
    seconds until what cannot be delivered is given up.  Returns what a withdrawal has
    ended of content that was kept here.
    """
    given_up: GivenUp | None = None
    until = now + patience
    if isinstance(facts, Offer):
        if not exchanges.known(tx, facts.sender, facts.recipient):
            raise ReplyError(replies.RELAYING_DENIED)
        until = min(until, float(facts.expires))
        if passages.is_crowded(tx, facts, now):
            raise ReplyError(REPLIES[Cause.RATE])
        try:
            if not passages.offered(tx, facts, now):
                return None
        except ExistsError as error:
            raise ReplyError(REPLIES[Cause.SENDER]) from error
    elif isinstance(facts, Answer):
        if passages.answered(tx, facts, now) is None:
            raise ReplyError(replies.RELAYING_DENIED)
    else:
        given_up = _withdrawn(tx, facts, now)
    content_id = messages.add_content(
        tx, arrived.rope, arrived.structure, transaction.trace
    )
    transfer = transfers.newly_queued(
        Kind.RELAY,
        transaction.id,
        None,
        transaction.mail.sender,
        transaction.recipients[0].address,
        size=transaction.received,
        trace=transaction.trace,
        now=now,
        expires=until,
    )
    offer_id = facts.id if isinstance(facts, Offer) else facts.offer_id
    transfer = replace(
        transfer,
        content_id=content_id,
        nonce=facts.nonce,
        name=offer_id,
        note=_word(facts),
    )
    transfers.add(tx, transfer, now)
    told(tx, transaction, f"{_word(facts)} passes", now)
    return given_up


def _withdrawn(tx: Tx, withdrawal: Withdrawal, now: float) -> GivenUp:
    """Note a withdrawal, if it is of an offer that has passed here."""
    passage = passages.withdrawn(tx, withdrawal, now)
    if passage is None:
        raise ReplyError(replies.RELAYING_DENIED)
    return passage, kept.withdrawn(tx, passage, now)


def _word(facts: Facts) -> str:
    return type(facts).__name__.lower()
