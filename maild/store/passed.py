# SPDX-License-Identifier: Apache-2.0
"""Jobs of a rendezvous that tell a sender when an offer could not be passed on.

Queued in the job that ends the passing, so that no crash can part them.  The answer
comes in the recipient's place: by the nonce the sender's server knows that it counts.
"""

from __future__ import annotations

from dataclasses import replace

from maild.mail import compose
from maild.mail.offer import Answer
from maild.mail.reply import Reply
from maild.mail.transfer import UNDELIVERED, Kind
from maild.store import messages, passages
from maild.store.index import Tx
from maild.store.transfer_records import Transfer, insert, newly_queued

OFFER = "offer"
"""The note of a relay that carries an offer."""
LIFETIME = 5 * 86400.0
"""Seconds until an answer that cannot be delivered is given up (RFC 5321 §4.5.4.1)."""
LONGEST = 300
"""Characters of a server's reply that are told."""


def after(tx: Tx, new: Transfer, now: float) -> None:
    """Answer an offer that ``new`` was to pass on, if it has ended undelivered."""
    if new.kind is not Kind.RELAY or new.state not in UNDELIVERED or new.note != OFFER:
        return
    sender, nonce = new.sender, new.nonce
    assert sender is not None
    assert nonce is not None
    answer = Answer(
        offer_id=new.name,
        nonce=nonce,
        sender=sender,
        recipient=new.recipient,
        accepted=False,
        ticket=None,
        size=0,
        expires=int(now + LIFETIME),
        trace=new.trace,
        refused=_reply(new),
    )
    passages.answered(tx, answer, now)
    _queue(tx, answer, f"{new.id}R", now)


def _reply(relay: Transfer) -> str:
    """Return the last reply as the final one that it became."""
    detail = relay.status.partition(".")[2]
    if relay.status.startswith("5") and detail:
        return str(Reply(550, detail, relay.reply[:LONGEST]))
    said = relay.reply[:LONGEST] or "the recipient's server could not be reached"
    return str(Reply(550, "4.7", f"it could not be passed on in time; last: {said}"))


def _queue(tx: Tx, answer: Answer, queue_id: str, now: float) -> None:
    facts = compose.Facts(f"{queue_id}@{answer.recipient.domain}", now, answer.trace)
    composed = compose.answer_message(answer, facts)
    content_id = messages.add_small(
        tx, composed.octets, composed.structure, answer.trace
    )
    messages.hold_content(tx, content_id)
    queued = newly_queued(
        Kind.ANSWER,
        queue_id,
        None,
        answer.recipient,
        answer.sender,
        size=len(composed.octets),
        trace=answer.trace,
        now=now,
        expires=now + LIFETIME,
    )
    insert(tx, replace(queued, content_id=content_id))
