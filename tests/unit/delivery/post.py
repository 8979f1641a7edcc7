# SPDX-License-Identifier: Apache-2.0
"""Accounts, items and queued transfers, made as the other stations would make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from maild.mail.address import Address
from maild.mail.compose import Facts, ItemFacts, item_stub
from maild.mail.offer import Answer
from maild.mail.structure import Part, Structure
from maild.mail.transfer import Kind, Lifetimes
from maild.store import accounts, items, messages, transfers, versions
from maild.store.accounts import ScramKeys
from maild.store.blobs import Sealed
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.rope import Constant, Raw, Rope
from maild.store.transfers import FreshShare, Transfer
from maild.store.versions import Successor
from tests.unit.delivery.rig import ALICE, BOB

KEYS = ScramKeys(b"salt", 4096, b"stored", b"server")
TICKET = "0123456789abcdef0123456789abcdef"
LIFETIMES = Lifetimes(offer=7 * 86400.0, queue=5 * 86400.0)


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Post:
    """One account's post, at the times the test says."""

    store: Store
    clock: Callable[[], float]
    account: int = 0
    made: list[str] = field(default_factory=list)

    async def open_account(self) -> Post:
        self.account = await self.store.index.write(
            accounts.create, ALICE, KEYS, self.clock()
        )
        return self

    async def item(self, sealed: Sealed, name: str = "film.mov") -> Item:
        return await self.store.index.write(self._item, sealed, name)

    def _item(self, tx: Tx, sealed: Sealed, name: str) -> Item:
        now = self.clock()
        rope = Rope((Constant(b"\r\n"), Raw(sealed.id, 0, sealed.size)))
        content = messages.add_content(tx, rope, structure(rope.size), "trace-item")
        item = Item(
            id=f"I{len(self.made):013}",
            account_id=self.account,
            own=True,
            content_id=content,
            blob_id=sealed.id,
            section="1",
            name=name,
            type="video/quicktime",
            size=sealed.size,
            sha256=sealed.sha256,
            number="001",
            code="Aaa123",
            terminal="t",
            sender=None,
            library_uid=None,
            items_uid=None,
            trace="0123456789abcdef",
            created=now,
        )
        facts = ItemFacts(item.id, name, item.type, item.size, item.sha256, None)
        stub = item_stub(facts, ALICE, Facts(f"{item.id}@a.example", now, item.trace))
        self.made.append(item.id)
        return items.add(tx, item, stub, inbox=None, now=now)

    async def replace(self, item: Item, sealed: Sealed) -> Item:
        """Give an item its next version, as REPLACE does."""
        new = replace(
            versions.following(item),
            blob_id=sealed.id,
            size=sealed.size,
            sha256=sealed.sha256,
        )
        rope = Rope((Constant(b"\r\n"), Raw(sealed.id, 0, sealed.size)))
        facts = ItemFacts(new.id, new.name, new.type, new.size, new.sha256, None)
        about = Facts(f"{new.id}@a.example", self.clock(), new.trace)
        stub = item_stub(facts, ALICE, about)
        one = Successor(new, rope, structure(rope.size), stub, ("\\Seen",), 10)
        assert item.library_uid is not None
        return await self.store.index.write(
            versions.succeed, item.library_uid, one, self.clock()
        )

    async def share(
        self, item: Item, to: Address = BOB, *, confirm: float = 0.0
    ) -> Transfer:
        fresh = FreshShare(f"T{len(self.made):013}", "ab" * 16)
        self.made.append(fresh.queue_id)
        job = partial(transfers.share, confirm=confirm)
        return await self.store.index.write(
            job, self.account, item.id, to, fresh, LIFETIMES, self.clock()
        )

    async def accepted(self, transfer: Transfer, size: int | None = None) -> None:
        """Let the recipient's answer come in."""
        answer = Answer(
            offer_id=transfer.id,
            nonce=transfer.nonce or "",
            sender=ALICE,
            recipient=transfer.recipient,
            accepted=True,
            ticket=TICKET,
            size=transfer.size if size is None else size,
            expires=int(self.clock() + 86400),
            trace=transfer.trace,
        )
        counted = await self.store.index.write(
            transfers.answered, answer, transfer.recipient, self.clock()
        )
        assert counted

    async def mail(
        self,
        octets: bytes,
        to: Address = BOB,
        *,
        kind: Kind = Kind.MAIL,
        sender: Address | None = ALICE,
    ) -> Transfer:
        name = f"M{len(self.made):013}"
        self.made.append(name)
        return await self.store.index.write(self._mail, name, octets, to, kind, sender)

    def _mail(
        self,
        tx: Tx,
        name: str,
        octets: bytes,
        to: Address,
        kind: Kind,
        sender: Address | None,
    ) -> Transfer:
        now = self.clock()
        content = messages.add_small(tx, octets, structure(len(octets)), "trace-mail")
        transfer = transfers.newly_queued(
            kind,
            name,
            self.account,
            sender,
            to,
            size=len(octets),
            trace="fedcba9876543210",
            now=now,
            expires=now + LIFETIMES.queue,
        )
        transfer = replace(transfer, content_id=content)
        assert transfers.add(tx, transfer, now)
        return transfer

    async def now(self, transfer: Transfer) -> Transfer:
        """Return how a transfer stands."""
        return await self.store.index.read(transfers.get, transfer.id)


def structure(size: int) -> Structure:
    part = Part("text", "plain", (), "7bit", 0, 0, size)
    return Structure(part, size, (None, "a subject", *(None,) * 8))
