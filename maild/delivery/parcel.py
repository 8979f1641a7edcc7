# SPDX-License-Identifier: Apache-2.0
"""What an item is sent as: an offer, a frozen push, or an attachment."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from maild import ids
from maild.mail import thumbnail
from maild.mail.attachment import attachment_frame
from maild.mail.compose import (
    Composed,
    Facts,
    ItemFacts,
    offer_message,
    push_frame,
    rendering,
    with_digest,
)
from maild.mail.offer import Offer
from maild.mail.plain import media_type
from maild.mail.reply import Reply
from maild.store import messages, transfers, versions
from maild.store.errors import NotFoundError
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.rope import Base64, Constant, Raw, Rope
from maild.store.transfers import Transfer
from maild.wire.mime_entity import Header

MAX_NAME = 1024
"""Characters of a name in an offer (docs/protocol.md)."""

NOT_WHOLE_YET = Reply(451, "3.0", "the item has not arrived completely yet")
OTHER_OCTETS = Reply(
    554, "6.0", "the server says that it holds other octets than were sent"
)

_LANDED = re.compile(r"(?<!\S)([0-9]{1,19}) octets sha-256 ([0-9a-f]{64})(?!\S)")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A push.  ``size`` and ``blob`` are the item's content."""

    head: bytes
    tail: bytes
    """With its digest missing until the content is sealed."""
    blob: int
    size: int
    sha256: str | None
    """None while the content is still arriving here."""

    @property
    def rendering(self) -> str:
        """What its offers call it."""
        return rendering(self.head, self.tail)

    @property
    def total(self) -> int:
        """Octets of the whole message."""
        return len(self.head) + self.size + len(self.tail)

    def rope(self, sha256: str | None) -> Rope:
        """Return the message; without a digest its tail is not to be sent yet."""
        tail = with_digest(self.tail, sha256) if sha256 else self.tail
        content = (Raw(self.blob, 0, self.size),) if self.size else ()
        return Rope((Constant(self.head), *content, Constant(tail)))

    def landed(self, position: int) -> int:
        """Return how much of the content lies before ``position`` of the message."""
        return max(0, min(self.size, position - len(self.head)))


async def frozen(
    transfer: Transfer, hostname: str, store: Store
) -> tuple[Item, Parcel]:
    """Return what a share brings, and its push: the same octets on every attempt.

    Frozen per item and destination domain, so it names no recipient and holds no note.
    """
    now = store.clock()
    item, head, tail = await store.index.write(
        _freeze, transfer, ids.boundary(), hostname, now
    )
    return item, Parcel(head, tail, item.blob_id, item.size, item.sha256 or None)


def _freeze(
    tx: Tx, transfer: Transfer, boundary: str, hostname: str, now: float
) -> tuple[Item, bytes, bytes]:
    """Return an item with its frame, in one job: no new version comes between."""
    item = versions.brought_by(tx, transfer.id)
    facts = ItemFacts(item.id, item.name, item.type, item.size, None, transfer.sender)
    head, tail = push_frame(
        facts, boundary, Facts(f"{item.id}@{hostname}", now, transfer.trace)
    )
    domain = transfer.recipient.domain
    return item, *transfers.freeze_rendering(tx, item.id, domain, head, tail, now)


async def kept(transfer: Transfer, store: Store) -> Parcel:
    """Return the push of what we keep for its recipient's server, as it has come."""
    if transfer.content_id is None:
        raise NotFoundError("kept content without a message")
    content = await store.index.read(messages.content, transfer.content_id)
    pieces = content.rope.pieces
    match pieces:
        case (Constant(head), Raw(blob, 0, size), Constant(tail)):
            state = await asyncio.to_thread(store.blobs.state, blob)
            return Parcel(head, tail, blob, size, state.sha256)
        case _:
            raise NotFoundError("kept content that is no push")


def offer(
    transfer: Transfer,
    item: Item,
    goods: Parcel,
    facts: Facts,
    picture: bytes | None,
) -> Composed:
    """Return the offer of an item that ``goods`` would bring (seed 207).

    ``picture``: the item's thumbnail, if it has one.
    """
    if transfer.sender is None or transfer.nonce is None:
        raise NotFoundError("a share without sender or nonce")
    proposal = Offer(
        id=transfer.id,
        nonce=transfer.nonce,
        sender=transfer.sender,
        recipient=transfer.recipient,
        name=item.name[:MAX_NAME],
        type=media_type(item.type),
        size=item.size,
        sha256=item.sha256 or None,
        created=int(transfer.created),
        expires=int(transfer.expires),
        home=transfer.sender.domain,
        trace=transfer.trace,
        note=transfer.note,
        rendering=goods.rendering,
        rendezvous=transfer.via or None,
    )
    return offer_message(proposal, facts, picture)


async def picture(store: Store, item: Item) -> bytes | None:
    """Return the thumbnail that an own upload has brought, if it did."""
    if not item.own:
        return None
    content = await store.index.read(messages.content, item.content_id)
    first = next(iter(content.rope.pieces), None)
    if not isinstance(first, Constant):
        return None
    return thumbnail.in_field(Header(first.octets).get(thumbnail.FIELD))


def attachment(transfer: Transfer, item: Item, hostname: str, now: float) -> Rope:
    """Return an item as ordinary mail with a base64 attachment."""
    described = ItemFacts(
        item.id,
        item.name,
        item.type,
        item.size,
        item.sha256 or None,
        transfer.sender,
        transfer.note,
    )
    head, tail = attachment_frame(
        described,
        transfer.recipient,
        ids.boundary(),
        Facts(f"{transfer.id}@{hostname}", now, transfer.trace),
    )
    coded = (Base64(item.blob_id, item.size, open_end=True),) if item.size else ()
    return Rope((Constant(head), *coded, Constant(tail)))


def plain_rope(composed: Composed) -> Rope:
    """Return a small message of ours."""
    return Rope((Constant(composed.octets),))


async def is_whole(store: Store, item: Item) -> bool:
    """Whether all of an item's content is here."""
    if item.sha256:
        return True
    state = await asyncio.to_thread(store.blobs.state, item.blob_id)
    return state.sealed


def agrees(reply: Reply, sha256: str | None, size: int) -> bool:
    """Whether the final 250, if it says what landed, says what was sent."""
    found = _LANDED.search(reply.text)
    if found is None or sha256 is None:
        return True
    return (int(found[1]), found[2]) == (size, sha256)
