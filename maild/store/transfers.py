# SPDX-License-Identifier: Apache-2.0
"""Jobs on transfers: the queue, moved only by the table of `maild.mail.transfer`.

The one door to `transfer_records` (rows), `transfer_moves` (one transfer),
`confirmation` (its sender's go), `transfer_queue` (all of them) and `transfer_view`
(how they are shown); here stands how a share begins and how its answer comes in.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from maild.mail.address import Address
from maild.mail.offer import Answer
from maild.mail.reply import Reply
from maild.mail.transfer import NEXT, UNDELIVERED, Event, Kind, Lifetimes, State
from maild.store import accounts, mailboxes, transfer_view, withdrawals
from maild.store.confirmation import go, prepared
from maild.store.errors import ExistsError, NotFoundError
from maild.store.index import Tx
from maild.store.transfer_moves import (
    add,
    advance,
    find_share,
    hold,
    out_of_reach,
    progress,
    progress_together,
    routed,
)
from maild.store.transfer_queue import (
    WHEN_CLOSED,
    Lanes,
    Notice,
    Slots,
    abandon_claims,
    begin_waiting,
    bring_forward,
    claim,
    expire_due,
    forget_finished,
    hasten,
    hasten_one,
    last_due,
    next_due,
    next_expiry,
    next_warning,
    notices_due,
    notified,
)
from maild.store.transfer_records import (
    SELECT,
    Transfer,
    everything,
    from_row,
    get,
    newly_queued,
    of_item,
    update,
)
from maild.store.withdrawals import if_over as withdraw_if_over

__all__ = [
    "WHEN_CLOSED",
    "FreshShare",
    "Lanes",
    "Notice",
    "Slots",
    "Transfer",
    "abandon_claims",
    "add",
    "advance",
    "answered",
    "begin_waiting",
    "bring_forward",
    "by_view",
    "cancel_all",
    "claim",
    "everything",
    "expire_due",
    "forget_finished",
    "freeze_rendering",
    "get",
    "go",
    "hasten",
    "hasten_one",
    "hold",
    "is_answered",
    "last_due",
    "newly_queued",
    "next_due",
    "next_expiry",
    "next_warning",
    "notices_due",
    "notified",
    "of_item",
    "out_of_reach",
    "prepared",
    "progress",
    "progress_together",
    "routed",
    "share",
    "withdraw_if_over",
]

LONGEST_TICKET = 30 * 86400.0
"""Seconds: a ticket's lifetime is the recipient's word, our queue's patience is not."""
DECLINED = Reply(550, "7.1", "the recipient has declined")


@dataclass(frozen=True, slots=True)
class FreshShare:
    """Names for a new share, made by the caller because jobs have no randomness."""

    queue_id: str
    nonce: str


def share(
    tx: Tx,
    account_id: int,
    item_id: str,
    recipient: Address,
    fresh: FreshShare,
    lifetimes: Lifetimes,
    now: float,
    *,
    note: str = "",
    via: str = "",
    confirm: float = 0.0,
) -> Transfer:
    """Queue an item of the account's Library for ``recipient`` (seed 213).

    The same item to the same address is sent once: an open (or sent) share of it is
    returned as it is.  The recipient becomes a contact.  Used by BURL on submission and
    by copying into ``Share/<address>``.  What is live goes out when it is closed.
    ``via``: the rendezvous that passes the offer on, "" for none.
    ``confirm``: seconds in which go has to be said once it is prepared; 0: need not.
    `ExistsError` when it is to wait for go, but is being sent already without that.
    """
    row = tx.one(
        """SELECT name, size, trace, sha256 IS NULL AND library_uid IS NULL
        FROM item WHERE id = ?1 AND account_id = ?2""",
        item_id,
        account_id,
    )
    if row is None:
        raise NotFoundError("there is no such item")
    begins = WHEN_CLOSED if row[3] else now
    transfer = newly_queued(
        Kind.SHARE,
        fresh.queue_id,
        account_id,
        accounts.get(tx, account_id).address,
        recipient,
        size=row[1],
        trace=row[2],
        now=now,
        expires=begins + lifetimes.offer,
    )
    transfer = replace(
        transfer,
        item_id=item_id,
        smtputf8=not recipient.is_ascii,
        note=note,
        nonce=fresh.nonce,
        due=begins,
        name=row[0],
        via=via,
        confirm=confirm,
    )
    accounts.add_contact(tx, account_id, recipient)
    known = find_share(tx, transfer)
    if known is None:
        add(tx, transfer, now)
        return get(tx, transfer.id)
    if confirm and not known.confirm and known.state is not State.SENT:
        raise ExistsError("it is being sent already, and will not wait for go")
    return known


