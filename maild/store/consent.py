# SPDX-License-Identifier: Apache-2.0
"""Jobs on offers made to us: decided once, answered once, redeemed by a proof."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from maild.mail import compose
from maild.mail.address import Address, parse_address
from maild.mail.offer import Answer, Offer
from maild.mail.offer import proof as proof_of
from maild.mail.transfer import Kind
from maild.store import accounts, messages, numbers, quota, transfers
from maild.store.errors import ExistsError, NotFoundError
from maild.store.index import Row, Tx

TICKET_LIFETIME = 7 * 86400.0
"""Seconds a ticket is good for at least: longer than a queue's patience (5 days)."""
ANSWER_LIFETIME = 5 * 86400.0
"""Seconds until an answer that cannot be delivered is given up (RFC 5321 §4.5.4.1)."""
LONGEST_OFFER = 90 * 86400.0
"""Seconds an offer stays open at most, whatever its sender says."""


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
    rendering: str | None
    """What names the push: `maild.store.renderings`."""


SELECT = """SELECT id, nonce, sender, recipient, name, type, size, sha256, created,
    expires, home, trace, note, rendering, state, content_id, via FROM offer """


def received(
    tx: Tx, account_id: int, offer: Offer, content_id: int, now: float
) -> bool:
    """Keep an offer that lies in INBOX as ``content_id``; False when its id is known.

    Id and size are the sender's words, and only its recipient can know the id before.
    Its answer goes by the rendezvous that it names only if that is the recipient's own.
    """
    own = numbers.rendezvous_of(tx, account_id) if offer.rendezvous else None
    # A stranger must not choose where we connect to (CWE-918).
    via = own.domain if own is not None and own.domain == offer.rendezvous else ""
    added = tx.run(
        """INSERT INTO offer (id, account_id, sender, recipient, nonce, name, type,
            size, sha256, home, note, content_id, expires, trace, created, rendering,
            via, said_by)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
            ?17, ?12)
        ON CONFLICT DO NOTHING""",
        offer.id,
        account_id,
        str(offer.sender),
        str(offer.recipient),
        offer.nonce,
        offer.name,
        offer.type,
        offer.size,
        offer.sha256,
        offer.home,
        offer.note,
        content_id,
        min(float(offer.expires), now + LONGEST_OFFER),
        offer.trace,
        now,
        offer.rendering,
        via,
    )
    if added:
        messages.hold_content(tx, content_id)
        tx.changed(f"account:{account_id}")
    return added > 0


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
    ``Declined``.  False when the content makes no offer, or it is decided or expired;
    `OverQuotaError`, which leaves it open, when the account has no room for it.
    The proof of the ticket is kept, the ticket itself only travels in the answer.
    """
    row = tx.one(
        SELECT
        + """WHERE content_id = ?1 AND account_id = ?2 AND state = 'open'
            AND expires > ?3""",
        content_id,
        account_id,
        now,
    )
    if row is None:
        return False
    offer = from_row(row)
    expires = max(float(offer.expires), now + TICKET_LIFETIME)
    proof = proof_of(fresh.ticket, offer.id, offer.sender, offer.recipient)
    tx.run(
        """UPDATE offer SET state = ?3, proof = ?4, reserved = ?5, decided = ?6,
            expires = ?7, content_id = NULL WHERE account_id = ?1 AND id = ?2""",
        account_id,
        offer.id,
        "accepted" if accepted else "declined",
        proof if accepted else None,
        offer.size if accepted else 0,
        now,
        expires if accepted else offer.expires,
    )
    messages.release_content(tx, content_id)
    if accepted:
        accounts.add_contact(tx, account_id, offer.sender)
    answer = Answer(
        offer_id=offer.id,
        nonce=offer.nonce,
        sender=offer.sender,
        recipient=offer.recipient,
        accepted=accepted,
        ticket=fresh.ticket if accepted else None,
        size=offer.size if accepted else 0,
        expires=int(expires),
        trace=offer.trace,
    )
    via = offer.rendezvous or ""
    _queue_answer(tx, account_id, answer, fresh.queue_id, via, now)
    tx.changed(f"account:{account_id}")
    if accepted:
        quota.check(tx, account_id)
    return True


def _queue_answer(
    tx: Tx, account_id: int, answer: Answer, queue_id: str, via: str, now: float
) -> None:
    facts = compose.Facts(
        message_id=f"{queue_id}@{answer.recipient.domain}", now=now, trace=answer.trace
    )
    composed = compose.answer_message(answer, facts)
    content_id = messages.add_small(
        tx, composed.octets, composed.structure, answer.trace
    )
    transfer = transfers.newly_queued(
        Kind.ANSWER,
        queue_id,
        account_id,
        answer.recipient,
        answer.sender,
        size=len(composed.octets),
        trace=answer.trace,
        now=now,
        expires=now + ANSWER_LIFETIME,
    )
    transfer = replace(
        transfer,
        content_id=content_id,
        ticket_size=answer.size if answer.accepted else None,
        via=via,
    )
    transfers.add(tx, transfer, now)


def redeem(
    tx: Tx, proof: str, sender: Address, recipient: Address, now: float
) -> Accepted | None:
    """Return what ``proof`` opens for exactly these two addresses, or None."""
    row = tx.one(
        """SELECT account_id, id, name, type, size, sha256, note, trace, final_reply,
            rendering, sender, recipient FROM offer
        WHERE proof = ?1 AND state IN ('accepted', 'arrived') AND expires > ?2""",
        proof,
        now,
    )
    if row is None:
        return None
    *facts, offered_by, offered_to = row
    if parse_address(offered_by).key != sender.key:
        return None
    if parse_address(offered_to).key != recipient.key:
        return None
    return Accepted(*facts)


def offered_to(tx: Tx, proof: str) -> Address | None:
    """Return to whom the offer was made that ``proof`` opens, or None.

    For a MAIL command with a TRANSID, which names no recipient yet; `redeem` decides.
    """
    found = tx.value("SELECT recipient FROM offer WHERE proof = ?1", proof)
    return None if found is None else parse_address(found)


def is_over(tx: Tx, proof: str, sender: Address, recipient: Address) -> bool:
    """Whether the offer that ``proof`` was for, between these two, opens nothing more.

    What was offered is then no ordinary mail, however small it is.
    """
    row = tx.one("SELECT sender, recipient FROM offer WHERE proof = ?1", proof)
    return row is not None and (
        parse_address(row[0]).key == sender.key
        and parse_address(row[1]).key == recipient.key
    )


def is_refused(tx: Tx, proof: str) -> bool:
    """Whether the content that ``proof`` was for is not wanted any more."""
    return (
        tx.value(
            """SELECT 1 FROM offer
            WHERE proof = ?1 AND state IN ('accepted', 'expired', 'arrived')""",
            proof,
        )
        is None
    )


def arrives(tx: Tx, proof: str, item_id: str) -> None:
    """Record as which item the content of an accepted offer is arriving."""
    tx.run("UPDATE offer SET item_id = ?2 WHERE proof = ?1", proof, item_id)


def taken_back(tx: Tx, item_id: str) -> None:
    """Let the offer that brings an arriving item open nothing any more."""
    tx.run(
        """UPDATE offer SET state = 'declined', reserved = 0
        WHERE item_id = ?1 AND state IN ('accepted', 'expired')""",
        item_id,
    )


def arrived(tx: Tx, proof: str, item_id: str, final_reply: str, now: float) -> None:
    """Record that the content is here, and the reply that said so.

    Called in the job that adds the item: `ExistsError` (it arrived before, by another
    connection) or `NotFoundError` undo that job, so that there is exactly one copy.
    A ticket has to be good when the push begins, not when it ends: no timer is on a
    whole transfer.  From then on the reply is remembered as long as a queue is patient.
    """
    account_id = tx.value(
        """UPDATE offer SET state = 'arrived', reserved = 0, item_id = ?2,
            final_reply = ?3, expires = max(expires, ?4)
        WHERE proof = ?1 AND state IN ('accepted', 'expired')
        RETURNING account_id""",
        proof,
        item_id,
        final_reply,
        now + TICKET_LIFETIME,
    )
    if account_id is not None:
        tx.changed(f"account:{account_id}")
    elif tx.value("SELECT state FROM offer WHERE proof = ?1", proof) == "arrived":
        raise ExistsError("the content has arrived before")
    else:
        raise NotFoundError("there is no accepted offer for it")


def is_repeated(tx: Tx, account_id: int, offer: Offer) -> bool:
    """Whether exactly this offer has come before: the 250 to it was lost."""
    known = tx.one(
        "SELECT sender, nonce FROM offer WHERE account_id = ?1 AND id = ?2",
        account_id,
        offer.id,
    )
    return known is not None and (
        parse_address(known[0]).key == offer.sender.key
        and hmac.compare_digest(known[1].encode(), offer.nonce.encode())
    )


def open_offers(tx: Tx, account_id: int, now: float) -> list[tuple[Offer, str]]:
    """Return the account's offers with their state, newest first.

    One that is open but past its time is listed as expired.
    """
    rows = tx.all(
        SELECT + "WHERE account_id = ?1 ORDER BY created DESC, id", account_id
    )
    return _listed(rows, now)


def everyones(tx: Tx, now: float) -> list[tuple[Offer, str]]:
    """Return the offers of all accounts, as `open_offers` does one's."""
    return _listed(tx.all(SELECT + "ORDER BY created DESC, id"), now)


def _listed(rows: list[Row], now: float) -> list[tuple[Offer, str]]:
    found: list[tuple[Offer, str]] = []
    for row in rows:
        offer = from_row(row)
        state = row[14]
        late = state in ("open", "accepted") and offer.expires <= now
        found.append((offer, "expired" if late else state))
    return found


def from_row(row: Row) -> Offer:
    """Return the offer that a row of `SELECT` says; more columns may follow."""
    return Offer(
        id=row[0],
        nonce=row[1],
        sender=parse_address(row[2]),
        recipient=parse_address(row[3]),
        name=row[4],
        type=row[5],
        size=row[6],
        sha256=row[7],
        created=int(row[8]),
        expires=int(row[9]),
        home=row[10],
        trace=row[11],
        note=row[12],
        rendering=row[13],
        rendezvous=row[16] or None,
    )
