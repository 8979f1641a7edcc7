# SPDX-License-Identifier: GPL-3.0-only
"""The versions of an item: the one in Library, and what is kept of the older ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from terminal_client import library, mailbox, metadata
from terminal_client.errors import NoInputError
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.session_imap import MailboxConnection

VERSIONS = "Versions"
"""The mailbox of the older ones."""


async def of(connection: MailboxConnection, item: Item) -> list[Item]:
    """Return the versions of an item that can be had, oldest first, with digests.

    Older ones have an id of their own here, ``<id>.<version>``.
    """
    told = await told_of(connection, item)
    known = {v["uid"]: v for v in told.get("versions", []) if _is_one(v)}
    current = replace(
        item,
        version=told.get("version", item.version),
        sha256=told.get("sha256") or item.sha256,
    )
    if not known:
        return [current]
    await mailbox.open_mailbox(connection, VERSIONS)
    found = await library.read(connection, sorted(known))
    older = [_older(item, one, known[one.uid]) for one in found if one.uid in known]
    return [*sorted(older, key=lambda one: one.version), current]


async def told_of(connection: MailboxConnection, item: Item) -> dict[str, Any]:
    """Return what the server says of an item: digest, version, older versions."""
    told = await metadata.read(connection, library.LIBRARY, library.ENTRY, [item.id])
    return told.get(item.id, {})


async def one(connection: MailboxConnection, item: Item, number: int) -> Item:
    """Return one version of an item."""
    known = await of(connection, item)
    found = [version for version in known if version.version == number]
    if not found:
        there = ", ".join(str(version.version) for version in known)
        raise NoInputError(
            f"there is no version {number} of {shown(item.name)}; there are: {there}"
        )
    return found[0]


def _is_one(told: Any) -> bool:
    return isinstance(told, dict) and all(
        isinstance(told.get(name), kind)
        for name, kind in (("uid", int), ("version", int), ("size", int))
    )


def _older(item: Item, found: Item, told: dict[str, Any]) -> Item:
    return replace(
        found,
        id=f"{item.id}.{told['version']}",
        size=told["size"],
        sha256=told.get("sha256") or found.sha256,
        version=told["version"],
        mailbox=VERSIONS,
    )
