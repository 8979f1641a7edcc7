# SPDX-License-Identifier: Apache-2.0
"""Jobs on items: the entries of a Library, own uploads and received content."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.address import Address
from maild.mail.compose import Composed
from maild.store.index import Tx


@dataclass(frozen=True, slots=True)
class Item:
    """One item.  ``size`` in octets of the file itself."""

    id: str
    account_id: int
    own: bool
    content_id: int
    blob_id: int
    section: str
    """IMAP section of the file in the Library rendering: "1" own, "2" received."""
    name: str
    type: str
    size: int
    sha256: str
    number: str | None
    code: str | None
    terminal: str | None
    sender: Address | None
    library_uid: int | None
    items_uid: int | None
    trace: str
    created: float


def add(tx: Tx, item: Item, stub: Composed, *, inbox: Composed | None, now: float) -> Item:
    """Put an item into Library and its stub into Items (and ``inbox`` into INBOX).

    A newer own upload with the same terminal and number replaces nothing: the newest
    wins in searches.  Returns the item with its UIDs.  Wakes the mailboxes.
    """
    raise NotImplementedError


def get(tx: Tx, account_id: int, item_id: str) -> Item:
    """Return an item; raise `NotFoundError`."""
    raise NotImplementedError


def by_place(tx: Tx, mailbox_id: int, uid: int) -> Item | None:
    """Return the item whose Library message or Items stub is at ``uid``, if any."""
    raise NotImplementedError


def everything(tx: Tx, account_id: int) -> list[Item]:
    """Return an account's items, oldest first."""
    raise NotImplementedError


def remove(tx: Tx, account_id: int, item_id: str, now: float) -> None:
    """Remove an item everywhere in its account, and cancel its open transfers."""
    raise NotImplementedError
