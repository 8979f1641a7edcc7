# SPDX-License-Identifier: GPL-3.0-only
"""Getting an item: what is known of it beforehand, and what came compared with that."""

from __future__ import annotations

import asyncio
from dataclasses import replace as changed
from pathlib import Path
from typing import BinaryIO

from terminal_client import download, errors, library, mailbox
from terminal_client.attempts import Attempts, Progress
from terminal_client.connections import Connections
from terminal_client.destination import Destination
from terminal_client.download import Arrival
from terminal_client.library import Item
from terminal_client.memory import Memory
from terminal_client.naming import shown
from terminal_client.session_imap import MailboxConnection
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
    connections: Connections, item: Item, place: Destination, progress: Progress
) -> Path:
    """Bring an item into a file; go on with what an earlier run has left of it.

    Without a digest nothing can be told about what was left, so it is not used.
    """
    attempts = Attempts(progress)
    known = item.sha256 is not None
    arrival = await asyncio.to_thread(place.open, item.size, go_on=known)
    try:
        digest = await _fetched(connections, item, arrival, attempts)
        if known and digest != item.sha256 and place.found:
            attempts.tell("what was here already did not fit; getting all of it")
            arrival = await asyncio.to_thread(place.begin_anew)
            digest = await _fetched(connections, item, arrival, attempts)
        if known and digest != item.sha256:
            await asyncio.to_thread(place.discard)
            raise _wrong(item, digest)
        return await asyncio.to_thread(place.keep)
    finally:
        await asyncio.to_thread(place.close if known else place.discard)


async def into(
    connections: Connections, item: Item, sink: BinaryIO, progress: Progress
) -> None:
    """Write an item to a stream; the digest is checked after the last octet."""
    attempts = Attempts(progress)
    digest = await _fetched(connections, item, Arrival(sink), attempts)
    if item.sha256 is not None and digest != item.sha256:
        raise _wrong(item, digest)
    await asyncio.to_thread(sink.flush)


async def _fetched(
    connections: Connections, item: Item, arrival: Arrival, attempts: Attempts
) -> str:
    """Fetch what ``arrival`` lacks; return the digest of all of it."""
    validity = 0

    async def attempt() -> str:
        nonlocal item, validity
        async with connections.imap() as imap:
            await mailbox.open_mailbox(imap, library.LIBRARY)
            if validity and imap.uid_validity != validity:  # other UIDs now
                item = await library.find(imap, item.id)
                await mailbox.open_mailbox(imap, library.LIBRARY)
            validity = imap.uid_validity
            return await download.content(imap, item, arrival, attempts.progress)

    return await attempts.persist(attempt)


def _wrong(item: Item, digest: str) -> errors.ContentError:
    return errors.ContentError(
        f"what came of {shown(item.name)} is not what was sent (sha-256 {digest} "
        f"instead of {item.sha256}); get it again"
    )
