# SPDX-License-Identifier: Apache-2.0
"""What our own terminals submit: uploads, shares of what is here, ordinary mail."""

from __future__ import annotations

import base64
import binascii
import quopri
from dataclasses import replace
from functools import partial

from maild import ids
from maild.mail.address import AddressError, mail_domain
from maild.mail.reply import Reply, ReplyError
from maild.mail.structure import Part
from maild.mail.transfer import LONGEST_CONFIRMATION, Kind, Lifetimes
from maild.smtpd import asking, burl, kept, replies
from maild.smtpd.arrived import Arrived
from maild.smtpd.listener import Listener
from maild.smtpd.transaction import Recipient, Transaction
from maild.store import (
    accounts,
    arriving,
    checkpoints,
    messages,
    quota,
    trace,
    transfers,
)
from maild.store.accounts import Account
from maild.store.blobs import Sealed
from maild.store.errors import ExistsError, NotFoundError
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.trace import TraceEvent
from maild.store.transfers import FreshShare, Transfer

LONGEST_NOTE = 4096
"""Characters of a note that travels with an offer."""


def responsibility(message_id: str, octets: int, sha256: str | None) -> Reply:
    """Return the 250 that says what has landed (octets of the file).

    An item that is still arriving has no digest yet.
    """
    digest = "" if sha256 is None else f" sha-256 {sha256}"
    return Reply(250, "0.0", f"{message_id} {octets} octets{digest}")


def told(tx: Tx, transaction: Transaction, text: str, now: float) -> None:
    """Keep what happened for ``maild trace``."""
    event = TraceEvent(now, transaction.trace, transaction.id, "smtpd", text)
    trace.note(tx, event)


async def file(
    listener: Listener,
    transaction: Transaction,
    arrived: Arrived | None,
    account: Account,
) -> Reply:
    """Keep what ``account`` has submitted and return the 250."""
    now = listener.store.clock()
    hostname = listener.identity.hostname
    if listener.identity.is_number(account.address):
        return await asking.ask(listener, transaction, arrived, account, now)
    if transaction.is_upload:
        assert arrived is not None
        part, blob = _uploaded(arrived)
        reply = responsibility(transaction.id, blob.size, blob.sha256)
        job = partial(
            _keep_upload,
            transaction=transaction,
            arrived=arrived,
            account=account,
            part=part,
            blob=blob,
            hostname=hostname,
            reply=reply,
            remembered=listener.lifetimes.queue,
            now=now,
        )
        await listener.store.index.write(job)
        return reply
    if transaction.shared is not None:
        return await _share(
            listener, transaction, transaction.shared, arrived, account, now
        )
    assert arrived is not None
    job = partial(
        _queue_mail,
        transaction=transaction,
        arrived=arrived,
        account=account,
        queue_ids=[transaction.id]
        + [ids.queue_id() for _ in transaction.recipients[1:]],
        lifetimes=listener.lifetimes,
        now=now,
    )
    await listener.store.index.write(job)
    return responsibility(transaction.id, *arrived.landed)


# Uploads


def _uploaded(arrived: Arrived) -> tuple[Part, Sealed]:
    """Return the one part of an upload and its octets."""
    part = arrived.structure.root
    blob = arrived.blob_of(part)
    if blob is None:
        raise ReplyError(replies.NO_PARTS)
    if kept.announced_size(part) not in (None, blob.size):
        raise ReplyError(replies.NOT_WHAT_WAS_OFFERED)
    return part, blob


def _keep_upload(
    tx: Tx,
    *,
    transaction: Transaction,
    arrived: Arrived,
    account: Account,
    part: Part,
    blob: Sealed,
    hostname: str,
    reply: Reply,
    remembered: float,
    now: float,
) -> None:
    """Keep an upload, and its reply for ``remembered`` seconds: it may get lost.

    One that has ended already ends so again: removed by its owner, it must not come
    back; kept, by another connection, it is not kept twice.
    """
    if transaction.bound is not None:
        ended = checkpoints.ended(tx, transaction.bound.key, transaction.id)
        if ended is not None:
            raise ReplyError(replies.again(ended))
    item = kept.of_upload(transaction, account.id, part, arrived.share, blob.size, now)
    item = replace(item, blob_id=blob.id, sha256=blob.sha256)
    stub = kept.stub(item, account.address, hostname, now)
    arriving.whole(tx, item, arrived.rope, arrived.structure, stub, inbox=None, now=now)
    arriving.go_on(tx, item.id, now)
    if transaction.bound is not None:
        bound = transaction.bound
        if bound.size is None:  # what a 355 has to say when the 250 got lost
            bound = replace(bound, size=transaction.received)
        checkpoints.finish(tx, bound, transaction.id, str(reply), remembered, now)
    told(tx, transaction, f"uploaded {blob.size} octets", now)
    quota.check(tx, account.id)


