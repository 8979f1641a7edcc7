# SPDX-License-Identifier: Apache-2.0
"""Content that a rendezvous takes for a server that stays away, to bring it there.

Only what redeems the ticket of an answer that has passed here, of exactly the two
addresses and the size of that offer, and within the room that there is for it.
"""

from __future__ import annotations

import asyncio

from maild import delivery_log
from maild.mail.address import Address
from maild.mail.compose import push_tail
from maild.mail.envelope import MailFrom
from maild.mail.reply import Reply, ReplyError
from maild.smtpd import replies
from maild.smtpd.arrived import Arrived
from maild.smtpd.filing import responsibility, told
from maild.smtpd.listener import Listener
from maild.smtpd.promises import promise
from maild.smtpd.restart import key_of
from maild.smtpd.transaction import Recipient, Ticket, Transaction
from maild.store import forwarding, passages
from maild.store.blobs import Sealed
from maild.store.checkpoints import NOBODY, Envelope, Kind
from maild.store.errors import ExistsError, NotFoundError
from maild.store.forwarding import Arrival, Keeping, Opened
from maild.store.index import Tx
from maild.store.passages import Passage
from maild.store.rope import Constant, Raw, Rope
from maild.store.transfers import Transfer
from maild.wire.mime_foresight import Front


def key_of_relay(proof_digest: str, sender: Address, recipient: Address) -> str:
    """Return under what the checkpoint of content that is passed on is kept."""
    return key_of("relay", proof_digest, sender.key, recipient.key)


async def opened(listener: Listener, mail: MailFrom) -> Opened | None:
    """Return what a TRANSID opens here for others, if this keeps anything."""
    if not listener.identity.rendezvous or not listener.keeping.octets:
        return None
    if mail.proof is None or mail.sender is None:
        return None
    store = listener.store
    return await store.index.read(
        forwarding.redeem, mail.proof, mail.sender, store.clock()
    )


async def admit(
    listener: Listener, transaction: Transaction, address: Address, *, tls: bool
) -> None:
    """Let in the content of an accepted offer that has passed here, or raise why not.

    Before any octet of it: its room is promised.
    """
    mail = transaction.mail
    found = await opened(listener, mail)
    if found is None or found.recipient.key != address.key:
        raise ReplyError(replies.RELAYING_DENIED)
    if transaction.recipients:
        raise ReplyError(replies.TOO_MANY_RECIPIENTS)
    ticket = _ticket(listener, transaction, found, tls=tls)
    await promise(listener.promises, transaction, NOBODY, ticket)
    transaction.bound = _bound(mail, ticket, found.recipient)
    _redeems(transaction, ticket, found.recipient)


async def known_before(
    listener: Listener,
    new: Transaction,
    task: asyncio.Task[None] | None,
    *,
    tls: bool,
) -> Transaction | None:
    """Return the push that ``new`` goes on with (RFC 1845), or whose 250 was lost."""
    found = await opened(listener, new.mail)
    if found is None:
        return None
    ticket = _ticket(listener, new, found, tls=tls)
    bound = _bound(new.mail, ticket, found.recipient)
    if found.accepted.final_reply is None and task is not None:
        await listener.checkpoints.lanes.begin(bound, task)
        # What the old connection brought may have landed while it ended.
        found = await opened(listener, new.mail) or found
        ticket = _ticket(listener, new, found, tls=tls)
    if found.accepted.final_reply is not None:
        _redeems(new, ticket, found.recipient)
        new.received = new.mail.size or 0
        return new
    known = await listener.checkpoints.resume(new, bound, found.accepted.size)
    if known is new:
        _redeems(new, ticket, found.recipient)
    return known


def _redeems(transaction: Transaction, ticket: Ticket, recipient: Address) -> None:
    transaction.ticket, transaction.is_relayed = ticket, True
    transaction.recipients.append(Recipient(recipient, None))


def _ticket(
    listener: Listener, transaction: Transaction, found: Opened, *, tls: bool
) -> Ticket:
    mail, accepted = transaction.mail, found.accepted
    assert mail.proof is not None
    if not tls and not listener.may_be_plain(transaction.client):
        raise ReplyError(replies.TLS_NEEDED)
    ticket = Ticket(mail.proof, accepted)
    if (mail.size or 0) > ticket.limit or accepted.size > listener.size_limit:
        raise ReplyError(replies.TOO_LARGE)
    return ticket


