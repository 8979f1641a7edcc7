# SPDX-License-Identifier: GPL-3.0-only
"""What a terminal does with the items of its account: find, get, look into, change.

The half of `terminal_client.terminal.Terminal` that needs nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from maild.mail.address import Address
from terminal_client import (
    browsing,
    destination,
    editing,
    library,
    pieces,
    receipts,
    receiving,
    removing,
    silence,
    thumbnails,
    versions,
)
from terminal_client.attempts import Progress
from terminal_client.awaiting import Awaiting
from terminal_client.browsing import Preview, Wish
from terminal_client.connections import Connections
from terminal_client.library import Item
from terminal_client.memory import Memory
from terminal_client.offers import Waiting
from terminal_client.pieces import Part, PieceReceiving, Range
from terminal_client.profile import Profile
from terminal_client.receiving import Receiving
from terminal_client.replacing import Replaced, Replacing


class Reader:
    """Reads and changes items over kept connections."""

    def __init__(self, who: Profile, memory: Memory, connections: Connections) -> None:
        self.profile = who
        self.memory = memory
        self._connections = connections

    async def items(self) -> list[Item]:
        """Return the items of the Library, oldest first."""
        async with self._connections.imap() as imap:
            found = await library.arrived(imap, await library.everything(imap))
            found = await library.being_read(imap, found)
            digests = await library.digests(imap)
        return [replace(i, sha256=i.sha256 or digests.get(i.id)) for i in found]

    async def meant(self, name: str, *, else_file: bool = False) -> list[Item]:
        """Return the items that an id, its beginning, or a file name means, in order.

        There is one at least.  ``else_file``: a local file might have been meant.
        """
        async with self._connections.imap() as imap:
            return await library.meant(imap, name, else_file=else_file)

    async def find(self, name: str | Item) -> Item:
        """Return an item by id, beginning of an id or file name, with its digest.

        Of several with the name (`meant`) it is the newest, here and everywhere.
        """
        return await self._wanted(name)

    async def awaited(
        self, name: str | None = None, *, tell: Callable[[], None] = silence.in_silence
    ) -> Item:
        """Wait until an accepted item is there, or begins to arrive; return it.

        ``name`` is its file name, its id or that of its offer; without one the next
        item is meant.  ``tell`` is called when there is nothing yet.
        """
        item = await Awaiting(self._connections, name, tell).item()
        return await self._wanted(item)

    async def versions(self, name: str | Item) -> list[Item]:
        """Return the versions of an item, oldest first; the last is the item now."""
        item = await self._wanted(name)
        async with self._connections.imap() as imap:
            return await versions.of(imap, item)

    async def version(self, name: str | Item, number: int) -> Item:
        """Return one version of an item, to be given to `get`."""
        item = await self._wanted(name)
        async with self._connections.imap() as imap:
            return await versions.one(imap, item, number)

    async def remove(self, name: str | Item) -> None:
        """Delete an item, its older versions, and what is under way of it."""
        async with self._connections.imap() as imap:
            item = name if isinstance(name, Item) else await library.find(imap, name)
            await removing.remove(imap, item)

    async def edit(
        self,
        name: str | Item,
        change: editing.Change,
        *,
        keep: bool = False,
        progress: Progress = silence.unshown,
    ) -> Replaced:
        """Let ``change`` change an item's content; it becomes its next version.

        Only what has changed travels.  ``keep`` leaves a copy here, so that nothing has
        to be fetched the next time.  Raises `ReplacedError` when somebody else was
        faster; what was edited is kept, and the error says where.
        """
        item = await self._wanted(name)
        edits = editing.Editing(self.profile, self.memory, self._connections)
        return await edits.edit(item, change, progress, keep=keep)

    async def put(
        self,
        path: Path,
        name: str | Item,
        *,
        base: Path | None = None,
        progress: Progress = silence.unshown,
    ) -> Replaced:
        """Make a file the next version of an item.

        With ``base``, a file that holds what the item is now, only what is different
        travels.
        """
        item = await self._wanted(name)
        editing.must_be_whole(item)
        if base is not None:
            await editing.must_be_base(base, item)
        replacing = Replacing(self._connections, self.profile, item, progress)
        return await replacing.by(path, base)

    async def get(
        self,
        name: str | Item,
        dest: Path | None = None,
        *,
        force: bool = False,
        progress: Progress = silence.unshown,
    ) -> Path:
        """Download an item into ``dest`` (a file, a directory; default: here).

        The file appears under its name only when every octet is there and its digest
        is the one that travelled with it.  An item whose ``sha256`` is None, as `find`
        tells, has none: nothing can be verified but its size.

        Until then it is a ``.part``, which the next call goes on with.
        """
        item = await self._wanted(name)
        place = destination.destination(item, dest, self.profile.address, replace=force)
        return await self._receiving(item, progress).into_file(place)

    async def get_to(
        self, name: str | Item, sink: BinaryIO, *, progress: Progress = silence.unshown
    ) -> Item:
        """Write an item to a stream; the digest is checked after the last octet.

        Of one that still arrives the octets are written as they come.
        """
        return await self._receiving(await self._wanted(name), progress).into(sink)

    async def tell_sender(self, item: Item) -> Address:
        """Let the sender of an item know that it was downloaded; return who that is."""
        return await receipts.tell_sender(self._connections, self.profile.address, item)

    # Looking into items, and getting pieces of them

    async def preview(self, name: str | Item, wish: Wish | None = None) -> Preview:
        """Look into an item: a few slices of it travel, never all of it.

        Of an item that still arrives what is there is looked at.
        """
        item = await self._known(name)
        wish = wish or browsing.Wish()
        found = await browsing.preview(self._receiving(item, silence.unshown), wish)
        if wish.picture and found.picture is None:
            return replace(found, picture=await self.thumbnail(item))
        return found

    async def thumbnail(self, thing: Item | Waiting) -> bytes | None:
        """Return the small picture that came with an item or an offer, or None.

        It is an image file of a stranger: decode it as `terminal_client.pictures` does.
        """
        async with self._connections.imap() as imap:
            if isinstance(thing, Item):
                return await thumbnails.of_item(imap, thing)
            return await thumbnails.of_offer(imap, thing)

    async def get_piece(
        self,
        name: str | Item,
        piece: Range | Part,
        dest: Path | None = None,
        *,
        force: bool = False,
        progress: Progress = silence.unshown,
    ) -> Path:
        """Download a range of an item, or one member of a zip or tar; only it travels.

        The file appears under its name when all of it is there.
        """
        getting = await self._getting(name, piece, progress)
        place = destination.destination(
            getting.item, dest, self.profile.address, replace=force
        )
        return await getting.into_file(place)

    async def get_piece_to(
        self,
        name: str | Item,
        piece: Range | Part,
        sink: BinaryIO,
        *,
        progress: Progress = silence.unshown,
    ) -> Item:
        """Write a range of an item, or one member of a zip or tar, to a stream."""
        return await (await self._getting(name, piece, progress)).into(sink)

    async def _getting(
        self, name: str | Item, piece: Range | Part, progress: Progress
    ) -> PieceReceiving:
        receiving = self._receiving(await self._known(name), progress)
        return PieceReceiving(receiving, await pieces.find(receiving, piece))

    async def _known(self, name: str | Item) -> Item:
        async with self._connections.imap() as imap:
            return await receiving.known(imap, name)

    def _receiving(self, item: Item, progress: Progress) -> Receiving:
        return Receiving(self._connections, self.memory, item, progress)

    async def _wanted(self, name: str | Item) -> Item:
        async with self._connections.imap() as imap:
            return await receiving.wanted(imap, self.memory, name)
