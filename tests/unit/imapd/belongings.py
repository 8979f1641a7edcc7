# SPDX-License-Identifier: Apache-2.0
"""An offer made to alice, and an item she has uploaded; for tests alone."""

from __future__ import annotations

import asyncio

from maild.mail import compose
from maild.mail.address import parse_address
from maild.mail.address_request import AddressRequest
from maild.mail.compose import Facts, ItemFacts
from maild.mail.offer import Offer
from maild.mail.structure import Part, Structure
from maild.store import (
    accounts,
    address_requests,
    consent,
    items,
    mailboxes,
    messages,
    metadata,
    numbers,
)
from maild.store.address_verdict import USUAL
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.rope import Base64, Constant, Rope
from tests.unit.imapd.live import NOW, NUMBERS, Live

ALICE = parse_address("alice@a.example")
HEAD = (
    b"Content-Type: application/octet-stream\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n"
)
BOB = parse_address("bob@b.example")
FACTS = Facts(message_id="m@a.example", now=NOW, trace="0123456789abcdef")


async def an_offer(station: Live, name: str = "film.mov", lifetime: int = 86400) -> str:
    """Put an offer by bob into alice's INBOX and return its id; seconds it is open."""
    offer = Offer(
        id=f"offer-{name}",
        nonce="0" * 32,
        sender=BOB,
        recipient=ALICE,
        name=name,
        type="video/quicktime",
        size=10**9,
        sha256=None,
        created=int(NOW),
        expires=int(NOW) + lifetime,
        home="b.example",
        trace=FACTS.trace,
    )
    composed = compose.offer_message(offer, FACTS, None)

    def job(tx: Tx) -> None:
        inbox = mailboxes.find(tx, station.alice, "INBOX")
        assert inbox is not None
        content = messages.add_small(
            tx, composed.octets, composed.structure, offer.trace
        )
        messages.append(tx, inbox.id, content, ["$Offer"], NOW)
        assert consent.received(tx, station.alice, offer, content, NOW)

    await station.store.index.write(job)
    return offer.id


async def an_item(station: Live, item_id: str = "item000001") -> Item:
    """Put an upload of alice's into her Library."""

    def fill() -> int:
        writer = station.store.blobs.create(11)
        writer.append(b"the content")
        return writer.seal().id

    blob = await asyncio.to_thread(fill)
    stub = compose.item_stub(
        ItemFacts(item_id, "film.mov", "video/quicktime", 11, "0" * 64, None),
        ALICE,
        FACTS,
    )

    def job(tx: Tx) -> Item:
        rope = Rope([Constant(HEAD), Base64(blob, 11)])
        part = Part(
            "application",
            "octet-stream",
            (),
            "base64",
            0,
            len(HEAD),
            rope.size,
            blob=1,
            decoded_size=11,
        )
        structure = Structure(part, rope.size, stub.structure.envelope)
        content = messages.add_content(tx, rope, structure, FACTS.trace)
        item = Item(
            id=item_id,
            account_id=station.alice,
            own=True,
            content_id=content,
            blob_id=blob,
            section="1",
            name="film.mov",
            type="video/quicktime",
            size=11,
            sha256="0" * 64,
            number="001",
            code="Aaa123",
            terminal="t1",
            sender=None,
            library_uid=None,
            items_uid=None,
            trace=FACTS.trace,
            created=NOW,
        )
        return items.add(tx, item, stub, inbox=None, now=NOW)

    return await station.store.index.write(job)


async def an_address_request(station: Live) -> None:
    """Let the second number of the rendezvous ask the first one for its address."""
    asked, asking = NUMBERS
    request = AddressRequest(
        id="request-1",
        nonce="ab" * 16,
        sender=asking,
        recipient=asked,
        home=None,
        created=int(NOW),
        expires=int(NOW) + 3600,
        trace="0123456789abcdef",
    )

    def job(tx: Tx) -> None:
        account = accounts.find(tx, asking)
        assert account is not None
        metadata.put(tx, account.id, "", numbers.HOME, b"bob@b.example")
        address_requests.ask(tx, account, request, USUAL, NOW)

    await station.store.index.write(job)
