# SPDX-License-Identifier: Apache-2.0
"""What is shown of an upload or a push from its first octets on.

Only of one that can be gone on with, and in Library only if its size is announced: a
UID means the same message from then to the end.  An upload that does not say how large
it will be is live: still being recorded.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from maild.mail.compose import Composed, push_tail
from maild.mail.reply import ReplyError
from maild.smtpd import kept
from maild.smtpd.arrived import share_fields, trace_in
from maild.smtpd.transaction import Transaction
from maild.store import live
from maild.store.arriving import Beginning
from maild.store.house import Store
from maild.store.items import Item
from maild.wire.mime_foresight import Foreseen, Front

_log = logging.getLogger(__name__)

RENEWED = 30.0
"""Seconds between two stubs of a live item: each is a new UID."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An item that begins to arrive, and what stands for it."""

    beginning: Beginning
    stub: Composed


def shown(
    transaction: Transaction, front: bytes, ours: int, hostname: str, now: float
) -> Shown | None:
    """Return what can be shown of a message whose blob begins to grow, if anything.

    ``front`` are the octets in front of that, ``ours`` of them not the peer's.
    """
    if transaction.mail.size is None and not transaction.is_live:
        return None
    if transaction.is_relayed:  # to nobody here
        return None
    try:
        found = Front(front)
        transaction.trace = trace_in(found.header) or transaction.trace
        if transaction.mail.size is None:
            return _live(transaction, found, hostname, now)
        # From the peer's first octet to its last, less what stands before the blob.
        rest = transaction.mail.size - (len(front) - ours)
        if transaction.ticket is not None:
            return _push(transaction, found, rest, hostname, now)
        return _upload(transaction, found, rest, hostname, now)
    except (ReplyError, ValueError) as error:
        _log.info("%s: shown only when it is whole: %s", transaction.id, error)
    return None


def _upload(
    transaction: Transaction, front: Front, expected: int, hostname: str, now: float
) -> Shown:
    sender, bound = transaction.mail.sender, transaction.bound
    assert sender is not None
    assert bound is not None
    found = front.foresee(expected, b"")
    part = found.structure.root
    if kept.announced_size(part) != expected:
        raise ValueError("it does not announce its size")
    share = share_fields(front.header)
    item = kept.of_upload(transaction, bound.account_id, part, share, expected, now)
    stub = kept.stub(item, sender.base, hostname, now)
    return Shown(_beginning(item, found, None), stub)


def _live(transaction: Transaction, front: Front, hostname: str, now: float) -> Shown:
    sender, bound = transaction.mail.sender, transaction.bound
    assert sender is not None
    assert bound is not None
    found = front.foresee(0, b"")
    part = found.structure.root
    if kept.announced_size(part) is not None:
        raise ValueError("only its content announces a size")
    share = share_fields(front.header)
    item = kept.of_upload(transaction, bound.account_id, part, share, 0, now)
    stub = kept.stub(item, sender.base, hostname, now, live=0)
    return Shown(replace(_beginning(item, found, None), is_live=True), stub)


def renew(transaction: Transaction, store: Store, hostname: str) -> None:
    """Let the stub of a live upload say how much there is, now and then."""
    sender, bound = transaction.mail.sender, transaction.bound
    if not transaction.is_live or sender is None or bound is None:
        return
    now = store.clock()
    if transaction.stub_at is None:
        transaction.stub_at = now
    if now - transaction.stub_at < RENEWED:
        return
    transaction.stub_at = now

    def stub(item: Item, landed: int) -> Composed:
        return kept.stub(item, sender.base, hostname, now, live=landed)

    store.index.submit(live.renew, bound.account_id, transaction.id, stub, now)


def _push(
    transaction: Transaction, front: Front, rest: int, hostname: str, now: float
) -> Shown:
    ticket = transaction.ticket
    assert ticket is not None
    accepted = ticket.accepted
    tail = push_tail(front.boundary, front.header("Share-Type") or "", accepted.size)
    if rest != accepted.size + len(tail):
        raise ValueError("it is framed in another way")
    found = front.foresee(accepted.size, tail)
    item = kept.of_push(transaction, ticket, now)
    to = transaction.recipients[0].address
    stub = kept.stub(item, to.base, hostname, now, note=accepted.note)
    return Shown(_beginning(item, found, ticket.proof), stub)


def _beginning(item: Item, found: Foreseen, proof: str | None) -> Beginning:
    return Beginning(
        item,
        found.before,
        found.end.as_base64,
        found.end.open_end,
        found.structure,
        proof,
    )
