# SPDX-License-Identifier: Apache-2.0
"""Jobs on what nobody can decide any more: its time is over, or it was taken back.

Its message lies in mailboxes still.  The keyword that asks for a decision goes, and an
arrival in ``Accepted`` or ``Declined`` is refused (CANNOT, RFC 5530 §3): it would look
like a decision.
"""

from __future__ import annotations

from typing import Final

from maild.store import messages
from maild.store.index import Tx

EXPIRED: Final = "$Expired"
"""Keyword of what was not decided in time, instead of the one that asked for it."""


def complaint(tx: Tx, account_id: int, content_id: int, now: float) -> str | None:
    """Return why what a message asks of its account cannot be decided any more.

    None when it can, when it asks for nothing, and when it has been decided: then the
    same once more, because a reply was lost, changes nothing.
    """
    row = tx.one(
        """SELECT state, expires FROM offer
        WHERE said_by = ?1 AND account_id = ?2 AND decided IS NULL
        UNION ALL SELECT state, expires FROM address_request
        WHERE said_by = ?1 AND asked = ?2 AND decided IS NULL""",
        content_id,
        account_id,
    )
    if row is None:
        return None
    state, expires = row
    if state == "declined":
        return "its sender has taken it back"
    if state == "expired" or expires <= now:
        return "it has expired; its sender can send it again"
    return None


def unmark(
    tx: Tx,
    content_id: int | None,
    keyword: str,
    *,
    is_late: bool = False,
    but: int | None = None,
) -> bool:
    """Let a message ask for nothing any more; False when it was deleted.

    ``but``: a mailbox where it stays as it is.
    """
    places = tx.all(
        """SELECT mailbox_id, uid FROM message
        WHERE content_id = ?1 AND mailbox_id IS NOT ?2""",
        content_id,
        but,
    )
    for mailbox_id, uid in places:
        messages.store_flags(tx, mailbox_id, [uid], "-", (keyword,))
        if is_late:
            messages.store_flags(tx, mailbox_id, [uid], "+", (EXPIRED,))
    return bool(places)
