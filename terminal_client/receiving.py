# SPDX-License-Identifier: GPL-3.0-only
"""Getting an item: what is known of it beforehand, and what came compared with that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace as changed
from pathlib import Path
from typing import BinaryIO, TypeVar

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

T = TypeVar("T")


async def wanted(imap: MailboxConnection, memory: Memory, name: str | Item) -> Item:
    """Return the item with its digest and true size; the Library is open afterwards.

    One that still arrives has the size that was announced, and no digest.
    """
    item = name if isinstance(name, Item) else await library.find(imap, name)
    await mailbox.open_mailbox(imap, item.mailbox)
    if item.arriving or item.mailbox != library.LIBRARY:
        return item
    item = await asyncio.to_thread(with_digest, memory, item)
    if item.sha256 is None and not item.own:
        item = changed(item, sha256=await library.digest_of(imap, item))
    if item.sha256 is None:
        digests = await library.digests(imap)
        item = changed(item, sha256=digests.get(item.id))
        await mailbox.open_mailbox(imap, library.LIBRARY)
    return await library.measured(imap, item)


async def known(imap: MailboxConnection, name: str | Item) -> Item:
    """Return the item with its true size and how far it is; its mailbox stays open.

    Who looks at a few octets needs no digest.  An older version is where `versions` has
    found it, with its size: in the Library its UID is somebody else's.
    """
    item = name if isinstance(name, Item) else await library.find(imap, name)
    await mailbox.open_mailbox(imap, item.mailbox)
    if item.mailbox != library.LIBRARY:
        return item
    if not item.arriving:
        return await library.measured(imap, item)
    return (await library.arrived(imap, [item]))[0]


class Receiving:
    """Gets one item, which may still be arriving."""

    def __init__(
        self, connections: Connections, memory: Memory, item: Item, progress: Progress
    ) -> None:
        self._connections = connections
        self._memory = memory
        self._attempts = Attempts(progress)
        self._validity = 0
        self._follows = item.arriving
        self.item = item
        """With its digest once all of it is here, should there be one."""

    def tell(self, what: str) -> None:
        """Say in a few words what is happening, if anybody listens."""
        self._attempts.tell(what)

    async def into_file(self, place: Destination) -> Path:
        """Bring it into a file; go on with what an earlier run has left of it.

        Without a digest nothing can be told about what was left, so it is not used.
        """
        keeps = self.item.sha256 is not None or self.item.arriving
        arrival = await asyncio.to_thread(place.open, self.item.size, go_on=keeps)
        try:
            digest = await self._fetched(arrival)
            if place.found and digest != self.item.sha256:
                self._attempts.tell(
                    "what was here already did not fit; getting all of it"
                )
                arrival = await asyncio.to_thread(place.begin_anew)
                digest = await self._fetched(arrival)
            if self.item.sha256 not in (None, digest):
                await asyncio.to_thread(place.discard)
                raise _wrong(self.item, digest)
            return await asyncio.to_thread(place.keep)
        finally:
            await asyncio.to_thread(place.close if keeps else place.discard)

    async def into(self, sink: BinaryIO) -> Item:
        """Write it to a stream; the digest is checked after the last octet."""
        digest = await self._fetched(Arrival(sink))
        if self.item.sha256 not in (None, digest):
            raise _wrong(self.item, digest)
        return self.item

    async def stretch(self, arrival: Arrival, first: int, count: int) -> None:
        """Write a stretch of it, from the offset ``first`` on, to where it goes.

        Nothing travels but this stretch, and nothing can be verified but its size.
        """

        async def fetch() -> None:
            async with self._connections.imap() as imap:
                await self._open(imap)
                await download.content(
                    imap,
                    changed(self.item, size=count),
                    arrival,
                    self._attempts.progress,
                    self._attempts.waits_for_source,
                    first=first,
                )

        await self._persist(fetch)

    async def octets(self, first: int, count: int) -> bytes:
        """Return a few octets; fewer than ``count`` only where the item ends."""
        room = bytearray(count)

        async def fetch() -> int:
            async with self._connections.imap() as imap:
                await self._open(imap)
                return await download.fill(imap, self.item, first, memoryview(room))

        return bytes(room[: await self._persist(fetch)])

    async def _fetched(self, arrival: Arrival) -> str:
        """Fetch what ``arrival`` lacks; return the digest of all of it."""

        async def fetch() -> str:
            async with self._connections.imap() as imap:
                await self._open(imap)
                return await download.content(
                    imap,
                    self.item,
                    arrival,
                    self._attempts.progress,
                    self._attempts.waits_for_source,
                )

        digest = await self._persist(fetch)
        if self._follows:
            await self._persist(self._settle)
        return digest

    async def _open(self, imap: MailboxConnection) -> None:
        await mailbox.open_mailbox(imap, self.item.mailbox)
        if self._validity not in (0, imap.uid_validity):  # other UIDs now
            await self._find_again(imap)
        self._validity = imap.uid_validity

    async def _find_again(self, imap: MailboxConnection) -> None:
        """Look where the item is now; it is there unless its sender gave it up."""
        if self.item.mailbox != library.LIBRARY:
            raise errors.UnavailableError(
                f"version {self.item.version} of {shown(self.item.name)} is not kept "
                "any more; `mshare versions` shows which are"
            )
        try:
            found = await library.find(imap, self.item.id)
        except errors.NoInputError:
            raise errors.UnavailableError(
                f"{shown(self.item.name)} is not on the server any more: "
                "its sender gave it up, or somebody has removed it"
            ) from None
        if found.version != self.item.version:  # some octets of each would be neither
            raise errors.ReplacedError(
                f"{shown(self.item.name)} was replaced meanwhile; get it again"
            )
        self.item = changed(found, size=self.item.size, sha256=self.item.sha256)

    async def _persist(self, doing: Callable[[], Awaitable[T]]) -> T:
        """Do it through cuts, pauses of the sender, and a place that has changed."""

        async def attempt() -> T:
            try:
                return await doing()
            except errors.GoneError as gone:
                async with self._connections.imap() as imap:
                    before = self.item.uid
                    await self._find_again(imap)
                if self.item.uid == before:  # shown, and not given
                    raise
                raise errors.CutError(str(gone)) from gone

        return await self._attempts.persist(attempt)

    async def _settle(self) -> None:
        """Wait until the server has all of it, and learn its digest."""
        async with self._connections.imap() as imap:
            await self._open(imap)
            while True:
                found = await library.read(imap, [self.item.uid])
                if not found:
                    raise errors.GoneError(f"{shown(self.item.name)} is gone")
                if not found[0].arriving:
                    break
                await imap.idle()
            self.item = await wanted(imap, self._memory, found[0])
            self._follows = False


def _wrong(item: Item, digest: str) -> errors.ContentError:
    return errors.ContentError(
        f"what came of {shown(item.name)} is not what was sent (sha-256 {digest} "
        f"instead of {item.sha256}); get it again"
    )
