# SPDX-License-Identifier: Apache-2.0
"""Jobs on items: the entries of a Library, own uploads and received content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

from maild.mail.address import Address, parse_address
from maild.mail.compose import Composed
from maild.mail.transfer import FINAL, Event
from maild.store import mailboxes, messages, transfers
from maild.store.errors import NotFoundError
from maild.store.index import Row, Tx

_SEEN = ("\\Seen",)
ARRIVING = "$Arriving"
"""The keyword of an item's messages until all of its octets are here."""


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
    """0 of a live one: nobody knows yet."""
    sha256: str | None
    """None while its octets are still arriving."""
    number: str | None
    code: str | None
    terminal: str | None
    sender: Address | None
    library_uid: int | None
    items_uid: int | None
    trace: str
    created: float
    version: int = 1
    """Counts from 1; `maild.store.versions` gives the next one."""
    version_of: str | None = None
    """Of an older version: the id of the item that it was."""

    @property
    def is_live(self) -> bool:
        """Whether it is still being recorded: see `maild.store.live`."""
        return self.sha256 is None and self.library_uid is None


_COLUMNS = """id, account_id, own, content_id, blob_id, section, name, type, size,
    sha256, number, code, terminal, sender, library_uid, items_uid, trace, created"""
_READ = _COLUMNS + ", version, version_of"
VERSIONS = "Versions"
"""The mailbox of what items were before they were replaced."""
_PLACES = {
    "Library": "library_uid",
    "Items": "items_uid",
    "INBOX": "inbox_uid",
    VERSIONS: "versions_uid",
}
"""Which column holds an item's UID in which mailbox."""


def add(
    tx: Tx,
    item: Item,
    stub: Composed,
    *,
    inbox: Composed | None,
    now: float,
    flags: tuple[str, ...] = _SEEN,
    live: bool = False,
) -> Item:
    """Put an item into Library and its stub into Items (and ``inbox`` into INBOX).

    A newer own upload with the same terminal and number replaces nothing: the newest
    wins in searches.  Returns the item with its UIDs.  Wakes the mailboxes.  A
    ``live`` one only has its stub, until `enter`.
    """
    if live:
        messages.hold_content(tx, item.content_id)
    else:
        item = enter(tx, item, now, flags)
    item = replace(
        item, items_uid=_place(tx, item, "Items", _small(tx, item, stub), flags, now)
    )
    inbox_uid = inbox and _place(tx, item, "INBOX", _small(tx, item, inbox), (), now)
    values = list(astuple(replace(item, sender=None)))[:18]
    values[13] = item.sender and str(item.sender)
    tx.run(
        f"""INSERT INTO item ({_COLUMNS}, inbox_uid) VALUES
        (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
        ?18, ?19)""",  # noqa: S608 - the columns are ours
        *values,
        inbox_uid,
    )
    return item


def enter(tx: Tx, item: Item, now: float, flags: tuple[str, ...] = _SEEN) -> Item:
    """Put an item's message into Library; its row takes a reference, too."""
    messages.hold_content(tx, item.content_id)
    uid = _place(tx, item, "Library", item.content_id, flags, now)
    return replace(item, library_uid=uid)


def renew_stub(
    tx: Tx,
    item: Item,
    stub: Composed,
    now: float,
    flags: tuple[str, ...] = (*_SEEN, ARRIVING),
) -> None:
    """Replace the stub of an item that is still arriving, or has another version."""
    _take_stub(tx, item)
    uid = _place(tx, item, "Items", _small(tx, item, stub), flags, now)
    tx.run("UPDATE item SET items_uid = ?2 WHERE id = ?1", item.id, uid)


def _take_stub(tx: Tx, item: Item) -> None:
    if item.items_uid is not None:
        stubs = mailboxes.must_find(tx, item.account_id, "Items")
        messages.expunge(tx, stubs.id, [item.items_uid])


def complete(
    tx: Tx, item: Item, stub: Composed, *, inbox: Composed | None, now: float
) -> Item:
    """Note what is only known once all octets of an item are here; renew its stub."""
    library = mailboxes.must_find(tx, item.account_id, "Library")
    if item.library_uid is not None:
        messages.store_flags(tx, library.id, [item.library_uid], "-", (ARRIVING,))
    _take_stub(tx, item)
    items_uid = _place(tx, item, "Items", _small(tx, item, stub), _SEEN, now)
    inbox_uid = inbox and _place(tx, item, "INBOX", _small(tx, item, inbox), (), now)
    tx.run(
        """UPDATE item SET sha256 = ?2, items_uid = ?3, inbox_uid = ?4, name = ?5,
            type = ?6, size = ?7, content_id = ?8, blob_id = ?9, library_uid = ?10
        WHERE id = ?1""",
        item.id,
        item.sha256,
        items_uid,
        inbox_uid,
        item.name,
        item.type,
        item.size,
        item.content_id,
        item.blob_id,
        item.library_uid,
    )
    return replace(item, items_uid=items_uid)


