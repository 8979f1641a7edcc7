# SPDX-License-Identifier: Apache-2.0
"""Jobs on renderings: what was pushed for one recipient is not needed for the next one.

A rendering is the octets of a push, named in its offer by 128 bits that only its sender
and whom he offers it to can know.  Nothing is ever taken from what another sender has
brought; that it is the same content is shown in the end by the digest in its tail.
"""

from __future__ import annotations

from maild.mail.address import parse_address
from maild.store import checkpoints, messages
from maild.store.checkpoints import Checkpoint, Envelope
from maild.store.consent import Accepted
from maild.store.index import Tx
from maild.store.rope import Constant, Raw, Rope

LOOKED_AT = 20
"""Recipients whose copies are looked at: as a rule the first will do."""


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


def forget(tx: Tx, account_id: int, offer_id: str) -> None:
    """Let an offer's content be sent whole: what was taken for it was not it."""
    tx.run(
        "UPDATE offer SET rendering = NULL WHERE account_id = ?1 AND id = ?2",
        account_id,
        offer_id,
    )


def _arrived(tx: Tx, envelope: Envelope, offered: Accepted) -> tuple[bytes, int] | None:
    """Return the peer's octets in front of a blob that has arrived, and the blob."""
    rows = tx.all(
        """SELECT offer.sender, item.id, item.content_id, item.blob_id FROM offer
        JOIN item ON item.id = offer.item_id JOIN blob ON blob.id = item.blob_id
        WHERE offer.rendering = ?1 AND offer.state = 'arrived' AND blob.sealed = 1
            AND item.size = ?2 AND item.sha256 = coalesce(?3, item.sha256)
        LIMIT ?4""",
        envelope.rendering,
        offered.size,
        offered.sha256,
        LOOKED_AT,
    )
    for sender, item_id, content_id, blob_id in rows:
        if parse_address(sender).key == envelope.sender:
            rope = messages.content(tx, content_id).rope
            front = _front(rope, item_id, blob_id, envelope.size or 0)
            if front is not None:
                return front, blob_id
    return None


def _front(rope: Rope, item_id: str, blob_id: int, declared: int) -> bytes | None:
    """Return what the peer has sent in front of the blob, if it is as it was sent.

    What we have written in front of that ends with the field that names the item.
    """
    front = b""
    for piece in rope.pieces:
        if not isinstance(piece, Constant):
            break
        front += piece.octets
    else:
        return None
    ours, peers = front[: rope.size - declared], front[max(0, rope.size - declared) :]
    is_whole = isinstance(piece, Raw) and (piece.blob, piece.start) == (blob_id, 0)
    named = ours.endswith(f"\r\nShare-Item: {item_id}\r\n".encode())
    return peers if is_whole and named else None


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
