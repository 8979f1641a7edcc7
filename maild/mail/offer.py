# SPDX-License-Identifier: Apache-2.0
"""The facts of offers, answers and withdrawals, and the proof of consent.

Carried as ``application/vnd.maild+json`` beside a text that says the same to a human;
the schema is docs/protocol.md.  A *ticket* is 128 random bits given by the recipient's
server with an accepting answer; a *proof* of it is the TRANSID of the push, so that
content is known to be wanted before its first octet (the ticket never travels back).
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from typing import Final

from maild.mail.address import Address
from maild.mail.members import ID, Members, dump
from maild.mail.members import MAX_JSON as MAX_JSON
from maild.mail.members import MAX_SIZE as MAX_SIZE
from maild.mail.members import VERSION as VERSION
from maild.mail.members import OfferError as OfferError

MEDIA_TYPE: Final = "application/vnd.maild+json"

_HEX256 = re.compile(r"[0-9a-f]{64}")
_HEX128 = re.compile(r"[0-9a-f]{32}")
_REFUSAL = re.compile(r"[45][0-9]{2}(?: [45]\.[0-9]{1,3}\.[0-9]{1,3})? .{0,500}")
_MEDIA = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")


class UnknownKindError(OfferError):
    """It is about something else than offers."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the sender proposes.  ``size`` in octets, times in Unix seconds."""

    id: str
    nonce: str
    """128 random bits; an answer counts only with it."""
    sender: Address
    recipient: Address
    name: str
    """File name as shown to people; never used as a path."""
    type: str
    """The real media type, ``video/quicktime``."""
    size: int
    sha256: str | None
    """Hex digest of the content; None while it is still uploading."""
    created: int
    expires: int
    home: str
    """Domain of the server the content would come from."""
    trace: str
    note: str = ""
    rendering: str | None = None
    """What the push would be, the same for all that would bring the same octets."""
    rendezvous: str | None = None
    """Domain of the rendezvous that the offer goes by, and its answer, if any."""

    def to_json(self) -> str:
        """Return the facts part."""
        return dump(
            kind="offer",
            id=self.id,
            nonce=self.nonce,
            sender=str(self.sender),
            recipient=str(self.recipient),
            name=self.name,
            type=self.type,
            size=self.size,
            sha256=self.sha256,
            created=self.created,
            expires=self.expires,
            home=self.home,
            trace=self.trace,
            note=self.note,
            rendering=self.rendering,
            rendezvous=self.rendezvous,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What the recipient decided.  ``ticket`` only with an acceptance."""

    offer_id: str
    nonce: str
    sender: Address
    """Who offered; the answer goes to this address."""
    recipient: Address
    """Who was offered to; the answer counts only from this address."""
    accepted: bool
    ticket: str | None
    """Hex of 128 random bits, bound to sender, recipient, ``size`` and ``expires``."""
    size: int
    """Octets the ticket is good for."""
    expires: int
    """Unix seconds until which the ticket is good."""
    trace: str
    refused: str = ""
    """Of an offer that a server on its way has refused: its reply, ``552 5.2.3 ..``."""

    def to_json(self) -> str:
        """Return the facts part."""
        return dump(
            kind="answer",
            offer=self.offer_id,
            nonce=self.nonce,
            sender=str(self.sender),
            recipient=str(self.recipient),
            accepted=self.accepted,
            ticket=self.ticket,
            size=self.size,
            expires=self.expires,
            trace=self.trace,
            refused=self.refused or None,
        )


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Says that what was offered will not come, or not come to its end."""

    offer_id: str
    nonce: str
    """The offer's; without it nothing counts."""
    sender: Address
    """Who offered, and sends this."""
    recipient: Address
    """Who was offered to; it goes to this address."""
    trace: str

    def to_json(self) -> str:
        """Return the facts part."""
        return dump(
            kind="withdrawal",
            offer=self.offer_id,
            nonce=self.nonce,
            sender=str(self.sender),
            recipient=str(self.recipient),
            trace=self.trace,
        )


def proof(ticket: str, offer_id: str, sender: Address, recipient: Address) -> str:
    """Return the left side of the TRANSID that shows a push is wanted.

    base32 (RFC 4648 §6, lower case, no padding: 32 characters) of the first 20 octets
    of HMAC-SHA-256 keyed with the ticket.
    """
    text = "\n".join((offer_id, sender.key, recipient.key)).encode()
    digest = hmac.digest(bytes.fromhex(ticket), text, "sha256")
    return base64.b32encode(digest[:20]).decode().lower()


def parse_facts(octets: bytes) -> Offer | Answer | Withdrawal:
    """Read a facts part; raise `OfferError` on anything but a whole, sane one."""
    facts = Members.decoded(octets)
    match facts.kind:
        case "offer":
            return _offer(facts)
        case "answer":
            return _answer(facts)
        case "withdrawal":
            return _withdrawal(facts)
        case _:
            raise UnknownKindError("kind: neither offer, answer nor withdrawal")


def _offer(facts: Members) -> Offer:
    return Offer(
        id=facts.matching("id", ID),
        nonce=facts.matching("nonce", ID),
        sender=facts.address("sender"),
        recipient=facts.address("recipient"),
        name=facts.text("name", 1024),
        type=facts.matching("type", _MEDIA),
        size=facts.number("size"),
        sha256=facts.matching("sha256", _HEX256) if facts.has("sha256") else None,
        created=facts.number("created"),
        expires=facts.number("expires"),
        home=facts.text("home", 255),
        trace=facts.matching("trace", ID),
        note=facts.text("note", 4096) if facts.has("note") else "",
        rendering=facts.matching("rendering", _HEX128)
        if facts.has("rendering")
        else None,
        rendezvous=facts.domain("rendezvous") if facts.has("rendezvous") else None,
    )


def _answer(facts: Members) -> Answer:
    accepted = facts.flag("accepted")
    return Answer(
        offer_id=facts.matching("offer", ID),
        nonce=facts.matching("nonce", ID),
        sender=facts.address("sender"),
        recipient=facts.address("recipient"),
        accepted=accepted,
        ticket=facts.matching("ticket", _HEX128) if accepted else None,
        size=facts.number("size"),
        expires=facts.number("expires"),
        trace=facts.matching("trace", ID),
        refused=facts.matching("refused", _REFUSAL) if facts.has("refused") else "",
    )


def _withdrawal(facts: Members) -> Withdrawal:
    return Withdrawal(
        offer_id=facts.matching("offer", ID),
        nonce=facts.matching("nonce", ID),
        sender=facts.address("sender"),
        recipient=facts.address("recipient"),
        trace=facts.matching("trace", ID),
    )
