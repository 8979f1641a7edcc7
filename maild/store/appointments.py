# SPDX-License-Identifier: Apache-2.0
"""Jobs on who may meet here: the two servers of an offer that has passed."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.address import Address, parse_address
from maild.store.index import Tx

ALIKE = 16
"""Offers of one id that are looked at: ids are their senders' words."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """One offer whose ends may be joined; ``size`` and ``octets`` in octets."""

    offer_id: str
    sender: Address
    recipient: Address
    secret: str
    """What both ends know and nobody else."""
    size: int
    """Of the content."""
    octets: int
    """That have passed between the two so far."""
    trace: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from all others."""
        return self.offer_id, self.sender.key, self.recipient.key


def passing(tx: Tx, offer_id: str, now: float) -> list[Appointment]:
    """Return the offers of that id that have passed here and are not over."""
    rows = tx.all(
        """SELECT offer_id, sender, recipient, nonce, size, octets, trace FROM passage
        WHERE offer_id = ?1 AND state IN ('offered', 'accepted')
            AND max(expires, coalesce(ticket_until, 0)) > ?2
        ORDER BY created LIMIT ?3""",
        offer_id,
        now,
        ALIKE,
    )
    return [
        Appointment(row[0], parse_address(row[1]), parse_address(row[2]), *row[3:])
        for row in rows
    ]


def passed(tx: Tx, appointment: Appointment, octets: int) -> None:
    """Add what has passed between the two."""
    tx.run(
        """UPDATE passage SET octets = octets + ?4
        WHERE offer_id = ?1 AND sender = ?2 AND recipient = ?3""",
        appointment.offer_id,
        str(appointment.sender),
        str(appointment.recipient),
        octets,
    )
