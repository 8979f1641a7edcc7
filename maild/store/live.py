# SPDX-License-Identifier: Apache-2.0
"""Jobs on live items: still being recorded, so nobody knows how large they will be.

Such an item is a stub in Items with the keyword ``$Arriving`` and nothing in Library: a
UID there would have to say a size.  What is sent of it waits until it is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from maild.mail.compose import Composed
from maild.mail.structure import Structure
from maild.store import items, messages, transfers
from maild.store.errors import NotFoundError
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.rope import Rope

Stub = Callable[[Item, int], Composed]
"""Composes the stub of a live item; told how many octets of it are durable."""


def renew(tx: Tx, account_id: int, item_id: str, stub: Stub, now: float) -> None:
    """Let the stub say how much has landed; nothing happens unless it is live."""
    try:
        item = items.get(tx, account_id, item_id)
    except NotFoundError:
        return
    if item.is_live:
        landed = tx.value("SELECT durable FROM blob WHERE id = ?1", item.blob_id)
        items.renew_stub(tx, item, stub(item, landed or 0), now)


def close(
    tx: Tx,
    live: Item,
    whole: Item,
    rope: Rope,
    structure: Structure,
    stub: Composed,
    now: float,
) -> Item:
    """Give a live item that is ``whole`` now its place in Library; send what waits."""
    content_id = messages.add_content(tx, rope, structure, whole.trace)
    whole = replace(
        whole,
        content_id=content_id,
        items_uid=live.items_uid,
        created=live.created,
    )
    whole = items.enter(tx, whole, now)
    whole = items.complete(tx, whole, stub, inbox=None, now=now)
    messages.release_content(tx, live.content_id)
    transfers.begin_waiting(tx, whole.id, whole.size, now)
    return whole
