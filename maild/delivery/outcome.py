# SPDX-License-Identifier: Apache-2.0
"""How an attempt can end, and what its end changes in the index."""

from __future__ import annotations

from dataclasses import dataclass

from maild import delivery_log
from maild.delivery.work import Tally
from maild.mail.reply import Reply
from maild.mail.transfer import Event
from maild.store import trace, transfers
from maild.store.index import Tx
from maild.store.trace import TraceEvent

_WORDS = {
    Event.DELIVER: "sent",
    Event.OFFER_TAKEN: "offered",
    Event.FAIL_FOR_NOW: "deferred",
    Event.FAIL_FOR_GOOD: "bounced",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, and the reply that says why."""

    event: Event
    reply: Reply

    @property
    def word(self) -> str:
        """What the delivery line calls it."""
        return _WORDS[self.event]

    @property
    def is_final(self) -> bool:
        """Whether no further attempt follows."""
        return self.event in (Event.DELIVER, Event.FAIL_FOR_GOOD)


def failed(reply: Reply) -> Outcome:
    """Return the outcome of an error reply.

    5yz is final, everything else is tried again (RFC 5321 §4.2.1).
    """
    event = Event.FAIL_FOR_GOOD if reply.is_permanent else Event.FAIL_FOR_NOW
    return Outcome(event, reply)


def content_starts(tx: Tx, transfer_id: str, now: float, event: TraceEvent) -> None:
    """Record that the server let content through (a job)."""
    transfers.advance(tx, transfer_id, Event.CONTENT_STARTS, now)
    trace.note(tx, event)


def record(
    tx: Tx,
    transfer_id: str,
    outcome: Outcome,
    now: float,
    tally: Tally,
    due: float,
    event: TraceEvent,
) -> None:
    """Record everything an outcome changes (a job); ``due`` is for a deferred one."""
    if tally.landed:
        transfers.progress(tx, transfer_id, tally.landed, now)
    transfers.advance(
        tx,
        transfer_id,
        outcome.event,
        now,
        reply=outcome.reply.with_text(delivery_log.clean(outcome.reply.text)),
        relay=tally.relay,
        due=due if outcome.event is Event.FAIL_FOR_NOW else None,
    )
    trace.note(tx, event)
