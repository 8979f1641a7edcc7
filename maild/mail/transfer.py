# SPDX-License-Identifier: Apache-2.0
"""The life of one transfer (one item to one recipient), as a table.

Rule 1: a state changes by this table or not at all; a station says what happened
(``transfers.advance(tx, id, Event.ACCEPT, ...)``), never what follows.
Rule 2: no clock and no I/O.  Every station may import this; none may import another.

docs/queue.md holds the drawing made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a transfer stands; the values are what ``maild queue ls`` prints."""

    QUEUED = "queued"
    """Due; nothing has left yet (a share: not even its offer)."""
    OFFERED = "offered"
    """The recipient has not answered; no content octet flows."""
    ACCEPTED = "accepted"
    """The recipient said yes and gave a ticket; due as soon as a slot is free."""
    PREPARED = "prepared"
    """The next hop would take the content; none of it flows before the sender's go."""
    CONNECTING = "connecting"
    """An attempt is looking for the next hop or talking to it, before any content."""
    TRANSFERRING = "transferring"
    """Content octets are on their way."""
    DEFERRED = "deferred"
    """Failed for now; due again at ``due``."""
    SENT = "sent"
    """The next hop took responsibility with a 250."""
    FAILED = "failed"
    """Given up; the sender has been told why."""
    DECLINED = "declined"
    """The recipient said no."""
    EXPIRED = "expired"
    """The recipient did not answer in time, or the sender did not say go."""
    CANCELLED = "cancelled"
    """The sender or an operator took it back."""


class Event(StrEnum):
    """What can happen to a transfer."""

    CLAIM = "claim"
    """Delivery begins an attempt."""
    OFFER_TAKEN = "offer-taken"
    """The recipient's server took the offer."""
    ACCEPT = "accept"
    DECLINE = "decline"
    EXPIRE = "expire"
    PREPARE = "prepare"
    """The next hop let sender and recipient through; the sender's go is awaited."""
    GO = "go"
    """The sender lets the content of a prepared transfer go (seed 217)."""
    CONTENT_STARTS = "content-starts"
    DELIVER = "deliver"
    FAIL_FOR_NOW = "fail-for-now"
    FAIL_FOR_GOOD = "fail-for-good"
    CANCEL = "cancel"
    RELEASE_CLAIM = "release-claim"
    """The daemon that claimed it is gone: the attempt ended without an outcome."""


class Kind(StrEnum):
    """What a transfer carries."""

    SHARE = "share"
    """An item of a Library: offered first, pushed with a ticket."""
    MAIL = "mail"
    """An ordinary message of a user."""
    ANSWER = "answer"
    """Our answer to an offer; never shown to the user, never bounced."""
    WITHDRAWAL = "withdrawal"
    """Tells a peer that took an offer of ours that its content will not come."""
    RELAY = "relay"
    """An offer, answer or withdrawal of others that we pass on, as a rendezvous."""


SILENT = frozenset({Kind.ANSWER, Kind.WITHDRAWAL, Kind.RELAY})
"""What servers tell each other: never shown to a user, never bounced."""
UNDELIVERED = frozenset({State.FAILED, State.EXPIRED, State.CANCELLED})
"""Ends of which a peer that waits for the content knows nothing by itself."""

