# SPDX-License-Identifier: Apache-2.0
"""Jobs on passages: the offers that a rendezvous has passed on, and how they stand.

A passage is what a rendezvous knows of two homes that have an offer between them: the
nonce lets it tell their messages from forged ones, the answer says whether content may
follow.  Whoever wants octets passed on (`Passage.may_pass`) shows that he knows it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace

from maild.mail.address import Address
from maild.mail.offer import Answer, Offer, Withdrawal
from maild.mail.offer import proof as proof_of
from maild.store.errors import ExistsError
from maild.store.index import Row, Tx

LONGEST = 90 * 86400.0
"""Seconds that an offer is passed for at most, whatever its sender says."""
MOST_OPEN = 1000
"""Offers between two that may wait for their answers."""
MOST_KNOWN = 20 * MOST_OPEN
"""Offers between two that are remembered, however they stand."""
LONGEST_TICKET = 30 * 86400.0
"""Seconds that content may follow an answer at most, whatever that says."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One offer that was passed on.  Octets, and Unix seconds."""

    offer_id: str
    sender: Address
    recipient: Address
    nonce: str
    name: str
    type: str
    size: int
    """Octets that were offered."""
    expires: float
    """Until when the offer can be answered."""
    state: str
    """offered, accepted, declined, withdrawn."""
    ticket_until: float | None
    """Until when an accepted one may be followed by its content."""
    trace: str
    octets: int
    """Of that content, as far as they were passed on here."""
    created: float
    proof: str | None = None
    """Digest of what a push of it must present: see `digest`."""
    kept: str | None = None
    """Id of the transfer that brings its content, if that was kept here."""
    final_reply: str | None = None
    """The 250 that was given for its content."""

    def may_pass(self, now: float) -> bool:
        """Whether its content is wanted, and so may pass."""
        until = self.ticket_until
        return self.state == "accepted" and until is not None and until > now

    def stands(self, now: float) -> str:
        """Return its state for people: an offer that nobody answers ends by itself."""
        late = self.state == "offered" and self.expires <= now
        return "expired" if late else self.state


_COLUMNS = """offer_id, sender, recipient, nonce, name, type, size, expires, state,
    ticket_until, trace, octets, created, proof, kept, final_reply"""
_SELECT = f"SELECT {_COLUMNS} FROM passage "  # noqa: S608 - the columns are ours


def find(tx: Tx, offer_id: str, sender: Address, recipient: Address) -> Passage | None:
    """Return the passage of an offer between exactly these two addresses."""
    row = tx.one(
        _SELECT + "WHERE offer_id = ?1 AND sender = ?2 AND recipient = ?3",
        offer_id,
        sender.key,
        recipient.key,
    )
    return None if row is None else _from_row(row)


def by_proof(tx: Tx, proof: str, sender: Address) -> Passage | None:
    """Return the passage whose content ``proof`` would bring, if it is ``sender``'s."""
    row = tx.one(
        _SELECT + "WHERE proof = ?1 AND sender = ?2", digest(proof), sender.key
    )
    return None if row is None else _from_row(row)


def digest(proof: str) -> str:
    """Return what is kept of a proof: whoever reads the index cannot present it."""
    return hashlib.sha256(proof.encode()).hexdigest()


def kept(tx: Tx, passage: Passage, transfer_id: str, final_reply: str) -> None:
    """Note which transfer brings its content, and the reply that said so."""
    tx.run(
        """UPDATE passage SET kept = ?4, final_reply = ?5
        WHERE offer_id = ?1 AND sender = ?2 AND recipient = ?3""",
        *_key(passage),
        transfer_id,
        final_reply,
    )


def is_crowded(tx: Tx, offer: Offer, now: float) -> bool:
    """Whether too many offers wait, or have waited, between these two."""
    row = tx.one(
        """SELECT count(*), coalesce(sum(state = 'offered' AND expires > ?3), 0)
        FROM passage WHERE sender = ?1 AND recipient = ?2""",
        offer.sender.key,
        offer.recipient.key,
        now,
    )
    known, waiting = (0, 0) if row is None else row
    return bool(known >= MOST_KNOWN or waiting >= MOST_OPEN)


