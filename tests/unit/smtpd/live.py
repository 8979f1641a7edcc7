# SPDX-License-Identifier: Apache-2.0
"""A live SMTP station on loopback with two accounts, and ways to look; for tests."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maild.certificates import Authority
from maild.identity import Identity
from maild.login import Gate, make_keys
from maild.mail.address import Address, parse_address
from maild.mail.offer import Offer, proof
from maild.mail.transfer import Lifetimes
from maild.smtpd.listener import Turns
from maild.smtpd.server import SmtpStation
from maild.smtpd.settings import SmtpSettings, SubmissionSettings
from maild.store import (
    accounts,
    consent,
    items,
    mailboxes,
    messages,
    metadata,
    numbers,
    transfers,
)
from maild.store.forwarding import NOTHING, Keeping
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.rope import Base64, Constant, Raw

NOW = 1_800_000_000.0
PASSWORD = "correct horse"
LIFETIMES = Lifetimes(offer=7 * 86400.0, queue=5 * 86400.0)
ALICE = parse_address("alice@a.example")
BOB = parse_address("bob@a.example")
NUMBER = parse_address("+14155550101@rcs.example")
OTHER_NUMBER = parse_address("+14155550102@rcs.example")
STRANGER = parse_address("carol@b.example")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Live:
    """The station, as a test sees it."""

    store: Store
    tls: ssl.SSLContext
    """For clients: trusts the station's authority."""
    ports: dict[str, int]
    """smtp, submissions (implicit TLS), submission (STARTTLS)."""
    alice: int
    bob: int
    station: SmtpStation

    async def connect(self, listener: str = "") -> Streams:
        """Connect to a listener by name."""
        listener = listener or "smtp"
        tls = {"ssl": self.tls, "server_hostname": "a.example"}
        options: dict[str, Any] = tls if listener == "submissions" else {}
        return await asyncio.open_connection(
            "127.0.0.1", self.ports[listener], **options
        )

    async def lines(self, account: int, mailbox: str) -> list[messages.Line]:
        """Return what a mailbox holds."""
        found = await self.store.index.read(mailboxes.find, account, mailbox)
        assert found is not None
        return (await self.store.index.read(messages.lines, found.id))[0]

    async def octets(self, content_id: int) -> bytes:
        """Return the rendering of a (small) message, blobs raw."""
        content = await self.store.index.read(messages.content, content_id)
        return await asyncio.to_thread(self._render, content)

    def _render(self, content: messages.Content) -> bytes:
        found: list[bytes] = []
        for piece in content.rope.pieces:
            match piece:
                case Constant(octets):
                    found.append(octets)
                case Raw(blob, start, length):
                    with self.store.blobs.open(blob) as reader:
                        found.append(reader.pread(start, length))
                case Base64(blob, length, _):
                    with self.store.blobs.open(blob) as reader:
                        found.append(reader.pread(0, length))
        return b"".join(found)

    async def items(self, account: int) -> list[items.Item]:
        """Return an account's items."""
        return await self.store.index.read(items.everything, account)

    async def transfers(self, account: int) -> list[transfers.Transfer]:
        """Return an account's transfers."""
        return await self.store.index.read(transfers.everything, account)

    async def accepted_offer(
        self, size: int, sha256: str | None = None, offer_id: str = "offer-0001"
    ) -> str:
        """Let bob accept an offer of carol's; returns the proof of his ticket."""
        ticket = "ab" * 16
        offer = an_offer(size, sha256, offer_id)

        def job(tx: Tx) -> None:
            content_id = messages.add_small(
                tx, *an_offer_message(offer), "0123456789abcdef"
            )
            inbox = mailboxes.find(tx, self.bob, "INBOX")
            assert inbox is not None
            messages.append(tx, inbox.id, content_id, ("$Offer",), NOW)
            assert consent.received(tx, self.bob, offer, content_id, NOW)
            fresh = consent.Randomness(ticket, f"answer-{offer_id}")
            assert consent.decide(tx, self.bob, content_id, fresh, NOW, accepted=True)

        await self.store.index.write(job)
        return proof(ticket, offer_id, STRANGER, BOB)


def an_offer(
    size: int, sha256: str | None, offer_id: str, sender: Address = STRANGER
) -> Offer:
    """Return an offer from carol to bob."""
    return Offer(
        id=offer_id,
        nonce="nonce-" + offer_id,
        sender=sender,
        recipient=BOB,
        name="film.mov",
        type="video/quicktime",
        size=size,
        sha256=sha256,
        created=int(NOW),
        expires=int(NOW) + 86400,
        home="b.example",
        trace="0123456789abcdef",
    )


def an_offer_message(offer: Offer) -> tuple[bytes, Any]:
    """Return the offer as it is mailed, and its structure."""
    from maild.mail.compose import Facts, offer_message

    composed = offer_message(offer, Facts("offer@b.example", NOW, offer.trace), None)
    return composed.octets, composed.structure


def make_identity(
    root: Path, rendezvous: frozenset[str] = frozenset()
) -> tuple[Identity, ssl.SSLContext]:
    """Return a server's identity and the context of clients that trust it."""
    authority = Authority("test", datetime.datetime.now(datetime.UTC))
    pair = authority.issue(["a.example"])
    certificate, key = root / "server.crt", root / "server.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.decode())
    domains = frozenset({"a.example"}) | rendezvous
    return Identity("a.example", domains, server, der, rendezvous), client


@asynccontextmanager
async def live(
    root: Path,
    *,
    submission: Mapping[str, Any] | None = None,
    turns: Callable[[Store], Turns] | None = None,
    rendezvous: frozenset[str] = frozenset(),
    keeping: Keeping = NOTHING,
    **smtp: Any,
) -> AsyncIterator[Live]:
    """Run a station whose store is below ``root``.

    ``smtp``: settings of [smtp]; ``submission``: those of [submission];
    ``rendezvous``: its domains, if it has that role.  A store that is there already is
    gone on with.  ``turns``: where the ends of offers meet.
    """
    store = Store(root / "store", clock=lambda: NOW)
    await asyncio.to_thread(store.open)
    identity, tls = make_identity(root, rendezvous)

    def job(tx: Tx) -> tuple[int, int]:
        keys = make_keys(PASSWORD, b"0123456789abcdef", 4096)
        found = [accounts.find(tx, address) for address in (ALICE, BOB)]
        alice, bob = (
            accounts.create(tx, address, keys, NOW) if known is None else known.id
            for address, known in zip((ALICE, BOB), found, strict=True)
        )
        for number in (NUMBER, OTHER_NUMBER) if rendezvous else ():
            if accounts.find(tx, number) is None:
                id_ = accounts.create(tx, number, keys, NOW, is_number=True)
                home = f"of{number.local}@a.example".encode()
                metadata.put(tx, id_, "", numbers.HOME, home)
        return alice, bob

    alice, bob = await store.index.write(job)
    any_port = ("127.0.0.1:0",)
    station = SmtpStation(
        SmtpSettings(listen=any_port, **smtp),
        SubmissionSettings(
            listen=any_port, listen_starttls=any_port, **(submission or {})
        ),
        LIFETIMES,
        identity,
        store,
        Gate(store, identity),
        keeping=keeping,
        turns=None if turns is None else turns(store),
    )
    ready = asyncio.Event()
    serving = asyncio.create_task(station.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        serving.result()
    names = ("smtp", "submissions", "submission")
    ports = dict(zip(names, (p for _, p in station.addresses), strict=True))
    try:
        yield Live(store, tls, ports, alice, bob, station)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        await asyncio.to_thread(store.close)
