# SPDX-License-Identifier: Apache-2.0
"""Jobs that end what was to arrive and will not come, and tell whom it was for.

Item, offer and notice change in one job: whatever ends it, it is gone and told once.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from maild.mail.address import Address
from maild.mail.compose import Facts
from maild.mail.offer import Offer, Withdrawal
from maild.mail.parting import Cause, Parting, parting_notice
from maild.store import (
    accounts,
    arriving,
    blob_records,
    checkpoints,
    closed,
    consent,
    mailboxes,
    messages,
    trace,
)
from maild.store.index import Index, Row, Tx
from maild.store.items import Item
from maild.store.trace import TraceEvent

KEYWORD = "$Offer"
"""Of the message that makes an open offer."""
REMEMBERED = 30 * 86400.0
"""Seconds for which an offer that is over stays listed."""


@dataclass(frozen=True, slots=True)
class Made:
    """An offer made to one of our accounts, and how it stands."""

    account_id: int
    offer: Offer
    state: str
    """open, accepted, arrived; expired (what arrives may still come to its end) or
    declined: it opens nothing, whoever said so."""
    proof: str | None
    item_id: str | None
    """As what its content arrives, or has arrived."""
    content_id: int | None
    """The message that made it, while it is open."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What has been ended, and what else is to be forgotten because of it."""

    id: str
    """Of the item; of the offer, when nothing of it has arrived."""
    to: Address
    parting: Parting
    trace: str
    proof: str | None
    blob_id: int | None


_MADE = consent.SELECT.replace(" FROM", ", account_id, proof, item_id FROM")


def withdrawn(
    tx: Tx, account_id: int, withdrawal: Withdrawal, hostname: str, now: float
) -> Ended | None:
    """End what its sender has taken back; None (and nothing changes) if it is over.

    Counts only with the nonce, between the offer's two addresses; that ``withdrawal``
    comes from its sender's address is for the caller to see.
    """
    made = _made_with(tx, account_id, withdrawal)
    if made is None:
        return None
    item = None if made.item_id is None else arriving.find(tx, made.item_id)
    if made.state == "open":
        is_seen = closed.unmark(tx, made.content_id, KEYWORD)
        return _end(tx, made, None, Cause.WITHDRAWN, hostname, now, told=is_seen)
    if made.state == "accepted" or (made.state == "expired" and item is not None):
        return _end(tx, made, item, Cause.STOPPED, hostname, now)
    return None


def expire(tx: Tx, hostname: str, now: float) -> list[Ended]:
    """End open and accepted offers whose time has come; return what was told.

    Open ones say until when they are, and lose their keyword; who accepted one is
    waiting for it.  What has begun to arrive may still come to its end: no timer is on
    a whole transfer.  Offers that have been over for a month are forgotten.
    """
    rows = tx.all(_MADE + "WHERE expires <= ?1 AND state IN ('open', 'accepted')", now)
    told: list[Ended] = []
    for made in map(_made, rows):
        if made.state == "open":
            closed.unmark(tx, made.content_id, KEYWORD, is_late=True)
        _close(tx, made, "expired")
        arrives = made.item_id is not None and arriving.find(tx, made.item_id)
        if made.state == "accepted" and not arrives:
            told.append(_ended(made, None, Cause.LOST, 0))
            _tell(tx, made.account_id, told[-1], hostname, now)
    tx.run(
        """DELETE FROM offer WHERE expires <= ?1 AND content_id IS NULL AND NOT EXISTS
            (SELECT 1 FROM item WHERE item.id = offer.item_id AND sha256 IS NULL)""",
        now - REMEMBERED,
    )
    return told


def sweep(index: Index, patience: float, hostname: str, now: float) -> list[Ended]:
    """Give up whatever nobody goes on with; return what somebody was told of.  Blocks.

    ``patience``: seconds without growth after which its sender has given it up, too.
    """
    index.submit(checkpoints.expire, now).result()
    stranded = index.read_here(arriving.stranded, now)
    ended = [
        index.submit(_strand, item_id, patience, hostname, now).result()
        for item_id in stranded
    ]
    return [one for one in ended if one is not None]