# Shares


async def _share(
    listener: Listener,
    transaction: Transaction,
    item: Item,
    arrived: Arrived | None,
    account: Account,
    now: float,
) -> Reply:
    """Queue ``item`` for every recipient; the content stays where it is."""
    fresh = [FreshShare(ids.queue_id(), ids.nonce()) for _ in transaction.recipients]
    job = partial(
        burl.queue_shares,
        note=_note(arrived) if arrived else "",
        via=_via(arrived) if arrived else "",
        confirm=_confirm(arrived.share["Confirm"]) if arrived else 0,
    )
    try:
        item, queued = await listener.store.index.write(
            job, transaction, item, account, fresh, listener.lifetimes, now
        )
    except ExistsError as error:
        raise ReplyError(replies.BEING_SENT) from error
    except NotFoundError as error:
        raise ReplyError(replies.BURL_NOT_FOUND) from error
    reply = responsibility(queued[0].id, item.size, item.sha256)
    if item.is_live:
        reply = Reply(250, "0.0", f"{queued[0].id} goes out when it is closed")
    if queued[0].id != fresh[0].queue_id:
        return replace(reply, text=f"{reply.text}{replies.SENT_BEFORE}")
    return reply


def _via(arrived: Arrived) -> str:
    """Return the rendezvous that is to pass the offer on; raise if it is no domain."""
    try:
        return mail_domain(arrived.share["Via"]) if arrived.share["Via"] else ""
    except AddressError as error:
        raise ReplyError(replies.NOT_ROUTABLE) from error


def _confirm(said: str) -> int:
    """Return in how many seconds go has to be said; 0 when it need not be.

    Whoever asks for it and is not understood must not be taken for one who does not.
    """
    if not said:
        return 0
    is_one = said.isascii() and said.isdigit() and len(said) <= 9
    seconds = int(said) if is_one else 0
    if not 0 < seconds <= LONGEST_CONFIRMATION:
        raise ReplyError(replies.BAD_CONFIRM)
    return seconds


def _note(arrived: Arrived) -> str:
    """Return the first text/plain part as the note to the recipients."""
    part = _first_text(arrived.structure.root)
    if part is None or part.blob is not None:
        return ""
    octets = arrived.text(part.body_start, part.body_end)
    try:
        match part.encoding:
            case "base64":
                octets = base64.b64decode(octets)
            case "quoted-printable":
                octets = quopri.decodestring(octets)
            case _:
                pass
        text = octets.decode(dict(part.params).get("charset", "utf-8"), "replace")
    except (binascii.Error, LookupError):
        return ""
    return text.replace("\r\n", "\n").strip()[:LONGEST_NOTE]


def _first_text(part: Part) -> Part | None:
    if (part.type, part.subtype) == (
        "text",
        "plain",
    ) and part.disposition != "attachment":
        return part
    if part.type != "multipart":
        return None
    found = (_first_text(child) for child in part.children)
    return next((text for text in found if text is not None), None)


# Ordinary mail


def _queue_mail(
    tx: Tx,
    *,
    transaction: Transaction,
    arrived: Arrived,
    account: Account,
    queue_ids: list[str],
    lifetimes: Lifetimes,
    now: float,
) -> None:
    """Queue a message for each of its recipients."""
    content_id = messages.add_content(
        tx, arrived.rope, arrived.structure, transaction.trace
    )
    for queue_id, recipient in zip(queue_ids, transaction.recipients, strict=True):
        transfer = _mail(
            transaction, recipient, queue_id, account, content_id, lifetimes, now
        )
        transfers.add(tx, transfer, now)
        accounts.add_contact(tx, account.id, recipient.address)
    told(tx, transaction, "submitted", now)


def _mail(
    transaction: Transaction,
    recipient: Recipient,
    queue_id: str,
    account: Account,
    content_id: int,
    lifetimes: Lifetimes,
    now: float,
) -> Transfer:
    transfer = transfers.newly_queued(
        Kind.MAIL,
        queue_id,
        account.id,
        transaction.mail.sender,
        recipient.address,
        size=transaction.received,
        trace=transaction.trace,
        now=now,
        expires=now + lifetimes.queue,
    )
    return replace(transfer, content_id=content_id, smtputf8=transaction.mail.smtputf8)
