# SPDX-License-Identifier: GPL-3.0-only
"""What others want to send us: offers, decided by moving them (seed 207 to 210)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any

from maild.mail.offer import Offer, OfferError, parse_facts
from terminal_client import facts, mailbox
from terminal_client.choice import by_id
from terminal_client.errors import CannotError, NoInputError, UnavailableError
from terminal_client.naming import shown
from terminal_client.session_imap import MailboxConnection

INBOX = "INBOX"
ACCEPTED = "Accepted"
DECLINED = "Declined"
KEYWORD = "$Offer"
EXPIRED = "$Expired"
"""Keyword of what nobody has decided in time, instead of the one it had."""
NEWEST = 50
"""Accepted or expired offers that are looked at: others are over long ago."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An offer that waits for a decision; ``place`` counts from 1, oldest first."""

    place: int
    uid: int
    offer: Offer

    @property
    def id(self) -> str:
        """The id of the offer."""
        return self.offer.id

    @property
    def expires(self) -> datetime:
        """Until when it can be accepted."""
        return _moment(self.offer.expires)

    @property
    def is_late(self) -> bool:
        """Whether its time is over; the server may not have looked yet."""
        return self.offer.expires <= time.time()

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare offers --json`` prints."""
        offer = self.offer
        return {
            "place": self.place,
            "id": offer.id,
            "state": "open",
            "sender": str(offer.sender),
            "name": offer.name,
            "type": offer.type,
            "size": offer.size,
            "sha256": offer.sha256,
            "note": offer.note,
            "created": _moment(offer.created).isoformat(),
            "expires": self.expires.isoformat(),
        }


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(seconds, 2**35), UTC)


async def waiting(connection: MailboxConnection) -> list[Waiting]:
    """Return the offers that can be decided, oldest first."""
    found = [w for w in await _in_mailbox(connection, INBOX) if not w.is_late]
    return [replace(one, place=place) for place, one in enumerate(found, 1)]


async def accepted(connection: MailboxConnection) -> list[Offer]:
    """Return the newest of the offers that were accepted, oldest first."""
    found = await _in_mailbox(connection, ACCEPTED, most=NEWEST)
    return [waiting.offer for waiting in found]


async def _in_mailbox(
    connection: MailboxConnection, name: str, keyword: str = KEYWORD, most: int = 0
) -> list[Waiting]:
    read = await facts.under(connection, name, keyword, most=most)
    found = {uid: _offer(octets) for uid, octets in read.items()}
    known = [(uid, offer) for uid, offer in found.items() if offer is not None]
    return [Waiting(place, uid, offer) for place, (uid, offer) in enumerate(known, 1)]


def _offer(octets: bytes) -> Offer | None:
    try:
        said = parse_facts(octets)
    except OfferError:
        return None
    return said if isinstance(said, Offer) else None


def pick(offers: Iterable[Waiting], name: str) -> Waiting:
    """Return the offer with this id, beginning of an id, or place in the list."""
    known = list(offers)
    found = by_id(known, name)
    if found is not None:
        return found
    if name.isdigit() and 1 <= int(name) <= len(known):
        return known[int(name) - 1]
    raise NoInputError(f"there is no offer {name}; `mshare offers` shows what waits")


async def find(
    connection: MailboxConnection, offers: Iterable[Waiting], name: str
) -> Waiting:
    """Return what `pick` does; `UnavailableError` when its time is over."""
    try:
        return pick(offers, name)
    except NoInputError:
        late = await _in_mailbox(connection, INBOX, EXPIRED, most=NEWEST)
        late += [w for w in await _in_mailbox(connection, INBOX) if w.is_late]
        found = by_id(late, name)
        if found is None:
            raise
    raise UnavailableError(
        f"the offer of {shown(found.offer.name)} has expired; "
        f"{found.offer.sender} can send it again"
    )


async def decide(
    connection: MailboxConnection, chosen: Waiting, *, accepted: bool
) -> None:
    """Decide an offer; `UnavailableError` when that is not possible any more."""
    what = f"the offer of {shown(chosen.offer.name)}"
    await move(connection, chosen.uid, what, accepted=accepted)


async def move(
    connection: MailboxConnection, uid: int, what: str, *, accepted: bool
) -> None:
    """Move what waits in INBOX: its arrival in Accepted or Declined is the decision."""
    await mailbox.open_mailbox(connection, INBOX, write=True)
    target = ACCEPTED if accepted else DECLINED
    try:
        await connection.run("UID", "MOVE", str(uid), target)
    except CannotError as error:
        verb = "accept" if accepted else "decline"
        raise UnavailableError(f"could not {verb} {what}: {error.said}") from error


async def decide_named(
    connection: MailboxConnection, name: str, *, accepted: bool
) -> Waiting:
    """Decide the offer that a name stands for (`find`), and return it."""
    chosen = await find(connection, await waiting(connection), name)
    await decide(connection, chosen, accepted=accepted)
    return chosen


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of INBOX, as a list shows it; ``size`` in octets."""

    uid: int
    kind: str
    """offer, item or mail."""
    sender: str
    subject: str
    date: datetime | None
    size: int
    seen: bool
    item: str | None
    """The id of the item that the message stands for."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare inbox --json`` prints."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return {**said, "date": self.date.isoformat() if self.date else None}


async def inbox(connection: MailboxConnection) -> list[Letter]:
    """Return the messages of INBOX, oldest first."""
    uids = await mailbox.open_and_search(connection, INBOX, ["ALL"], write=True)
    wanted = "FLAGS RFC822.SIZE " + mailbox.header_items(
        "From", "Subject", "Date", "Share-Item"
    )
    return [_letter(told) for told in await mailbox.fetch(connection, uids, wanted)]


def _letter(told: dict[str, Any]) -> Letter:
    fields = mailbox.headers(told)
    flags = {str(flag).casefold() for flag in told.get("FLAGS") or []}
    item = fields.get("share-item")
    kind = "offer" if KEYWORD.casefold() in flags else "item" if item else "mail"
    return Letter(
        uid=int(told["UID"]),
        kind=kind,
        sender=parseaddr(fields.get("from", ""))[1],
        subject=fields.get("subject", ""),
        date=mailbox.date(fields.get("date")),
        size=int(told.get("RFC822.SIZE") or 0),
        seen="\\seen" in flags,
        item=item,
    )