NEXT: dict[State, dict[Event, State]] = {
    State.QUEUED: {
        Event.CLAIM: State.CONNECTING,
        Event.FAIL_FOR_GOOD: State.FAILED,
        Event.EXPIRE: State.FAILED,
        Event.CANCEL: State.CANCELLED,
    },
    State.OFFERED: {
        Event.ACCEPT: State.ACCEPTED,
        Event.DECLINE: State.DECLINED,
        Event.FAIL_FOR_GOOD: State.FAILED,  # the item will never be whole
        Event.EXPIRE: State.EXPIRED,
        Event.CANCEL: State.CANCELLED,
    },
    State.ACCEPTED: {
        Event.CLAIM: State.CONNECTING,
        Event.FAIL_FOR_GOOD: State.FAILED,
        Event.EXPIRE: State.FAILED,
        Event.CANCEL: State.CANCELLED,
    },
    State.PREPARED: {
        Event.GO: State.ACCEPTED,
        Event.FAIL_FOR_GOOD: State.FAILED,  # the item will never be whole
        Event.EXPIRE: State.EXPIRED,
        Event.CANCEL: State.CANCELLED,
    },
    State.CONNECTING: {
        Event.OFFER_TAKEN: State.OFFERED,
        Event.ACCEPT: State.ACCEPTED,  # the answer may overtake the offer's 250
        Event.DECLINE: State.DECLINED,
        Event.PREPARE: State.PREPARED,
        Event.GO: State.ACCEPTED,  # it was said while the next hop was asked
        Event.CONTENT_STARTS: State.TRANSFERRING,
        Event.DELIVER: State.SENT,
        Event.FAIL_FOR_NOW: State.DEFERRED,
        Event.FAIL_FOR_GOOD: State.FAILED,
        Event.RELEASE_CLAIM: State.DEFERRED,
        Event.CANCEL: State.CANCELLED,
    },
    State.TRANSFERRING: {
        Event.DELIVER: State.SENT,
        Event.FAIL_FOR_NOW: State.DEFERRED,
        Event.FAIL_FOR_GOOD: State.FAILED,
        Event.RELEASE_CLAIM: State.DEFERRED,
        Event.CANCEL: State.CANCELLED,
    },
    State.DEFERRED: {
        Event.CLAIM: State.CONNECTING,
        Event.ACCEPT: State.ACCEPTED,  # the 250 to our offer was lost, the offer not
        Event.DECLINE: State.DECLINED,
        Event.FAIL_FOR_GOOD: State.FAILED,
        Event.EXPIRE: State.FAILED,
        Event.CANCEL: State.CANCELLED,
    },
    State.SENT: {},
    State.FAILED: {},
    State.DECLINED: {},
    State.EXPIRED: {},
    State.CANCELLED: {},
}

CLAIMABLE = frozenset(s for s, moves in NEXT.items() if Event.CLAIM in moves)
"""States in which delivery may begin an attempt once ``due`` has come."""
FINAL = frozenset(s for s, moves in NEXT.items() if not moves)
"""States that nothing leaves."""
ACTIVE = frozenset({State.CONNECTING, State.TRANSFERRING})
"""States in which an attempt is running."""

KEYWORD: dict[State, str] = {
    State.QUEUED: "$Queued",
    State.OFFERED: "$Offered",
    State.ACCEPTED: "$Accepted",
    State.PREPARED: "$Prepared",
    State.CONNECTING: "$Connecting",
    State.TRANSFERRING: "$Transferring",
    State.DEFERRED: "$Deferred",
    State.SENT: "$Sent",
    State.FAILED: "$Failed",
    State.DECLINED: "$Declined",
    State.EXPIRED: "$Expired",
    State.CANCELLED: "$Cancelled",
}
"""The IMAP keyword that shows each state on its message in ``Transfers``."""
GO = "$Go"
"""The keyword that any mail program sets there to say go; it knows no case."""
LONGEST_CONFIRMATION = 30 * 86400
"""Seconds that a prepared transfer may wait for its sender's go, at most."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds an offer waits for its answer, and a transfer for its delivery."""

    offer: float
    queue: float


class IllegalTransitionError(Exception):
    """The event cannot happen in this state."""


def advance(state: State, event: Event) -> State:
    """Return the state that follows ``event`` in ``state``."""
    try:
        return NEXT[state][event]
    except KeyError:
        raise IllegalTransitionError(f"{event} while {state}") from None


def retry_delay(
    attempts: int, *, first: float = 60.0, most: float = 4 * 3600.0
) -> float:
    """Return the seconds to wait after ``attempts`` failures (RFC 5321 §4.5.4.1).

    Doubles from ``first`` to ``most``.  The caller adds the jitter, so that this stays
    a function of its arguments.
    """
    return min(first * 2.0 ** min(max(attempts, 1) - 1, 30), most)
