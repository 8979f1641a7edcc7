# SPDX-License-Identifier: Apache-2.0
"""How far an item has come, as annotations of Library: computed, never written.

An item arrives while it has no digest; its blob then says how much is durable.  The
size of a live one is null.  One that was replaced says which versions are kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from maild.store.index import Row, Tx

MAILBOX = "Library"
STUBS = "Items"
"""The mailbox that changes whenever an item begins to arrive, is whole, or goes."""
ENTRY = "/private/vendor/maild/item/"
"""Annotation of one item (RFC 5464 §4.1: a computed one), followed by its id."""
_OLDER = """SELECT json_group_array(json_object('version', version, 'uid', versions_uid,
        'name', name, 'size', size, 'sha256', sha256) ORDER BY version)
    FROM item AS older WHERE older.version_of = item.id"""
_SELECT = f"""SELECT item.id, coalesce(blob.durable, 0),
        CASE WHEN item.sha256 IS NULL AND item.library_uid IS NULL THEN NULL
            ELSE item.size END, item.sha256, blob.id, item.version, ({_OLDER})
    FROM item LEFT JOIN blob ON blob.id = item.blob_id
    WHERE item.account_id = ?1 AND item.version_of IS NULL """  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class Arriving:
    """An item that still grows: its blob, and the octets of it that are durable."""

    blob_id: int | None
    octets: int


def arriving(tx: Tx, account_id: int) -> dict[str, Arriving]:
    """Return the items of an account that still grow, by entry name."""
    rows = tx.all(_SELECT + "AND item.sha256 IS NULL", account_id)
    return {entry_of(row[0]): Arriving(row[4], row[1]) for row in rows}


def entry_of(item_id: str) -> str:
    """Return the name of an item's annotation; names know no case (RFC 5464 §3.2)."""
    return ENTRY + item_id.lower()


def find(tx: Tx, account_id: int, entry: str, *, below: bool) -> dict[str, bytes]:
    """Return the annotation of an item, or of all whose name is ``below`` ``entry``."""
    if entry.startswith(ENTRY):
        name = entry.removeprefix(ENTRY)
        rows = tx.all(_SELECT + "AND lower(item.id) = ?2", account_id, name)
    elif below and ENTRY.startswith(entry + "/"):
        rows = tx.all(_SELECT + "ORDER BY item.created, item.id", account_id)
    else:
        return {}
    return {entry_of(row[0]): _numbers(row) for row in rows}


def _numbers(row: Row) -> bytes:
    item_id, durable, size, sha256, _, version, older = row
    numbers = {
        "id": item_id,
        "state": "arriving" if sha256 is None else "whole",
        "octets": durable if sha256 is None else size,
        "size": size,
        "sha256": sha256,
    }
    if version > 1:  # in Versions: what is kept of the older ones
        numbers |= {"version": version, "versions": json.loads(older)}
    return json.dumps(numbers, separators=(",", ":")).encode()