def cancel_all(tx: Tx, account_id: int, now: float) -> None:
    """Take back whatever an account has under way: it is going to be removed."""
    for transfer in everything(tx, account_id, final=False):
        advance(tx, transfer.id, Event.CANCEL, now)


def answered(tx: Tx, answer: Answer, envelope_sender: Address, now: float) -> bool:
    """Apply an answer that has come in; False (and nothing changes) unless it counts.

    It counts when transfer id, nonce and both addresses match an offered share, it came
    from the offered address, and it is the first.  Who accepts what is over meanwhile
    is told that it is.
    """
    try:
        transfer = get(tx, answer.offer_id)
    except NotFoundError:
        return False
    event = Event.ACCEPT if answer.accepted else Event.DECLINE
    if not _matches(transfer, answer, envelope_sender):
        return False
    is_late = now > transfer.expires and transfer.ticket is None
    if answer.accepted and (is_late or transfer.state in UNDELIVERED):
        withdrawals.queue(tx, transfer, now)
        return False
    if is_late or transfer.ticket is not None or event not in NEXT[transfer.state]:
        return False
    if answer.accepted:
        transfer = replace(
            transfer,
            ticket=answer.ticket,
            ticket_size=answer.size,
            expires=min(float(answer.expires), now + LONGEST_TICKET),
        )
        update(tx, transfer)
    advance(tx, transfer.id, event, now, reply=_why(answer))
    return True


def _why(answer: Answer) -> Reply | None:
    """Return why nothing is sent, as the reply that the sender is shown."""
    if answer.accepted:
        return None
    if not answer.refused:
        return DECLINED
    code, _, rest = answer.refused.partition(" ")
    status, _, text = rest.partition(" ")
    kind, _, detail = status.partition(".")
    if kind != code[0] or not detail:
        detail, text = "", rest
    return Reply(int(code), detail, text)


def is_answered(tx: Tx, answer: Answer) -> bool:
    """Whether the answer is to an offer of ours, though it may not count."""
    nonce = tx.value("SELECT nonce FROM transfer WHERE id = ?1", answer.offer_id)
    return nonce is not None and hmac.compare_digest(
        str(nonce).encode(), answer.nonce.encode()
    )


def _matches(transfer: Transfer, answer: Answer, envelope_sender: Address) -> bool:
    """Whether the answer comes from whom the transfer was offered to."""
    return (
        transfer.kind is Kind.SHARE
        and transfer.sender is not None
        and hmac.compare_digest(
            (transfer.nonce or "").encode(), answer.nonce.encode() or b"-"
        )
        and transfer.sender.key == answer.sender.key
        and transfer.recipient.key == answer.recipient.key
        and transfer.recipient.key == envelope_sender.key
    )


def by_view(tx: Tx, mailbox_id: int, uid: int) -> Transfer | None:
    """Return the transfer that the message at ``uid`` of Transfers shows, if any."""
    mailbox = mailboxes.get(tx, mailbox_id)
    if mailbox.name != transfer_view.MAILBOX:
        return None
    row = tx.one(
        SELECT + "WHERE account_id = ?1 AND view_uid = ?2", mailbox.account_id, uid
    )
    return None if row is None else from_row(row)


def freeze_rendering(
    tx: Tx, item_id: str, next_hop: str, head: bytes, tail: bytes, now: float
) -> tuple[bytes, bytes]:
    """Return the frozen (head, tail) for this item and destination domain.

    The first caller's are kept, so that an offset means the same on every attempt.
    """
    tx.run(
        """INSERT INTO rendering (item_id, next_hop, head, tail, created)
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING""",
        item_id,
        next_hop,
        head,
        tail,
        now,
    )
    row = tx.one(
        "SELECT head, tail FROM rendering WHERE item_id = ?1 AND next_hop = ?2",
        item_id,
        next_hop,
    )
    if row is None:
        raise NotFoundError("there is no such item")
    return bytes(row[0]), bytes(row[1])