def _bound(mail: MailFrom, ticket: Ticket, recipient: Address) -> Envelope:
    assert mail.sender is not None
    digest = passages.digest(ticket.proof)
    return Envelope(
        key=key_of_relay(digest, mail.sender, recipient),
        kind=Kind.PUSH,
        account_id=NOBODY,
        sender=mail.sender.key,
        recipient=recipient.key,
        size=mail.size,
        body=mail.body.value,
    )


async def keep(
    listener: Listener,
    transaction: Transaction,
    arrived: Arrived,
    ticket: Ticket,
    blob: Sealed,
    now: float,
) -> Reply:
    """Take responsibility for content that is whole, and return the 250."""
    sender = transaction.mail.sender
    assert sender is not None
    assert transaction.bound is not None
    front = transaction.front or await _front(listener, transaction.bound.key)
    rope = _as_it_came(transaction, front, arrived, blob)
    reply = responsibility(transaction.id, blob.size, blob.sha256)
    arrival = Arrival(
        transaction.id,
        ticket.proof,
        sender,
        transaction.bound,
        rope,
        arrived.structure,
        blob.size,
    )
    try:
        passage, transfer = await listener.store.index.write(
            _keep, transaction, arrival, reply, listener.keeping, now
        )
    except (ExistsError, NotFoundError):
        return await _given_before(listener, transaction)
    delivery_log.kept(
        transfer.id,
        offer_id=passage.offer_id,
        to=str(passage.recipient),
        octets=blob.size,
        trace=passage.trace,
    )
    if listener.turns is not None:  # who waits for its sender may have it from us
        listener.turns.meeting.dismiss(
            (passage.offer_id, passage.sender.key, passage.recipient.key)
        )
    return reply


async def _front(listener: Listener, key: str) -> bytes:
    """Return the octets in front of a blob that has been written to a file."""
    known = await listener.checkpoints.known(key)
    return b"" if known is None else known.head[known.ours :]


def _as_it_came(
    transaction: Transaction, octets: bytes, arrived: Arrived, blob: Sealed
) -> Rope:
    """Return the peer's octets, which the recipient's server may have a part of.

    What arrives is kept as mailboxes show it, the content as base64.  Its end is
    foreseen, and compared with what has come.
    """
    try:
        front = Front(octets)
        media_type = front.header("Share-Type") or ""
        tail = push_tail(front.boundary, media_type, blob.size, blob.sha256)
    except ValueError as error:
        raise ReplyError(replies.NOT_WHAT_WAS_OFFERED) from error
    last = arrived.rope.pieces[-1]
    rope = Rope((Constant(octets), Raw(blob.id, 0, blob.size), Constant(tail)))
    is_it = (
        forwarding.blob_of(arrived.rope) == blob.id  # and nothing more
        and isinstance(last, Constant)
        and last.octets.endswith(tail.removeprefix(b"\r\n"))
        and rope.size == transaction.received
    )
    if not is_it:
        raise ReplyError(replies.NOT_WHAT_WAS_OFFERED)
    return rope


def _keep(
    tx: Tx,
    transaction: Transaction,
    arrival: Arrival,
    reply: Reply,
    keeping: Keeping,
    now: float,
) -> tuple[Passage, Transfer]:
    kept = forwarding.keep(tx, arrival, str(reply), keeping, now)
    transaction.trace = kept[0].trace
    text = f"kept {arrival.size} octets for {kept[0].recipient}"
    told(tx, transaction, text, now)
    return kept


async def _given_before(listener: Listener, transaction: Transaction) -> Reply:
    """Return the 250 of another connection that has brought the same meanwhile."""
    found = await opened(listener, transaction.mail)
    if found is None or found.accepted.final_reply is None:
        raise ReplyError(replies.NEEDS_OFFER)
    await listener.checkpoints.drop(transaction)
    return replies.again(found.accepted.final_reply)


async def give_up(listener: Listener, passage: Passage, blob_id: int | None) -> None:
    """Let go of what has come of content that its sender has taken back."""
    if passage.proof is not None:
        key = key_of_relay(passage.proof, passage.sender, passage.recipient)
        await listener.checkpoints.end(key)
    if blob_id is not None:
        listener.store.blobs.drop(blob_id)
