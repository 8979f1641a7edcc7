# SPDX-License-Identifier: Apache-2.0
"""How an attempt can end, and what its end changes in the index."""

from __future__ import annotations

from dataclasses import dataclass, replace

from maild import delivery_log
from maild.delivery.work import Tally
from maild.mail.reply import Reply
from maild.mail.transfer import Event, IllegalTransitionError, State
from maild.store import trace, transfers
from maild.store.index import Tx
from maild.store.trace import TraceEvent
from maild.store.transfers import Transfer

_WORDS = {
    Event.DELIVER: "sent",
    Event.OFFER_TAKEN: "offered",
    Event.PREPARE: "prepared",
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

    def without(self, secret: str) -> Outcome:
        """Return the same, should the reply repeat ``secret``: it will be shown."""
        if not secret or secret not in self.reply.text.lower():
            return self
        return replace(self, reply=self.reply.with_text("(the reply is not shown)"))


def failed(reply: Reply) -> Outcome:
    """Return the outcome of an error reply.

    5yz is final, everything else is tried again (RFC 5321 §4.2.1).
    """
    event = Event.FAIL_FOR_GOOD if reply.is_permanent else Event.FAIL_FOR_NOW
    return Outcome(event, reply)


READY = Outcome(Event.PREPARE, Reply(250, "1.5", "the server would take it"))
"""Of an attempt whose content waits for the sender's go."""


def content_flows(
    tx: Tx,
    transfer: Transfer,
    route: str,
    now: float,
    event: TraceEvent,
    *,
    kept: bool = False,
) -> None:
    """Record that the server lets content through, and by which way (a job).

    ``kept``: it is not the recipient's, which is as far away as before.
    """
    _check(tx, transfer)
    transfers.routed(tx, transfer.id, route)
    if not kept:
        transfers.out_of_reach(tx, transfer.id, None)
    if transfers.get(tx, transfer.id).state is not State.TRANSFERRING:
        transfers.advance(tx, transfer.id, Event.CONTENT_STARTS, now)
    trace.note(tx, event)


def _check(tx: Tx, transfer: Transfer) -> None:
    """Raise `IllegalTransitionError` when the claim that was made is over.

    An answer can overtake the 250 to its offer, and the push be claimed before that
    comes: what becomes of the offer then says nothing about the push.
    """
    if transfers.get(tx, transfer.id).ticket != transfer.ticket:
        raise IllegalTransitionError("an answer has come in meanwhile")


def record(
    tx: Tx,
    transfer: Transfer,
    outcome: Outcome,
    now: float,
    tally: Tally,
    due: float,
    event: TraceEvent,
) -> None:
    """Record everything an outcome changes (a job); ``due`` is for a deferred one."""
    _check(tx, transfer)
    if tally.landed:
        transfers.progress(tx, transfer.id, tally.landed, now)
    if outcome.event is Event.FAIL_FOR_NOW and tally.is_away and not transfer.away:
        transfers.out_of_reach(tx, transfer.id, now)
    reply = outcome.reply.with_text(delivery_log.clean(outcome.reply.text))
    if outcome.event is Event.PREPARE:
        transfers.prepared(tx, transfer.id, now, reply, tally.relay)
    else:
        transfers.advance(
            tx,
            transfer.id,
            outcome.event,
            now,
            reply=reply,
            relay=tally.relay,
            due=due if outcome.event is Event.FAIL_FOR_NOW else None,
        )
    trace.note(tx, event)
