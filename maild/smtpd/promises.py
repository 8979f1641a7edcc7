# SPDX-License-Identifier: Apache-2.0
"""How much room a transaction is promised, before any octet of its content."""

from __future__ import annotations

from maild.promises import Promises
from maild.smtpd.transaction import Ticket, Transaction
from maild.store.checkpoints import NOBODY

AROUND = 16 * 1024
"""Octets that we add to an upload: trace fields, and the stub that stands for it."""


async def promise(
    promises: Promises,
    transaction: Transaction,
    account_id: int,
    ticket: Ticket | None,
) -> None:
    """Promise room for a message, or raise why there is none."""
    size = _needed(transaction.mail.size or 0, account_id, ticket)
    transaction.quota_limit = await promises.make(
        transaction,
        account_id,
        size,
        redeems=ticket is not None,
        around=0 if account_id == NOBODY else AROUND,
    )
    transaction.promised = size


def _needed(declared: int, account_id: int, ticket: Ticket | None) -> int:
    """Return the octets to promise to a message that SIZE ``declared`` so large.

    It may turn out larger (RFC 1870 §6.3), up to what was accepted, so that SIZE can
    only raise this.  What is kept for others is counted to the last octet, its frame
    included; for our own, the frame is small, like ordinary mail.
    """
    if ticket is None:
        return declared
    accepted = ticket.limit if account_id == NOBODY else ticket.accepted.size
    return max(declared, accepted)
