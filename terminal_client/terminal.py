# SPDX-License-Identifier: GPL-3.0-only
"""The terminal as a library: what `mshare` does, for programs.

::

    async with Terminal.open() as terminal:
        item = await terminal.upload(Path("film.mov"))
        await terminal.send(item, "bob@b.example", note="as promised")
        async for offer in terminal.offers():
            await terminal.accept(offer.id)

Connections are made when first needed and kept: one login each.  Calls from several
tasks take turns; two transfers at the same time need two terminals.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from maild.mail.address import Address
from maild.mail.offer import Offer
from terminal_client import (
    browsing,
    destination,
    editing,
    library,
    matching,
    metadata,
    numbers,
    offers,
    overview,
    pieces,
    profile,
    receipts,
    receiving,
    removing,
    secret,
    silence,
    submission,
    thumbnails,
    transfers,
    versions,
    watching,
)
from terminal_client.attempts import Progress
from terminal_client.attending import Attending, News
from terminal_client.awaiting import Awaiting
from terminal_client.browsing import Preview, Wish
from terminal_client.connections import Connections
from terminal_client.deciding import Decision
from terminal_client.folders.told import Happening, Tally
from terminal_client.library import Item
from terminal_client.live import LiveUploads
from terminal_client.live_spool import Spool
from terminal_client.memory import Memory
from terminal_client.offers import Letter, Waiting
from terminal_client.overview import Overview
from terminal_client.people import People, Recipient
from terminal_client.pieces import Part, PieceReceiving, Range
from terminal_client.profile import Profile
from terminal_client.receiving import Receiving
from terminal_client.replacing import Replaced, Replacing
from terminal_client.requests import Asking
from terminal_client.sending import Order, Queued, Sendings
from terminal_client.submission import Sent
from terminal_client.transfers import Transfer
from terminal_client.uploading import Uploads


class Terminal:
    """One person's terminal.  Make it with `Terminal.open`."""

    def __init__(self, who: Profile, password: str) -> None:
        self.profile = who
        self.memory = Memory(who.memory_file)
        self.people = People(who)
        self._another = partial(Connections, who, password)
        self._connections = self._another()
        self._uploads = Uploads(who, self.memory, self._connections)
        self._live = LiveUploads(who, self.memory, self._connections, self._uploads)
        self._sendings = Sendings(
            who, self._connections, self._another(), self._uploads
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls, who: Profile | str | None = None, *, password: str | None = None
    ) -> AsyncIterator[Terminal]:
        """Open the terminal of a profile (a name, a directory, or the default one)."""
        known = who if isinstance(who, Profile) else profile.load(who)
        if password is None:
            password = await asyncio.to_thread(secret.recall, known)
        terminal = cls(known, password)
        try:
            yield terminal
        finally:
            await terminal.close()

    async def close(self) -> None:
        """Say goodbye to the servers; never fails."""
        await self._connections.close()
        await self.people.close()

    async def verify(self) -> None:
        """Log in to both servers (seed 201, 202); raise what is wrong."""
        await self._connections.verify()

    # Uploading: seed 211, 212, and the upload itself

    async def check(self, path: Path) -> matching.Outcome:
        """Find out whether a file is on the server; mark the flag in Table 1."""
        return await self._uploads.check(path)

    async def upload(
        self,
        path: Path,
        *,
        progress: Progress = silence.unshown,
        again: bool = False,
        thumbnail: bool = True,
    ) -> Item:
        """Bring a file into the own Library, unless it is there; return its item.

        Goes on with an upload of this file that was cut, whenever that was.  ``again``
        uploads even what is there.  Who is offered a picture sees its ``thumbnail``.
        """
        brought = await self._uploads.bring(
            path, progress, again=again, picture=thumbnail
        )
        return await self._uploads.item(brought)

    async def record(
        self,
        source: Path | Spool,
        *,
        name: str = "",
        idle: float | None = None,
        progress: Progress = silence.unshown,
    ) -> Item:
        """Upload what still grows until it is closed; return its item.

        A file is closed when nobody has it open for writing, or when it has not grown
        for ``idle`` seconds; a `Spool`, called ``name``, when its pipe has ended.
        ``progress`` is told the octets landed and recorded.
        """
        if isinstance(source, Spool):
            return await self._live.spool(source, name, progress)
        return await self._live.file(source, progress, idle)

    async def finish_recordings(
        self, *, progress: Progress = silence.unshown
    ) -> list[Item]:
        """Bring into the Library what killed terminals have recorded of pipes."""
        return await self._live.finish_abandoned(progress)

    async def watch(
        self,
        folders: Iterable[Path],
        *,
        once: bool = False,
        on_metered: bool = False,
        patient: bool = False,
        tell: Callable[[Happening], None] = silence.nothing_happens,
        show: Callable[[str], AbstractContextManager[Progress]] = silence.unseen,
    ) -> Tally:
        """Upload what is in folders, and what comes into them, until cancelled.

        Only while the network is not metered, unless ``on_metered``; ``once``: what is
        there, then return; ``patient``: a folder that is missing is waited for.
        ``tell`` hears what happens, ``show`` gives the progress of a named file.
        """
        from terminal_client.folders import start  # events and D-Bus take a while
        from terminal_client.folders.carrier import Carrier

        carrier = Carrier(self._uploads, self.memory, self._connections)
        spared = [self.profile.directory.resolve()]
        return await start.watch(
            carrier,
            folders,
            spared,
            tell,
            show,
            once=once,
            on_metered=on_metered,
            patient=patient,
        )

    # Sending: seed 213

    async def ask(self, *recipients: Recipient) -> None:
        """Ask whether the server would send to these; raise its refusal."""
        to = [one.address for one in await self.people.meant(recipients)]
        async with self._connections.smtp() as smtp:
            await submission.ask(smtp, self.profile.address, to)

    async def send(
        self,
        what: Item | Path | str,
        *recipients: Recipient,
        note: str = "",
        thumbnail: bool = True,
        confirm: int = 0,
        progress: Progress = silence.unshown,
        queued: Queued = silence.nobody_waits,
    ) -> list[Sent]:
        """Command the server to send an item; a `Path` is uploaded if needed.

        A string names an item by id or file name.  One transfer for each recipient: a
        mail address, a contact's name, or a number, which is asked unless it is known.
        What has to be uploaded is sent meanwhile: ``queued`` is told when the server
        has taken the commands; this returns when it has all of the item, too.

        ``confirm``: seconds in which you have to say `go` once the other server has
        said that it would take it; 0: it goes by itself.
        """
        to = await self.people.meant(recipients)
        via = {one.address.key: one.via for one in to if one.via}
        order = Order([one.address for one in to], note, confirm, via, thumbnail)
        return await self._sendings.send(what, order, progress, queued)

    async def go(self, *ids: str) -> list[Transfer]:
        """Let the content of transfers go that wait for your word (seed 217)."""
        async with self._connections.imap() as imap:
            return await transfers.go(imap, list(ids))

    # Following: seed 219

    async def transfers(self, *ids: str) -> list[Transfer]:
        """Return all outgoing transfers, or those that ids (or beginnings) name."""
        async with self._connections.imap() as imap:
            if ids:
                return await transfers.some(imap, list(ids))
            return await transfers.everything(imap)

    async def follow(
        self,
        *ids: str,
        interval: float = watching.POLL,
        tell: Callable[[str], None] = silence.untold,
    ) -> AsyncIterator[list[Transfer]]:
        """Yield transfers, and again at each change until all of them are final.

        The server tells of changes by itself; ``interval`` is the seconds between two
        looks at one that cannot.  A lost connection is made again, however long that
        takes; ``tell`` hears of it.
        """
        watch = watching.Watch(self._connections, interval, tell)
        async for now in watch.follow(list(ids)):
            yield now

    async def cancel(self, name: str) -> Transfer:
        """Take a transfer back, by id or beginning of an id; return how it stood."""
        async with self._connections.imap() as imap:
            return await transfers.cancel(imap, name)

    def overview(self) -> AsyncIterator[Overview]:
        """Yield offers, items and transfers, and again at each change, without end.

        Has a connection of its own, which is made again whenever it is lost.
        """
        return overview.followed(self._another())

    # Receiving: seed 207 to 210, 220

    async def offers(self) -> AsyncIterator[Waiting]:
        """Yield the offers that wait for a decision, oldest first."""
        async with self._connections.imap() as imap:
            known = await offers.waiting(imap)
        for waiting in known:
            yield waiting

    async def accept(self, name: str) -> Waiting:
        """Accept an offer, by id, beginning of an id, or place in the list."""
        async with self._connections.imap() as imap:
            return await offers.decide_named(imap, name, accepted=True)

    async def accepted(self) -> list[Offer]:
        """Return the newest of the offers that were accepted, oldest first."""
        async with self._connections.imap() as imap:
            return await offers.accepted(imap)

    async def decline(self, name: str) -> Waiting:
        """Decline an offer, by id, beginning of an id, or place in the list."""
        async with self._connections.imap() as imap:
            return await offers.decide_named(imap, name, accepted=False)

    async def decide(
        self, names: Iterable[str], *, accepted: bool
    ) -> list[Waiting | Asking]:
        """Decide several offers, or address requests (by id, or by the number).

        All are found before the first is decided.
        """
        decision = Decision(self._connections, self.people, list(names))
        return await decision.make(accepted=accepted)

    async def requests(self) -> list[Asking]:
        """Return the requests of numbers for our mail address, oldest first."""
        return await (await self.people.rendezvous()).requests()

    async def attend(
        self, *, tell: Callable[[str], None] = silence.untold
    ) -> AsyncIterator[News]:
        """Yield offers, requests and contacts: what is new now, then what comes.

        Without end; a lost connection is made again, ``tell`` hears of it.
        """
        attending = Attending(self._connections, self.people, tell)
        async for news in attending.news():
            yield news

    async def log_in_number(self, number: Profile, password: str) -> None:
        """Log in to a rendezvous; there and at home, tell who is who.

        The caller keeps the login: `terminal_client.numbers`.
        """
        await self.people.tell_home(number, password)
        async with self._connections.imap() as imap:
            await metadata.write(imap, numbers.RENDEZVOUS, str(number.address))

    async def inbox(self) -> list[Letter]:
        """Return the messages of INBOX, oldest first."""
        async with self._connections.imap() as imap:
            return await offers.inbox(imap)

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
