# SPDX-License-Identifier: Apache-2.0
"""A store to test with: a clock that is set, accounts, uploads, offers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import maild
from maild.mail import compose
from maild.mail.address import Address, parse_address
from maild.mail.offer import Offer
from maild.mail.transfer import Event, Kind, Lifetimes, State
from maild.store import accounts, consent, items, mailboxes, messages, transfers
from maild.store.accounts import ScramKeys
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.messages import Line
from maild.store.rope import Base64, Constant, Rope
from maild.store.transfers import FreshShare, Transfer

P = ParamSpec("P")
T = TypeVar("T")

KEYS = ScramKeys(b"salt", 4096, b"stored", b"server")
TRACE = "0123456789abcdef"
LIFETIMES = Lifetimes(offer=1000.0, queue=5000.0)
ALICE = parse_address("alice@a.example")
BOB = parse_address("bob@b.example")
START = 1_700_000_000.0
NONCE = "5" * 32
TICKET = "ab" * 16


class Room:
    """One open store below ``path``; ``now`` is its clock."""

    def __init__(self, path: Path) -> None:
        self.now = START
        self.path = path
        self.store = Store(path, lambda: self.now)
        self.store.open()

    def write(
        self, job: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a writing job to its end."""
        return self.store.index.submit(job, *args, **kwargs).result()

    def read(
        self, job: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a reading job."""
        return self.store.index.read_here(job, *args, **kwargs)

    def value(self, sql: str, *parameters: Any) -> Any:
        """Return the first value of a query."""
        return self.read(lambda tx: tx.value(sql, *parameters))

    def account(self, address: Address) -> int:
        """Add an account and return its id."""
        return self.write(accounts.create, address, KEYS, self.now)

    def mailbox(self, account_id: int, name: str) -> int:
        """Return the id of a mailbox."""
        return self.read(mailboxes.must_find, account_id, name).id

    def lines(self, account_id: int, name: str) -> list[Line]:
        """Return what a mailbox lists."""
        return self.read(messages.lines, self.mailbox(account_id, name))[0]

    def small(self, tx: Tx, text: bytes = b"Subject: hi\r\n\r\nho\r\n") -> int:
        """Add a small content within a job."""
        return messages.add_small(tx, text, stub().structure, TRACE)

    def append(self, account_id: int, name: str, flags: tuple[str, ...] = ()) -> int:
        """Put a small message into a mailbox and return its UID."""
        mailbox = self.mailbox(account_id, name)
        return self.write(
            lambda tx: messages.append(tx, mailbox, self.small(tx), flags, self.now)
        )

    def blob(self, octets: bytes) -> int:
        """Seal a blob and return its id."""
        writer = self.store.blobs.create(len(octets))
        writer.append(octets)
        return writer.seal().id

    def upload(self, account_id: int, name: str, octets: bytes) -> Item:
        """Put an own upload into a Library."""
        writer = self.store.blobs.create(len(octets))
        writer.append(octets)
        sealed = writer.seal()

        def job(tx: Tx) -> Item:
            rope = Rope([Constant(b"A: b\r\n\r\n"), Base64(sealed.id, sealed.size)])
            item = Item(
                id=f"item-{name}",
                account_id=account_id,
                own=True,
                content_id=messages.add_content(tx, rope, stub().structure, TRACE),
                blob_id=sealed.id,
                section="1",
                name=name,
                type="application/x-test",
                size=sealed.size,
                sha256=sealed.sha256,
                number="001",
                code="Aaa123",
                terminal="t",
                sender=None,
                library_uid=None,
                items_uid=None,
                trace=TRACE,
                created=self.now,
            )
            return items.add(tx, item, stub(name), inbox=None, now=self.now)

        return self.write(job)

    def share(
        self,
        account_id: int,
        item: Item,
        to: Address = BOB,
        name: str = "share-1",
        *,
        confirm: float = 0.0,
    ) -> Transfer:
        """Queue an item for somebody."""
        fresh = FreshShare(name, NONCE)
        job = partial(transfers.share, confirm=confirm)
        return self.write(job, account_id, item.id, to, fresh, LIFETIMES, self.now)

    def offer(self, account_id: int, offer: Offer) -> int:
        """Let an offer lie in INBOX and return its content's id."""
        inbox = self.mailbox(account_id, "INBOX")

        def job(tx: Tx) -> int:
            content_id = self.small(tx)
            messages.append(tx, inbox, content_id, ("$Offer",), self.now)
            assert consent.received(tx, account_id, offer, content_id, self.now)
            return content_id

        return self.write(job)

    def is_sound(self) -> bool:
        """Whether fsck finds nothing."""
        return not list(self.store.blobs.check())

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def stub(name: str = "a.bin") -> compose.Composed:
    """Return a small message of ours."""
    facts = compose.ItemFacts("item", name, "application/x-test", 1, None, None)
    return compose.item_stub(facts, ALICE, compose.Facts("1@a.example", START, TRACE))


def an_offer(**changes: Any) -> Offer:
    """Return an offer from alice to bob."""
    facts: dict[str, Any] = {
        "id": "offer-0001",
        "nonce": NONCE,
        "sender": ALICE,
        "recipient": BOB,
        "name": "film.mov",
        "type": "video/quicktime",
        "size": 1000,
        "sha256": None,
        "created": int(START),
        "expires": int(START) + 1000,
        "home": "a.example",
        "trace": TRACE,
    }
    return Offer(**(facts | changes))


def a_mail(content_id: int | None, **changes: Any) -> Transfer:
    """Return a transfer of ordinary mail, without an account unless given."""
    facts: dict[str, Any] = {
        "id": "mail-0001",
        "account_id": None,
        "kind": Kind.MAIL,
        "state": State.QUEUED,
        "held": False,
        "item_id": None,
        "content_id": content_id,
        "sender": ALICE,
        "recipient": BOB,
        "smtputf8": False,
        "note": "",
        "size": 100,
        "octets": 0,
        "nonce": None,
        "ticket": None,
        "ticket_size": None,
        "attempts": 0,
        "due": START,
        "expires": START + 5000,
        "warned": False,
        "status": "",
        "reply": "",
        "relay": "",
        "trace": TRACE,
        "created": START,
        "changed": START,
        "finished": None,
        "view_uid": None,
    }
    return Transfer(**(facts | changes))


def move(room: Room, share: Transfer, *events: Event) -> Transfer:
    """Let things happen to a transfer and return it."""
    for event in events:
        share = room.write(transfers.advance, share.id, event, room.now)
    return share


def run_python(script: str, *args: str) -> str:
    """Run a script in a process of its own and return what it said."""
    root = Path(maild.__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-c", script, *args],
        env=os.environ | {"PYTHONPATH": str(root)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def put_in(room: Room, share: Transfer, state: State) -> None:
    def job(tx: Tx) -> None:
        tx.run("UPDATE transfer SET state = ?2 WHERE id = ?1", share.id, state.value)

    room.write(job)
