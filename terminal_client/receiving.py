# SPDX-License-Identifier: GPL-3.0-only
"""Getting an item: what is known of it beforehand, and what came compared with that."""

from __future__ import annotations

import asyncio
from dataclasses import replace as changed
from pathlib import Path
from typing import BinaryIO

from terminal_client import download, errors, library, mailbox
from terminal_client.library import Item
from terminal_client.memory import Memory
from terminal_client.naming import shown
from terminal_client.session_imap import MailboxConnection
from terminal_client.submission import Progress
from terminal_client.uploading import with_digest


async def wanted(imap: MailboxConnection, memory: Memory, name: str | Item) -> Item:
    """Return the item with its digest and true size; the Library is open afterwards."""
    item = name if isinstance(name, Item) else await library.find(imap, name)
    item = await asyncio.to_thread(with_digest, memory, item)
    await mailbox.open_mailbox(imap, library.LIBRARY)
    if item.sha256 is None and not item.own:
        item = changed(item, sha256=await library.digest_of(imap, item))
    if item.sha256 is None:
        digests = await library.digests(imap)
        item = changed(item, sha256=digests.get(item.id))
        await mailbox.open_mailbox(imap, library.LIBRARY)
    return await library.measured(imap, item)


async def into_file(
    imap: MailboxConnection,
    item: Item,
    dest: Path | None,
    progress: Progress,
    *,
    replace: bool,
) -> Path:
    """Write an item's content into a file that appears whole or not at all."""
    place = download.destination(item.name, dest, replace=replace)
    file = await asyncio.to_thread(place.open, item.size)
    try:
        await into(imap, item, file, progress)
        return await asyncio.to_thread(place.keep)
    finally:
        await asyncio.to_thread(place.discard)


async def into(
    imap: MailboxConnection, item: Item, sink: BinaryIO, progress: Progress
) -> None:
    """Write an item's content; raise `ContentError` when its digest is another."""
    digest = await download.content(imap, item, sink, progress)
    if item.sha256 is not None and digest != item.sha256:
        raise errors.ContentError(
            f"what came of {shown(item.name)} is not what was sent (sha-256 {digest} "
            f"instead of {item.sha256}); get it again"
        )
