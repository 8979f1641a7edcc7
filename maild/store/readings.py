# SPDX-License-Identifier: Apache-2.0
"""How far somebody has read an item: an annotation of Library, told to the account.

It says what one connection was given last, from wherever it began; a later reader
begins it anew.  The terminals of the account see it, nobody else does.
"""

from __future__ import annotations

import json

from maild.store import metadata
from maild.store.index import Row, Tx

MAILBOX = "Library"
ENTRY = "/private/vendor/maild/read/"
"""Annotation of one item (RFC 5464), followed by its id."""


def size_of(tx: Tx, account_id: int, uid: int) -> int:
    """Return the octets of an item of Library, as announced; 0 when it is gone."""
    row = _item(tx, account_id, uid)
    return 0 if row is None else int(row[1])


def _item(tx: Tx, account_id: int, uid: int) -> Row | None:
    return tx.one(
        "SELECT id, size FROM item WHERE account_id = ?1 AND library_uid = ?2",
        account_id,
        uid,
    )


def note(tx: Tx, account_id: int, uid: int, octets: int, now: float) -> None:
    """Record that an item of Library was read up to an offset; gone ones are passed."""
    row = _item(tx, account_id, uid)
    if row is None:
        return
    item_id, size = row
    said = {"id": item_id, "octets": octets, "size": size, "at": int(now)}
    value = json.dumps(said, separators=(",", ":")).encode()
    metadata.put(tx, account_id, MAILBOX, ENTRY + item_id.lower(), value)


def forget(tx: Tx, account_id: int, item_id: str) -> None:
    """Remove what is recorded of an item that goes."""
    entry = ENTRY + item_id.lower()
    if metadata.find(tx, account_id, MAILBOX, entry, below=False):
        metadata.put(tx, account_id, MAILBOX, entry, None)
