# SPDX-License-Identifier: Apache-2.0
"""Jobs on content that a rendezvous keeps: its recipient's server has stayed away.

Only for a passage whose answer has brought a ticket, and only until that server has
taken it: what is kept is a transfer (kind *relay*) that holds the message as it came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from maild.mail.address import Address
from maild.mail.structure import Structure
from maild.mail.transfer import FINAL, Event, Kind
from maild.store import checkpoints, messages, passages, transfer_moves
from maild.store.checkpoints import NOBODY, Envelope
from maild.store.consent import Accepted
from maild.store.errors import ExistsError, NotFoundError, StoreFullError
from maild.store.index import Tx
from maild.store.passages import Passage
from maild.store.rope import Constant, Rope
from maild.store.transfer_records import Transfer, get, newly_queued

CONTENT = "content"
"""The note of a relay that brings content."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much content may be kept here in all (octets), and how long (seconds)."""

    octets: int
    seconds: float


NOTHING = Keeping(0, 0.0)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a proof opens at a rendezvous."""

    accepted: Accepted
    recipient: Address


def redeem(tx: Tx, proof: str, sender: Address, now: float) -> Opened | None:
    """Return what ``proof`` opens for ``sender``, or None.

    Once the content was kept it opens the same 250 again, as long as it is known.
    """
    found = passages.by_proof(tx, proof, sender)
    if found is None or not (found.may_pass(now) or found.final_reply is not None):
        return None
    accepted = Accepted(
        account_id=NOBODY,
        offer_id=found.offer_id,
        name=found.name,
        type=found.type,
        size=found.size,
        sha256=None,
        note="",
        trace=found.trace,
        final_reply=found.final_reply,
        rendering=None,
    )
    return Opened(accepted, found.recipient)


def is_wanted(tx: Tx, proof: str, sender: Address) -> bool:
    """Whether nobody has taken back what arrives with ``proof``."""
    found = passages.by_proof(tx, proof, sender)
    return found is not None and found.state == "accepted"


def held(tx: Tx) -> dict[str, int]:
    """Return the octets that are kept, or have begun to come, by id of the message.

    What is still coming counts with the room it was promised: it may take all of that.
    """
    coming = tx.all(
        """SELECT message_id, max(promised, coalesce(size, 0), coalesce(
                (SELECT durable FROM blob WHERE blob.id = blob_id), 0))
        FROM checkpoint WHERE account_id IS NULL AND final_reply IS NULL"""
    )
    kept = tx.all(
        """SELECT transfer.id, stored FROM transfer
            JOIN content ON content.id = content_id
        WHERE kind = 'relay' AND ticket IS NOT NULL AND finished IS NULL"""
    )
    return {**dict(coming), **dict(kept)}


@dataclass(frozen=True, slots=True)
class Arrival:
    """Content that is whole; ``size`` in octets, without what frames it."""

    message_id: str
    proof: str
    sender: Address
    bound: Envelope
    rope: Rope
    structure: Structure
    size: int


def keep(
    tx: Tx, arrival: Arrival, final_reply: str, keeping: Keeping, now: float
) -> tuple[Passage, Transfer]:
    """Keep content and queue it for its recipient's server.

    `ExistsError` when another connection has brought it, `NotFoundError` when it is not
    wanted any more, `StoreFullError` when too much is kept; each undoes the job.
    """
    found = passages.by_proof(tx, arrival.proof, arrival.sender)
    if found is not None and found.final_reply is not None:
        raise ExistsError("the content has come before")
    # A ticket has to be good when the push begins: no timer is on a whole transfer.
    if found is None or found.state != "accepted" or found.ticket_until is None:
        raise NotFoundError("there is no accepted offer for it")
    content_id = messages.add_content(tx, arrival.rope, arrival.structure, found.trace)
    transfer = newly_queued(
        Kind.RELAY,
        arrival.message_id,
        None,
        found.sender,
        found.recipient,
        size=arrival.size,
        trace=found.trace,
        now=now,
        expires=min(now + keeping.seconds, max(found.ticket_until, now)),
    )
    transfer = replace(
        transfer,
        content_id=content_id,
        ticket=arrival.proof,
        ticket_size=arrival.size,
        name=found.name,
        note=CONTENT,
    )
    transfer_moves.add(tx, transfer, now)
    passages.kept(tx, found, transfer.id, final_reply)
    checkpoints.forget(tx, arrival.bound.key)
    if sum(held(tx).values()) > keeping.octets:  # whatever anybody was promised
        raise StoreFullError("there is no room for it among what is kept")
    return found, transfer


def withdrawn(tx: Tx, passage: Passage, now: float) -> int | None:
    """Give up the content that was kept of a passage; return the blob that held it."""
    if passage.kept is None:
        return None
    try:
        transfer = get(tx, passage.kept)
    except NotFoundError:
        return None
    if transfer.state in FINAL or transfer.content_id is None:
        return None
    blob_id = blob_of(messages.content(tx, transfer.content_id).rope)
    transfer_moves.advance(tx, transfer.id, Event.CANCEL, now)
    return blob_id


def blob_of(rope: Rope) -> int | None:
    """Return the one blob of a message that is kept; None when it has none."""
    blobs = {p.blob for p in rope.pieces if not isinstance(p, Constant)}
    return blobs.pop() if len(blobs) == 1 else None
