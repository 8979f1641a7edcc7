# SPDX-License-Identifier: Apache-2.0
"""Address request and response (seed 203-206): who knows a number learns the address.

Small mails between two numbers of one rendezvous, with the facts beside a text that
says the same; the schema is docs/protocol.md.  The asking terminal says which number it
wants; the rendezvous adds the mail address that it knows of the asking number, so that
whoever answers knows it too, and writes the response itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail import build
from maild.mail.address import Address
from maild.mail.build import Composed
from maild.mail.header import date, field, printable
from maild.mail.letter import Facts, head
from maild.mail.members import ID, Members, OfferError, dump
from maild.mail.offer import MEDIA_TYPE

REQUEST_KEYWORD = "$AddressRequest"
"""On requests in the mailboxes of the number that is asked."""
RESPONSE_KEYWORD = "$AddressResponse"
"""On responses in the INBOX of the number that has asked."""
LARGEST = 64 * 1024
"""Octets of a message that a number may submit."""


@dataclass(frozen=True, slots=True)
class AddressRequest:
    """One number asks for the mail address of another; times in Unix seconds."""

    id: str
    nonce: str
    """128 random bits; a response counts only with it."""
    sender: Address
    """The asking number."""
    recipient: Address
    """The number that is asked."""
    home: Address | None
    """Mail address of the asking number; the rendezvous adds it."""
    created: int
    expires: int
    trace: str

    def to_json(self) -> str:
        """Return the facts part."""
        return dump(
            kind="address-request",
            id=self.id,
            nonce=self.nonce,
            sender=str(self.sender),
            recipient=str(self.recipient),
            home=None if self.home is None else str(self.home),
            created=self.created,
            expires=self.expires,
            trace=self.trace,
        )


@dataclass(frozen=True, slots=True)
class AddressResponse:
    """What the asked number's user, or his policy, decided."""

    request_id: str
    nonce: str
    """The request's; without it nothing counts."""
    sender: Address
    """The asking number, which this goes to."""
    recipient: Address
    """The number that was asked."""
    accepted: bool
    home: Address | None
    """Mail address of the number that was asked, if it accepted."""
    trace: str

    def to_json(self) -> str:
        """Return the facts part."""
        return dump(
            kind="address-response",
            request=self.request_id,
            nonce=self.nonce,
            sender=str(self.sender),
            recipient=str(self.recipient),
            accepted=self.accepted,
            home=None if self.home is None else str(self.home),
            trace=self.trace,
        )


def parse_request(octets: bytes) -> AddressRequest:
    """Read the facts of a request; `OfferError` on anything but a whole, sane one."""
    facts = Members.decoded(octets)
    if facts.kind != "address-request":
        raise OfferError("kind: no address request")
    return AddressRequest(
        id=facts.matching("id", ID),
        nonce=facts.matching("nonce", ID),
        sender=facts.address("sender"),
        recipient=facts.address("recipient"),
        home=facts.address("home") if facts.has("home") else None,
        created=facts.number("created"),
        expires=facts.number("expires"),
        trace=facts.matching("trace", ID),
    )


def parse_response(octets: bytes) -> AddressResponse:
    """Read the facts of a response; `OfferError` on anything but a whole, sane one."""
    facts = Members.decoded(octets)
    if facts.kind != "address-response":
        raise OfferError("kind: no address response")
    accepted = facts.flag("accepted")
    return AddressResponse(
        request_id=facts.matching("request", ID),
        nonce=facts.matching("nonce", ID),
        sender=facts.address("sender"),
        recipient=facts.address("recipient"),
        accepted=accepted,
        home=facts.address("home") if accepted else None,
        trace=facts.matching("trace", ID),
    )


def request_message(request: AddressRequest, facts: Facts) -> Composed:
    """Return the request (seed 203), as submitted or, with a home, as it is filed."""
    fields = [
        *head(request.sender, request.recipient, facts),
        field("Subject", f"{request.sender.local} asks for your mail address"),
        field("Auto-Submitted", "auto-generated"),
    ]
    who = request.sender.local
    if request.home is not None:
        who += f", whose mail address is {printable(str(request.home))},"
    text = "\n".join(
        [
            f"{who} asks for the mail address",
            f"of {request.recipient.local}, to send files there.",
            "",
            "To tell it:     move this message into the folder Accepted,",
            f"                or: mshare accept {request.id}",
            "To refuse:      move it into the folder Declined,",
            f"                or: mshare decline {request.id}",
            "",
            "Whoever is told can send offers; each of them is yours to accept.",
            f"The request is open until {date(request.expires)}.",
        ]
    )
    return _message(fields, text, request.to_json(), facts)


def response_message(response: AddressResponse, facts: Facts) -> Composed:
    """Return the response (seed 206), as the rendezvous files it."""
    verdict = "tells its mail address" if response.accepted else "does not tell it"
    fields = [
        *head(response.recipient, response.sender, facts),
        field("Subject", f"{response.recipient.local} {verdict}"),
        field("Auto-Submitted", "auto-replied"),
    ]
    if response.accepted:
        home = printable(str(response.home))
        text = f"The mail address of {response.recipient.local} is {home}."
    else:
        text = f"{response.recipient.local} does not tell its mail address."
    return _message(fields, text, response.to_json(), facts)


def _message(fields: list[bytes], text: str, json: str, facts: Facts) -> Composed:
    said = build.text_leaf(text)
    root = build.Multi("mixed", (said, build.facts_leaf(MEDIA_TYPE, json)))
    return build.write(fields, root, facts.message_id)
