# SPDX-License-Identifier: Apache-2.0
"""Jobs on offers made to us: decided once, answered once, redeemed by a proof."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.address import Address
from maild.mail.offer import Offer
from maild.store.index import Tx


@dataclass(frozen=True, slots=True)
class Randomness:
    """Fresh secrets for a decision, made by the caller because jobs have none."""

    ticket: str
    """32 hex digits (128 bits)."""
    queue_id: str
    """Id of the answer's transfer."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a proof opens."""

    account_id: int
    offer_id: str
    name: str
    type: str
    size: int
    sha256: str | None
    note: str
    trace: str
    final_reply: str | None
    """The 250 already given, when the content has arrived before."""


def received(
    tx: Tx, account_id: int, offer: Offer, content_id: int, now: float
) -> bool:
    """Keep an offer that lies in INBOX as ``content_id``; False when it is known."""
    raise NotImplementedError


def decide(
    tx: Tx,
    account_id: int,
    content_id: int,
    fresh: Randomness,
    now: float,
    *,
    accepted: bool,
) -> bool:
    """Decide the open offer made by ``content_id`` and queue the answer.

    Called in the same job that copies or moves the message into ``Accepted`` or
    ``Declined``.  False when the content makes no offer, or it is decided or expired.
    The proof of the ticket is kept, the ticket itself only travels in the answer.
    """
    raise NotImplementedError


def redeem(
    tx: Tx, proof: str, sender: Address, recipient: Address, now: float
) -> Accepted | None:
    """Return what ``proof`` opens for exactly these two addresses, or None."""
    raise NotImplementedError


def arrived(tx: Tx, proof: str, item_id: str, final_reply: str, now: float) -> None:
    """Record that the content is here, and the reply that said so."""
    raise NotImplementedError


def open_offers(tx: Tx, account_id: int, now: float) -> list[tuple[Offer, str]]:
    """Return the account's offers with their state, newest first."""
    raise NotImplementedError


def expire(tx: Tx, now: float) -> int:
    """Mark open and accepted offers that have expired; return how many."""
    raise NotImplementedError