def offered(tx: Tx, offer: Offer, now: float) -> bool:
    """Keep the passage of an offer; False when it has come before: its 250 was lost.

    `ExistsError` when another one has taken its id.
    """
    added = tx.run(
        f"""INSERT INTO passage ({_COLUMNS})
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'offered', NULL, ?9, 0, ?10, NULL,
            NULL, NULL)
        ON CONFLICT DO NOTHING""",  # noqa: S608 - the columns are ours
        offer.id,
        offer.sender.key,
        offer.recipient.key,
        offer.nonce,
        offer.name,
        offer.type,
        offer.size,
        min(float(offer.expires), now + LONGEST),
        offer.trace,
        now,
    )
    if added:
        return True
    known = find(tx, offer.id, offer.sender, offer.recipient)
    if known is None or not _proves(known, offer.nonce):
        raise ExistsError("another offer has that id")
    return False


def answered(tx: Tx, answer: Answer, now: float) -> Passage | None:
    """Note an answer; None (and nothing changes) unless it is to what was passed on.

    The first one counts; should it come again, that is passed on again.
    """
    known = find(tx, answer.offer_id, answer.sender, answer.recipient)
    if known is None or not _proves(known, answer.nonce):
        return None
    state = "accepted" if answer.accepted else "declined"
    if known.state == state:
        return known
    if known.state != "offered" or known.expires <= now:
        return None
    until = min(float(answer.expires), now + LONGEST_TICKET)
    known = replace(known, state=state)
    if not answer.accepted:
        known = replace(known, expires=now)
    if answer.ticket is not None:
        proof = proof_of(answer.ticket, known.offer_id, answer.sender, answer.recipient)
        known = replace(known, ticket_until=until, proof=digest(proof))
    _update(tx, known)
    return known


def withdrawn(tx: Tx, withdrawal: Withdrawal, now: float) -> Passage | None:
    """Note a withdrawal; None (and nothing changes) unless it is of what passed."""
    known = find(tx, withdrawal.offer_id, withdrawal.sender, withdrawal.recipient)
    if known is None or not _proves(known, withdrawal.nonce):
        return None
    expires = min(known.expires, now)
    known = replace(known, state="withdrawn", ticket_until=None, expires=expires)
    _update(tx, known)
    return known


def carried(tx: Tx, passage: Passage, octets: int) -> None:
    """Count octets of its content that have been passed on."""
    tx.run(
        """UPDATE passage SET octets = octets + ?4
        WHERE offer_id = ?1 AND sender = ?2 AND recipient = ?3""",
        *_key(passage),
        octets,
    )


def everything(tx: Tx) -> list[Passage]:
    """Return all passages, newest first."""
    return [_from_row(row) for row in tx.all(_SELECT + "ORDER BY created DESC")]


def forget(tx: Tx, before: float) -> int:
    """Remove passages that were over before ``before``; return how many."""
    return tx.run(
        "DELETE FROM passage WHERE max(expires, coalesce(ticket_until, 0)) < ?1", before
    )


def _proves(known: Passage, nonce: str) -> bool:
    return hmac.compare_digest(known.nonce.encode(), nonce.encode())


def _key(passage: Passage) -> tuple[str, str, str]:
    return passage.offer_id, passage.sender.key, passage.recipient.key


def _update(tx: Tx, passage: Passage) -> None:
    tx.run(
        """UPDATE passage SET state = ?4, ticket_until = ?5, proof = ?6, expires = ?7
        WHERE offer_id = ?1 AND sender = ?2 AND recipient = ?3""",
        *_key(passage),
        passage.state,
        passage.ticket_until,
        passage.proof,
        passage.expires,
    )
    tx.changed(topic(passage.offer_id))


def topic(offer_id: str) -> str:
    """Return what wakes those who wait for an answer to be passed on."""
    return f"passage:{offer_id}"


def _from_row(row: Row) -> Passage:
    facts = list(row)
    facts[1], facts[2] = _address(facts[1]), _address(facts[2])
    return Passage(*facts)


def _address(key: str) -> Address:
    local, _, domain = key.rpartition("@")  # a key is not quoted
    return Address(local, domain)
