# SPDX-License-Identifier: Apache-2.0
"""Jobs on items whose octets are still arriving: begun, whole, or given up.

Such an item has its place in Library, with its final size and structure and the keyword
``$Arriving``, as soon as the first of its octets can be read; only its digest is
missing.  It can be sent, offered, pushed and read like any other.  One whose size
nobody knows is live: `maild.store.live`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from maild.mail.compose import Composed
from maild.mail.reply import Reply
from maild.mail.structure import Structure
from maild.mail.transfer import NEXT, Event, State
from maild.store import checkpoints, consent, items, live, messages, transfers
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.rope import Base64, Constant, Raw, Rope

KEYWORD = items.ARRIVING
"""On an item's messages in Library and Items until all of its octets are here."""
GRACE = 3600.0
"""Seconds without growth after which what cannot be gone on with is given up."""
_FLAGS = ("\\Seen", KEYWORD)
GIVEN_UP = Reply(554, "6.0", "the item stopped arriving and was given up")
REMOVED = Reply(554, "6.0", "it was removed while it arrived")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known of an item before its octets are here.

    ``item`` has its final size (a live one none); content and blob are not known yet.
    """

    item: Item
    before: bytes
    """Octets of its rendering in front of the blob."""
    as_base64: bool
    open_end: bool
    structure: Structure
    proof: str | None
    """Of the accepted offer that it redeems, if it is received."""
    is_live: bool = False


def begin(
    tx: Tx, beginning: Beginning, blob_id: int, stub: Composed, now: float
) -> None:
    """Show an item that begins to arrive; nothing happens when it is known already."""
    item = beginning.item
    if tx.value("SELECT 1 FROM item WHERE id = ?1", item.id) is not None:
        return
    large = (
        Base64(blob_id, item.size, beginning.open_end)
        if beginning.as_base64
        else Raw(blob_id, 0, item.size)
    )
    content_id = messages.add_content(
        tx,
        Rope([Constant(beginning.before), large]),
        beginning.structure,
        item.trace,
        complete=False,
    )
    item = replace(item, content_id=content_id, blob_id=blob_id, created=now)
    items.add(tx, item, stub, inbox=None, now=now, flags=_FLAGS, live=beginning.is_live)
    if beginning.proof is not None:
        consent.arrives(tx, beginning.proof, item.id)


def whole(
    tx: Tx,
    item: Item,
    rope: Rope,
    structure: Structure,
    stub: Composed,
    *,
    inbox: Composed | None,
    now: float,
) -> Item:
    """Keep an item all of whose octets are here; return it with its content and UIDs.

    One that was shown while it arrived keeps its UID in Library, for whoever reads it;
    unless it became another message than was foreseen: one UID never has two contents.
    """
    known = find(tx, item.id)
    if known is not None and known.is_live:
        return live.close(tx, known, item, rope, structure, stub, now)
    if known is not None and _is_as_foreseen(tx, known, rope, structure):
        messages.complete_content(tx, known.content_id, rope)
        item = replace(
            item,
            content_id=known.content_id,
            library_uid=known.library_uid,
            items_uid=known.items_uid,
            created=known.created,
        )
        return items.complete(tx, item, stub, inbox=inbox, now=now)
    if known is not None:
        _take_away(tx, known, now)
    content_id = messages.add_content(tx, rope, structure, item.trace)
    return items.add(
        tx, replace(item, content_id=content_id), stub, inbox=inbox, now=now
    )


def _is_as_foreseen(tx: Tx, known: Item, rope: Rope, structure: Structure) -> bool:
    foreseen = messages.content(tx, known.content_id)
    blobs = {p.blob for p in rope.pieces if not isinstance(p, Constant)}
    return foreseen.structure == structure and blobs == {known.blob_id}


def find(tx: Tx, item_id: str) -> Item | None:
    """Return an item while it arrives; None when it is whole, or gone."""
    account_id = tx.value(
        "SELECT account_id FROM item WHERE id = ?1 AND sha256 IS NULL", item_id
    )
    return None if account_id is None else items.get(tx, account_id, item_id)


def give_up(tx: Tx, item_id: str, now: float) -> Item | None:
    """Take away an item that will never be whole, everywhere; return it.

    Its transfers fail; None (and nothing happens) when it is whole, or gone.
    """
    item = find(tx, item_id)
    if item is None:
        return None
    for transfer in transfers.of_item(tx, item_id):
        if Event.FAIL_FOR_GOOD in NEXT[transfer.state]:
            transfers.advance(tx, transfer.id, Event.FAIL_FOR_GOOD, now, reply=GIVEN_UP)
    _take_away(tx, item, now)
    return item


def refuse(tx: Tx, item: Item, now: float) -> None:
    """Take away an item because its reader wants no more of it while it arrives.

    An upload of his own still comes: all that is left of it is the reply to that.
    """
    if item.own:
        checkpoints.refuse(tx, item.id, str(REMOVED), now)
    else:
        checkpoints.forget_message(tx, item.id)
    consent.taken_back(tx, item.id)
    _take_away(tx, item, now)


def _take_away(tx: Tx, item: Item, now: float) -> None:
    """Remove an item with every copy of its message; its blob is free at once."""
    places = tx.all(
        "SELECT mailbox_id, uid FROM message WHERE content_id = ?1", item.content_id
    )
    items.remove(tx, item.account_id, item.id, now)
    for mailbox_id, uid in places:
        messages.expunge(tx, mailbox_id, [uid])
    tx.run("UPDATE blob SET touched = 0 WHERE id = ?1 AND refs = 0", item.blob_id)
    tx.changed(f"blob:{item.blob_id}")  # whoever waits for more of it


def go_on(tx: Tx, item_id: str, now: float) -> None:
    """Let deferred pushes of an item go on: it grows again, or is whole."""
    for transfer in transfers.of_item(tx, item_id):
        if transfer.state is State.DEFERRED:
            transfers.hasten(tx, transfer.id, now)


def stranded(tx: Tx, now: float) -> list[str]:
    """Return the items that do not grow and that nobody can go on with."""
    rows = tx.all(
        """SELECT item.id FROM item JOIN blob ON blob.id = item.blob_id
        WHERE item.sha256 IS NULL AND blob.touched < ?1 AND NOT EXISTS
            (SELECT 1 FROM checkpoint WHERE checkpoint.message_id = item.id)""",
        now - GRACE,
    )
    return [item_id for (item_id,) in rows]
