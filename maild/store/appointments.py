# SPDX-License-Identifier: Apache-2.0
"""Jobs on who may meet here: the two servers of an offer that has passed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from maild.mail.address import Address, parse_address
from maild.mail.offer import proof
from maild.store.index import Row, Tx

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

    where: str = ""
    """Domain of the server where the ends meet; "" is here."""
    brought_by: str = ""
    """Id of the transfer that brings it from here; "" when another server does."""
    is_accepted: bool = True
    """Whether its answer has passed here, too; it may go another way."""

    @property
    def is_ours(self) -> bool:
        """Whether its content is here: then there is nobody else to meet."""
        return bool(self.brought_by)

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from all others."""
        return self.offer_id, self.sender.key, self.recipient.key


def passing(tx: Tx, offer_id: str, now: float) -> list[Appointment]:
    """Return the offers of that id that have passed here and are not over.

    Content that is kept here is brought by ourselves.
    """
    rows = tx.all(
        """SELECT offer_id, sender, recipient, nonce, size, octets, trace, '',
            coalesce((SELECT id FROM transfer WHERE id = passage.kept
                AND finished IS NULL AND held = 0), ''),
            state = 'accepted'
        FROM passage WHERE offer_id = ?1 AND state IN ('offered', 'accepted')
            AND max(expires, coalesce(ticket_until, 0)) > ?2
        ORDER BY created LIMIT ?3""",
        offer_id,
        now,
        ALIKE,
    )
    return [replace(_from_row(row[:-1]), is_accepted=bool(row[-1])) for row in rows]


def outgoing(tx: Tx, transfer_id: str) -> list[Appointment]:
    """Return the accepted transfer of that id whose content has not been delivered."""
    row = tx.one(
        """SELECT id, sender, recipient, ticket, size, octets, trace FROM transfer
        WHERE id = ?1 AND kind = 'share' AND ticket IS NOT NULL AND finished IS NULL
            AND held = 0""",
        transfer_id,
    )
    if row is None or not row[1]:
        return []
    found = _from_row(row)
    secret = proof(found.secret, found.offer_id, found.sender, found.recipient)
    return [replace(found, secret=secret, brought_by=found.offer_id)]


def awaited(tx: Tx, now: float, after: float, most: int) -> list[Appointment]:
    """Return the accepted offers whose content may have to come by a call of ours.

    What a rendezvous has passed is called for there, at once; anything else at its
    sender's own server, once nothing of it has come for ``after`` seconds.  Those that
    were accepted last come first: what nobody brings for days must not keep what is on
    its way from being called for.
    """
    rows = tx.all(
        """SELECT id, sender, recipient, CASE via WHEN '' THEN proof ELSE nonce END,
            size, 0, trace, via FROM offer
        WHERE state = 'accepted' AND expires > ?1 AND (via != '' OR ?2 >
            max(decided, coalesce((SELECT touched FROM item
                JOIN blob ON blob.id = item.blob_id WHERE item.id = offer.item_id), 0)))
        ORDER BY decided DESC, id LIMIT ?3""",
        now,
        now - after,
        most,
    )
    found = [_from_row(row) for row in rows]
    return [replace(each, where=each.where or each.sender.domain) for each in found]


def is_awaited(tx: Tx, appointment: Appointment, now: float) -> bool:
    """Whether the content of an accepted offer is still to come."""
    return (
        tx.value(
            """SELECT 1 FROM offer WHERE id = ?1 AND ?2 IN (nonce, proof)
            AND state = 'accepted' AND expires > ?3""",
            appointment.offer_id,
            appointment.secret,
            now,
        )
        is not None
    )


def passed(tx: Tx, appointment: Appointment, octets: int) -> None:
    """Add what has passed between the two."""
    tx.run(
        """UPDATE passage SET octets = octets + ?4
        WHERE offer_id = ?1 AND sender = ?2 AND recipient = ?3""",
        appointment.offer_id,
        appointment.sender.key,
        appointment.recipient.key,
        octets,
    )


def _from_row(row: Row) -> Appointment:
    offer_id, sender, recipient, *others = row
    return Appointment(
        offer_id, parse_address(sender), parse_address(recipient), *others
    )
