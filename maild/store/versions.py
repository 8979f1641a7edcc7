# SPDX-License-Identifier: Apache-2.0
"""Versions: an item whose content is replaced keeps its id, and what it was before.

What it was becomes an item row of its own, ``version_of`` the item, with its content,
its transfers and what they have frozen: whoever sends or reads it is not disturbed.
Its message moves from Library to Versions.  The new content is the account's own,
whoever had sent the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from maild.mail.compose import Composed
from maild.mail.structure import Structure
from maild.mail.transfer import FINAL
from maild.store import (
    item_view,
    items,
    mailboxes,
    messages,
    metadata,
    readings,
    transfers,
)
from maild.store.errors import InUseError, NotFoundError
from maild.store.index import Tx
from maild.store.items import VERSIONS, Item
from maild.store.rope import Rope


@dataclass(frozen=True, slots=True)
class Successor:
    """What an item becomes; its blob is sealed, and nothing refers to it yet."""

    item: Item
    """As `following` gives it, with the new content's name, type, size and digest."""
    rope: Rope
    structure: Structure
    stub: Composed
    flags: tuple[str, ...]
    kept: int
    """Older versions that are kept beside it."""


def replaceable(tx: Tx, library_id: int, uid: int) -> Item:
    """Return the item at ``uid`` of a Library, which can have a new version.

    Raises `NotFoundError`, and `InUseError` while it still arrives.
    """
    item = items.by_place(tx, library_id, uid)
    if item is None:
        raise NotFoundError("there is no such item")
    if item.sha256 is None:
        raise InUseError("it is still arriving")
    return item


def brought_by(tx: Tx, transfer_id: str) -> Item:
    """Return what a transfer brings as of now.

    Its claim may be older: who has it keeps the item's id, and that is the next
    version's since.  Raises `NotFoundError`.
    """
    transfer = transfers.get(tx, transfer_id)
    if transfer.account_id is None or transfer.item_id is None:
        raise NotFoundError("a share without an item")
    return items.get(tx, transfer.account_id, transfer.item_id)


def as_read(tx: Tx, item: Item) -> Item:
    """Return ``item`` with the content that it had when it was read, wherever it is.

    Raises `NotFoundError` when it is gone, or was replaced and not kept.
    """
    now = items.get(tx, item.account_id, item.id)
    if now.version == item.version:
        return now
    return items.get(tx, item.account_id, _name_aside(item))


def following(item: Item) -> Item:
    """Return ``item`` as its next version; content and digest are not in it yet.

    Number and code named the file as its terminal had it.
    """
    return replace(
        item,
        own=True,
        sender=None,
        number=None,
        code=None,
        terminal=None,
        section="1",
        version=item.version + 1,
    )


def succeed(tx: Tx, uid: int, successor: Successor, now: float) -> Item:
    """Give an item its next version, if it is still at ``uid``; return it.

    Raises `NotFoundError` when somebody else has replaced or removed it meanwhile.
    """
    new = successor.item
    library = mailboxes.must_find(tx, new.account_id, "Library")
    old = replaceable(tx, library.id, uid)
    if (old.id, old.version + 1) != (new.id, new.version):
        raise NotFoundError("it is another item by now")
    content_id = messages.add_content(
        tx, successor.rope, successor.structure, new.trace
    )
    _put_aside(tx, old, _aside(tx, old, library.id, uid, now))
    new = replace(new, content_id=content_id)
    new = items.enter(tx, new, now, successor.flags)
    tx.run(
        """UPDATE item SET own = ?2, content_id = ?3, blob_id = ?4, section = ?5,
            name = ?6, type = ?7, size = ?8, sha256 = ?9, number = NULL, code = NULL,
            terminal = NULL, sender = NULL, library_uid = ?10, version = ?11
        WHERE id = ?1""",
        new.id,
        new.own,
        new.content_id,
        new.blob_id,
        new.section,
        new.name,
        new.type,
        new.size,
        new.sha256,
        new.library_uid,
        new.version,
    )
    items.renew_stub(tx, old, successor.stub, now, flags=("\\Seen",))
    readings.forget(tx, new.account_id, new.id)
    _prune(tx, new, successor.kept, now)
    # Its annotation is computed, but who waits for changes is told of this one, too.
    metadata.put(
        tx, new.account_id, item_view.MAILBOX, item_view.entry_of(new.id), None
    )
    return new


def _aside(tx: Tx, old: Item, library_id: int, uid: int, now: float) -> int:
    """Move an item's message to Versions, made on the way; return its UID there."""
    older = mailboxes.find(tx, old.account_id, VERSIONS)
    if older is None:
        older = mailboxes.create(tx, old.account_id, VERSIONS, now)
        mailboxes.subscribe(tx, old.account_id, VERSIONS, subscribed=False)
    ((_, new),) = messages.copy(tx, library_id, [uid], older.id, move=True)
    return new


def _name_aside(old: Item) -> str:
    return f"{old.id}.{old.version}"


def _put_aside(tx: Tx, old: Item, versions_uid: int) -> None:
    """Make what an item was an item of its own; it takes over what is under way."""
    aside = _name_aside(old)
    tx.run(
        """INSERT INTO item (id, account_id, own, content_id, blob_id, section, name,
            type, size, sha256, number, code, terminal, sender, trace, created, version,
            version_of, versions_uid)
        SELECT ?2, account_id, own, content_id, blob_id, section, name, type, size,
            sha256, number, code, terminal, sender, trace, created, version, id, ?3
        FROM item WHERE id = ?1""",
        old.id,
        aside,
        versions_uid,
    )
    for table in ("transfer", "rendering", "brought"):
        tx.run(f"UPDATE {table} SET item_id = ?2 WHERE item_id = ?1", old.id, aside)  # noqa: S608 - ours
    inbox_uid = tx.value("SELECT inbox_uid FROM item WHERE id = ?1", old.id)
    if inbox_uid is not None and items.holds_file(tx, old, inbox_uid):
        tx.run("UPDATE item SET inbox_uid = NULL WHERE id = ?1", old.id)


def _prune(tx: Tx, item: Item, kept: int, now: float) -> None:
    """Remove the oldest versions beyond those that are kept, unless one is sent now."""
    rows = tx.all(
        "SELECT id FROM item WHERE version_of = ?1 AND version < ?2",
        item.id,
        item.version - kept,
    )
    for (older,) in rows:
        under_way = transfers.of_item(tx, older)
        if all(transfer.state in FINAL for transfer in under_way):
            items.remove(tx, item.account_id, older, now)
