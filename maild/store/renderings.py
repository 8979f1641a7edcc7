# SPDX-License-Identifier: Apache-2.0
"""Jobs on renderings: what was pushed for one recipient is not needed for the next one.

A rendering is the octets of a push, named in its offer by 128 bits that only its sender
and whom he offers it to can know.  Nothing is ever taken from what another sender has
brought; that it is the same content is shown in the end by the digest in its tail.
"""

from __future__ import annotations

from maild.store import checkpoints
from maild.store.checkpoints import Checkpoint, Envelope
from maild.store.consent import Accepted
from maild.store.index import Tx


def borrow(
    tx: Tx,
    envelope: Envelope,
    offered: Accepted,
    message_id: str,
    trace_fields: bytes,
    lifetime: float,
    now: float,
) -> Checkpoint | None:
    """Begin a checkpoint with what another recipient of the same push has been brought.

    ``trace_fields`` are those of this hop for this recipient.  None when there is
    nothing that could spare an octet.
    """
    if envelope.rendering is None:
        return None
    found = _arrived(tx, envelope, offered) or _interrupted(tx, envelope)
    if found is None:
        return None
    front, blob_id = found
    checkpoint = Checkpoint(
        envelope,
        message_id,
        trace_fields + front,
        len(trace_fields),
        blob_id,
        None,
        lifetime,
    )
    checkpoints.keep(tx, checkpoint, now)
    return checkpoint


def arrived(tx: Tx, envelope: Envelope, item_id: str, front: bytes) -> None:
    """Remember what an item that has arrived was framed by, for its next recipient.

    ``front``: the peer's octets in front of the blob, unless its checkpoint has them;
    called before that is forgotten.
    """
    if envelope.rendering is None or envelope.size is None:
        return
    kept = front or tx.value(
        """SELECT substr(head, ours + 1) FROM checkpoint
        WHERE key = ?1 AND blob_id IS NOT NULL""",
        envelope.key,
    )
    if kept:
        tx.run(
            """INSERT INTO brought (item_id, rendering, sender, size, body, front)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)""",
            item_id,
            envelope.rendering,
            envelope.sender,
            envelope.size,
            envelope.body,
            kept,
        )


def forget(tx: Tx, account_id: int, offer_id: str) -> None:
    """Let an offer's content be sent whole: what was taken for it was not it."""
    tx.run(
        "UPDATE offer SET rendering = NULL WHERE account_id = ?1 AND id = ?2",
        account_id,
        offer_id,
    )


def _arrived(tx: Tx, envelope: Envelope, offered: Accepted) -> tuple[bytes, int] | None:
    """Return the peer's octets in front of a blob that has arrived, and the blob."""
    row = tx.one(
        """SELECT front, blob_id FROM brought JOIN item ON item.id = item_id
            JOIN blob ON blob.id = blob_id
        WHERE rendering = ?1 AND brought.sender = ?2 AND brought.size = ?3
            AND body = ?4 AND sealed = 1 AND item.size = ?5
            AND item.sha256 = coalesce(?6, item.sha256)
        LIMIT 1""",
        envelope.rendering,
        envelope.sender,
        envelope.size,
        envelope.body,
        offered.size,
        offered.sha256,
    )
    return None if row is None else (bytes(row[0]), row[1])


def _interrupted(tx: Tx, envelope: Envelope) -> tuple[bytes, int] | None:
    """Return the same of a blob that was cut short; of several the longest."""
    row = tx.one(
        """SELECT substr(head, ours + 1), blob_id FROM checkpoint
        JOIN blob ON blob.id = blob_id
        WHERE rendering = ?1 AND sender = ?2 AND size = ?3 AND body = ?4
            AND kind = ?5 AND checkpoint.key != ?6
        ORDER BY durable DESC LIMIT 1""",
        envelope.rendering,
        envelope.sender,
        envelope.size,
        envelope.body,
        envelope.kind.value,
        envelope.key,
    )
    return None if row is None else (bytes(row[0]), row[1])
