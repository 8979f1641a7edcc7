# SPDX-License-Identifier: Apache-2.0
"""Jobs that tell a peer that what we have offered it will not come.

Queued in the job that ends a transfer without delivery, so that no crash can part them:
once the peer has taken the offer it shows it, waits for its content, or keeps what has
come of that.
"""

from __future__ import annotations

from dataclasses import replace

from maild.mail import compose
from maild.mail.offer import Withdrawal
from maild.mail.transfer import CLAIMABLE, FINAL, UNDELIVERED, Kind, State
from maild.store import messages, trace
from maild.store.errors import NotFoundError
from maild.store.index import Tx
from maild.store.trace import TraceEvent
from maild.store.transfer_records import Transfer, get, insert, listed, newly_queued

LIFETIME = 5 * 86400.0
"""Seconds until one that cannot be delivered is given up (RFC 5321 §4.5.4.1)."""
MOST = 10
"""Of one transfer, as long as they are remembered: who accepts again and again what is
over has been told often enough."""


def after(tx: Tx, old: Transfer, new: Transfer, now: float) -> None:
    """Queue one if the step from ``old`` to ``new`` makes one necessary.

    An offer that nobody has answered ends by itself, at the time that it names.
    """
    if new.kind is not Kind.SHARE or new.state not in UNDELIVERED:
        return
    offered = old.state is State.OFFERED and new.state is not State.EXPIRED
    if offered or old.ticket is not None:
        queue(tx, new, now)


def if_over(tx: Tx, transfer_id: str, now: float) -> None:
    """Queue one if a transfer has ended while its offer was on its way."""
    try:
        transfer = get(tx, transfer_id)
    except NotFoundError:
        return
    if transfer.kind is Kind.SHARE and transfer.state in UNDELIVERED:
        queue(tx, transfer, now)


def queue(tx: Tx, transfer: Transfer, now: float) -> None:
    """Queue one for a transfer that is over, or hasten the one that is under way.

    It belongs to no account: it is to be told even when that is removed.
    """
    for number in range(1, MOST + 1):
        known = _find(tx, _name(transfer, number))
        if known is None:
            insert(tx, _composed(tx, transfer, _name(transfer, number), now))
            return
        if known.state not in FINAL:
            _hasten(tx, known, now)
            return


def _name(transfer: Transfer, number: int) -> str:
    """Return a queue id; jobs have no randomness, and the transfer's own is unique."""
    return f"{transfer.id}W{number}"


def _find(tx: Tx, transfer_id: str) -> Transfer | None:
    try:
        return get(tx, transfer_id)
    except NotFoundError:
        return None


def _hasten(tx: Tx, known: Transfer, now: float) -> None:
    tx.run(
        f"""UPDATE transfer SET due = min(due, ?2)
        WHERE id = ?1 AND state IN ({listed(CLAIMABLE)})""",  # noqa: S608 - ours
        known.id,
        now,
    )
    tx.changed("queue")


def _composed(tx: Tx, transfer: Transfer, queue_id: str, now: float) -> Transfer:
    sender = transfer.sender
    assert sender is not None
    withdrawal = Withdrawal(
        offer_id=transfer.id,
        nonce=transfer.nonce or "",
        sender=sender,
        recipient=transfer.recipient,
        trace=transfer.trace,
    )
    facts = compose.Facts(f"{queue_id}@{sender.domain}", now, transfer.trace)
    composed = compose.withdrawal_message(withdrawal, facts)
    content_id = messages.add_small(
        tx, composed.octets, composed.structure, transfer.trace
    )
    messages.hold_content(tx, content_id)
    event = f"{Kind.WITHDRAWAL} for {transfer.recipient} queued"
    trace.note(tx, TraceEvent(now, transfer.trace, queue_id, "queue", event))
    withdrawn = newly_queued(
        Kind.WITHDRAWAL,
        queue_id,
        None,
        sender,
        transfer.recipient,
        size=len(composed.octets),
        trace=transfer.trace,
        now=now,
        expires=now + LIFETIME,
    )
    return replace(withdrawn, content_id=content_id, via=transfer.via)