def _small(tx: Tx, item: Item, composed: Composed) -> int:
    return messages.add_small(tx, composed.octets, composed.structure, item.trace)


def _place(
    tx: Tx,
    item: Item,
    mailbox: str,
    content_id: int,
    flags: tuple[str, ...],
    now: float,
) -> int:
    target = mailboxes.must_find(tx, item.account_id, mailbox)
    return messages.append(tx, target.id, content_id, flags, now)


def get(tx: Tx, account_id: int, item_id: str) -> Item:
    """Return an item; raise `NotFoundError`."""
    row = tx.one(
        f"SELECT {_READ} FROM item WHERE id = ?1 AND account_id = ?2",  # noqa: S608 - ours
        item_id,
        account_id,
    )
    if row is None:
        raise NotFoundError("there is no such item")
    return _item(row)


def by_place(tx: Tx, mailbox_id: int, uid: int) -> Item | None:
    """Return the item whose Library message, stub or INBOX message is at ``uid``."""
    mailbox = mailboxes.get(tx, mailbox_id)
    column = _PLACES.get(mailbox.name)
    if column is None:
        return None
    row = tx.one(
        f"SELECT {_READ} FROM item WHERE account_id = ?1 AND {column} = ?2",  # noqa: S608 - ours
        mailbox.account_id,
        uid,
    )
    return None if row is None else _item(row)


def shares(tx: Tx, content_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return number and code of those renderings in a Library that are own uploads."""
    rows = tx.all(
        """SELECT content_id, number, code FROM item
        WHERE content_id IN (SELECT value FROM json_each(?1))
            AND own = 1 AND number IS NOT NULL AND code IS NOT NULL""",
        json.dumps(list(content_ids)),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def put_back(tx: Tx, mailbox_id: int, uid: int, now: float) -> int:
    """Give a stub of Items a new UID in place of ``uid``; return the new one.

    For a MOVE into ``Share/<address>``: to the client the stub is gone from where it
    was, and Items still has one.  Raises `NotFoundError` unless a stub is at ``uid``.
    """
    item = by_place(tx, mailbox_id, uid)
    stub = messages.line(tx, mailbox_id, uid)
    if item is None or stub is None:
        raise NotFoundError("there is no stub of an item here")
    new = messages.append(tx, mailbox_id, stub.content_id, stub.flags, now)
    column = _PLACES[mailboxes.get(tx, mailbox_id).name]
    tx.run(f"UPDATE item SET {column} = ?2 WHERE id = ?1", item.id, new)  # noqa: S608 - ours
    messages.expunge(tx, mailbox_id, [uid])
    return new


def everything(tx: Tx, account_id: int) -> list[Item]:
    """Return an account's items, oldest first; no older versions."""
    rows = tx.all(
        f"""SELECT {_READ} FROM item WHERE account_id = ?1 AND version_of IS NULL
        ORDER BY created, id""",  # noqa: S608 - ours
        account_id,
    )
    return [_item(row) for row in rows]


def remove(tx: Tx, account_id: int, item_id: str, now: float) -> None:
    """Remove an item everywhere in its account, and cancel its open transfers.

    Its older versions go with it.  A message in INBOX stays when it holds the file
    itself: it is mail of its own.
    """
    item = get(tx, account_id, item_id)
    for (older,) in tx.all("SELECT id FROM item WHERE version_of = ?1", item_id):
        remove(tx, account_id, older, now)
    for transfer in transfers.of_item(tx, item_id):
        if transfer.state not in FINAL:
            transfers.advance(tx, transfer.id, Event.CANCEL, now)
    tx.run("UPDATE transfer SET item_id = NULL WHERE item_id = ?1", item_id)
    inbox_uid = tx.value("SELECT inbox_uid FROM item WHERE id = ?1", item_id)
    older_uid = tx.value("SELECT versions_uid FROM item WHERE id = ?1", item_id)
    tx.run("DELETE FROM item WHERE id = ?1", item_id)
    places = {"Library": item.library_uid, "Items": item.items_uid, VERSIONS: older_uid}
    if inbox_uid is not None and not holds_file(tx, item, inbox_uid):
        places["INBOX"] = inbox_uid
    for name, uid in places.items():
        if uid is not None:
            mailbox = mailboxes.must_find(tx, account_id, name)
            messages.expunge(tx, mailbox.id, [uid])
    messages.release_content(tx, item.content_id)


def holds_file(tx: Tx, item: Item, inbox_uid: int) -> bool:
    """Whether the message in INBOX that an item came with is the file itself."""
    inbox = mailboxes.must_find(tx, item.account_id, "INBOX")
    found = tx.value(
        """SELECT 1 FROM message JOIN content_blob USING (content_id)
        WHERE mailbox_id = ?1 AND uid = ?2 AND blob_id = ?3""",
        inbox.id,
        inbox_uid,
        item.blob_id,
    )
    return found is not None


def _item(row: Row) -> Item:
    facts = list(row)
    facts[2] = bool(facts[2])
    facts[13] = parse_address(facts[13]) if facts[13] else None
    return Item(*facts)