def _strand(
    tx: Tx, item_id: str, patience: float, hostname: str, now: float
) -> Ended | None:
    """End an item that stopped arriving.

    A push whose checkpoint had to make room for others begins anew: its offer stays.
    """
    item = arriving.find(tx, item_id)
    if item is None:
        return None
    if item.own:
        return _end_upload(tx, item, hostname, now)
    row = tx.one(
        _MADE + "WHERE account_id = ?1 AND item_id = ?2", item.account_id, item.id
    )
    made = None if row is None else _made(row)
    touched = tx.value("SELECT touched FROM blob WHERE id = ?1", item.blob_id)
    if made is None or (made.state == "accepted" and now - touched < patience):
        arriving.give_up(tx, item.id, now)
        return None
    return _end(tx, made, item, Cause.LOST, hostname, now)


def _end_upload(tx: Tx, item: Item, hostname: str, now: float) -> Ended:
    account = accounts.get(tx, item.account_id)
    landed = _take_away(tx, item, now)
    size = None if item.is_live else item.size
    parting = Parting(Cause.UPLOAD, item.name, account.address, size, landed)
    ended = Ended(item.id, account.address, parting, item.trace, None, item.blob_id)
    _tell(tx, item.account_id, ended, hostname, now)
    return ended


def _end(
    tx: Tx,
    made: Made,
    item: Item | None,
    cause: Cause,
    hostname: str,
    now: float,
    *,
    told: bool = True,
) -> Ended:
    """Close an offer, take away what has arrived for it, tell its recipient."""
    landed = 0 if item is None else _take_away(tx, item, now)
    _close(tx, made, "declined")
    ended = _ended(made, item, cause, landed)
    if told:
        _tell(tx, made.account_id, ended, hostname, now)
    return ended


def _ended(made: Made, item: Item | None, cause: Cause, landed: int) -> Ended:
    offer = made.offer
    return Ended(
        id=offer.id if item is None else item.id,
        to=offer.recipient,
        parting=Parting(cause, offer.name, offer.sender, offer.size, landed),
        trace=offer.trace,
        proof=made.proof,
        blob_id=None if item is None else item.blob_id,
    )


def _take_away(tx: Tx, item: Item, now: float) -> int:
    """Take away an arriving item; return how many octets of it had arrived."""
    landed = blob_records.state(tx, item.blob_id).durable
    checkpoints.forget_message(tx, item.id)
    arriving.give_up(tx, item.id, now)
    return landed


def _close(tx: Tx, made: Made, state: str) -> None:
    """Let nothing be kept free for an offer, or be opened by it."""
    tx.run(
        """UPDATE offer SET state = ?3, reserved = 0, content_id = NULL
        WHERE account_id = ?1 AND id = ?2""",
        made.account_id,
        made.offer.id,
        state,
    )
    if made.content_id is not None:
        messages.release_content(tx, made.content_id)
    tx.changed(f"account:{made.account_id}")


def _tell(tx: Tx, account_id: int, ended: Ended, hostname: str, now: float) -> None:
    """Put the notice into INBOX, which is always there."""
    parting = ended.parting
    said = f"{parting.cause}: {parting.landed} octets of {parting.name!r} removed"
    trace.note(tx, TraceEvent(now, ended.trace, ended.id, "queue", said))
    facts = Facts(f"{ended.id}.{parting.cause}@{hostname}", now, ended.trace)
    account = accounts.get(tx, account_id)
    composed = parting_notice(parting, account.address, hostname, facts)
    content_id = messages.add_small(
        tx, composed.octets, composed.structure, ended.trace
    )
    inbox = mailboxes.must_find(tx, account_id, "INBOX")
    messages.append(tx, inbox.id, content_id, (), now)


def _made_with(tx: Tx, account_id: int, withdrawal: Withdrawal) -> Made | None:
    row = tx.one(
        _MADE + "WHERE account_id = ?1 AND id = ?2", account_id, withdrawal.offer_id
    )
    made = None if row is None else _made(row)
    counts = (
        made is not None
        and hmac.compare_digest(made.offer.nonce.encode(), withdrawal.nonce.encode())
        and made.offer.sender.key == withdrawal.sender.key
        and made.offer.recipient.key == withdrawal.recipient.key
    )
    return made if counts else None


def _made(row: Row) -> Made:
    *offer, account_id, proof, item_id = row
    return Made(
        account_id=account_id,
        offer=consent.from_row(row),
        state=offer[14],
        proof=proof,
        item_id=item_id,
        content_id=offer[15],
    )
