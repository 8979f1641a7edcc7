# SPDX-License-Identifier: GPL-3.0-only
"""Address requests at a rendezvous, as a terminal reads, makes and decides them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from maild.mail.address import Address
from maild.mail.address_request import (
    REQUEST_KEYWORD,
    RESPONSE_KEYWORD,
    AddressRequest,
    AddressResponse,
    parse_request,
    parse_response,
    request_message,
)
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.letter import Facts
from maild.mail.offer import OfferError
from maild.wire import smtp
from terminal_client import errors, facts
from terminal_client.choice import by_id
from terminal_client.offers import EXPIRED, INBOX, move
from terminal_client.session_imap import MailboxConnection
from terminal_client.session_smtp import SubmissionConnection

NEWEST = 500
"""Responses that are looked at."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A number that asks for our mail address, and waits for our decision."""

    place: int
    uid: int
    request: AddressRequest

    @property
    def id(self) -> str:
        """The id of the request."""
        return self.request.id

    @property
    def number(self) -> str:
        """Who asks: ``+14155550101``."""
        return self.request.sender.local

    @property
    def address(self) -> Address | None:
        """Where the asking number's mail goes, as the rendezvous knows it."""
        return self.request.home

    @property
    def expires(self) -> datetime:
        """Until when it can be decided."""
        return datetime.fromtimestamp(min(self.request.expires, 2**35), UTC)

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare requests --json`` prints."""
        return {
            "place": self.place,
            "id": self.id,
            "number": self.number,
            "address": None if self.address is None else str(self.address),
            "created": datetime.fromtimestamp(
                min(self.request.created, 2**35), UTC
            ).isoformat(),
            "expires": self.expires.isoformat(),
        }


async def waiting(imap: MailboxConnection, own: Address) -> list[Asking]:
    """Return the requests to our number that nobody has decided, oldest first.

    Which are over only the rendezvous knows: asked again, it waits for longer.
    """
    return await _in_mailbox(imap, own, REQUEST_KEYWORD)


async def _in_mailbox(
    imap: MailboxConnection, own: Address, keyword: str, most: int = 0
) -> list[Asking]:
    found: dict[str, tuple[int, AddressRequest]] = {}
    for uid, octets in (await facts.under(imap, INBOX, keyword, most=most)).items():
        try:
            request = parse_request(octets)
        except OfferError:
            continue
        if request.recipient.key == own.key and request.home is not None:
            found[request.id] = (uid, request)
    return [
        Asking(place, uid, request)
        for place, (uid, request) in enumerate(found.values(), 1)
    ]


def pick(known: Sequence[Asking], name: str) -> Asking:
    """Return the request with this id, beginning of an id, or asking number."""
    found = _named(known, name)
    if found is None:
        raise errors.NoInputError(
            f"there is no request {name}; `mshare requests` shows what waits"
        )
    return found


def _named(known: Sequence[Asking], name: str) -> Asking | None:
    called = [asking for asking in known if asking.number == name]
    return by_id(known, name) or (called[-1] if called else None)


async def find(
    imap: MailboxConnection, own: Address, known: Sequence[Asking], name: str
) -> Asking:
    """Return what `pick` does; `UnavailableError` when its time is over."""
    if _named(known, name) is None:
        late = _named(await _in_mailbox(imap, own, EXPIRED, most=NEWEST), name)
        if late is not None:
            raise errors.UnavailableError(
                f"the request of {late.number} has expired; {late.number} can ask again"
            )
    return pick(known, name)


async def decide(imap: MailboxConnection, chosen: Asking, *, accepted: bool) -> None:
    """Decide a request; `UnavailableError` when that is not possible any more."""
    what = f"the request of {chosen.number}"
    await move(imap, chosen.uid, what, accepted=accepted)


async def response_to(
    imap: MailboxConnection, request: AddressRequest
) -> tuple[AddressResponse | None, int]:
    """Return what answers a request, if anything does, and how many only claim to.

    A response counts with the request's own code, from the number that was asked, to
    ours; whatever else names the request is forged or somebody else's.
    """
    answer: AddressResponse | None = None
    ignored = 0
    found = await facts.under(imap, INBOX, RESPONSE_KEYWORD, most=NEWEST)
    for octets in found.values():
        try:
            response = parse_response(octets)
        except OfferError:
            ignored += 1
            continue
        if response.request_id != request.id:
            continue
        if _answers(response, request):
            answer = answer or response
        else:
            ignored += 1
    return answer, ignored


def _answers(response: AddressResponse, request: AddressRequest) -> bool:
    home = response.home
    return (
        response.nonce == request.nonce
        and response.sender.key == request.sender.key
        and response.recipient.key == request.recipient.key
        and (home is None or not home.is_literal)
    )


async def submit(smtp_: SubmissionConnection, request: AddressRequest) -> None:
    """Ask (seed 203); asking again with the same request changes nothing."""
    message_id = f"{request.id}@{request.sender.domain}"
    stated = Facts(message_id, float(request.created), request.trace)
    octets = request_message(request, stated).octets
    mail = MailFrom(sender=request.sender, body=Body.SEVEN_BIT)
    replies = await smtp_.commands(
        [
            smtp.mail_from(mail),
            smtp.rcpt_to(RcptTo(request.recipient)),
            smtp.bdat(len(octets), last=True) + octets,
        ]
    )
    refused = next((reply for reply in replies if not reply.is_positive), None)
    if refused is None:
        return
    await smtp_.command(b"RSET\r\n")
    if refused.code == 550 and refused.detail == "1.1":
        raise errors.ContentError(
            f"{request.recipient.local} is no number at {request.recipient.domain}; "
            "check it, or send to a mail address"
        )
    raise errors.from_reply(refused, f"ask {request.recipient.local} for its address")
