# SPDX-License-Identifier: Apache-2.0
"""What the messages we write have in common: their facts, and how they begin."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail import plain
from maild.mail.address import Address
from maild.mail.header import (
    address_field,
    date_field,
    field,
    message_id_field,
    printable,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What every composed message needs and cannot know; ``now`` in Unix seconds."""

    message_id: str
    """Left and right side without the angle brackets."""
    now: float
    trace: str


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """An item as its messages describe it; ``size`` in octets."""

    id: str
    name: str
    type: str
    size: int | None
    """None while it is live: still being recorded."""
    sha256: str | None
    sender: Address | None
    """Who sent it; None for an own upload."""
    note: str = ""
    landed: int = 0
    """Octets of a live one that the server has."""
    version: int = 1

    @property
    def measure(self) -> str:
        """Its size for people."""
        return "live" if self.size is None else plain.amount(self.size)


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """A transfer as its message in Transfers shows it (octets)."""

    id: str
    state: str
    recipient: Address
    name: str
    size: int
    octets: int
    reason: str
    """Last status and reply, or ""."""
    go_until: float | None = None
    """Until when its sender may say go (Unix seconds), while that is awaited."""


def head(sender: Address, to: Address | None, facts: Facts) -> list[bytes]:
    """Return the fields every message of ours begins with."""
    return [
        date_field(facts.now),
        address_field("From", sender),
        *([address_field("To", to)] if to else []),
        message_id_field(facts.message_id),
        field("Maild-Trace", facts.trace),
    ]


def item_line(item: ItemFacts) -> str:
    """Return an item's description for people, several lines."""
    origin = f"from {item.sender}" if item.sender else "uploaded by you"
    digest = f"\n    sha-256 {item.sha256}" if item.sha256 else ""
    if item.size is None:
        measure = f"{plain.amount(item.landed)} so far ({item.landed} octets)"
    else:
        measure = f"{plain.amount(item.size)} ({item.size} octets)"
    return (
        f"    {printable(item.name) or 'unnamed'}\n"
        f"    {measure}, {plain.media_type(item.type)}, {origin}{digest}"
    )


def transfer_line(transfer: TransferFacts) -> str:
    """Return a transfer's description for people, several lines."""
    return (
        f"    {printable(transfer.name) or 'unnamed'}\n"
        f"    to {transfer.recipient}\n"
        f"    {transfer.state}, {transfer.octets} of {transfer.size} octets"
    )
