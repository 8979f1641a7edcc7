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
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from maild.mail.address import Address
from maild.wire.imap_url import ImapUrl
from terminal_client import (
    addresses,
    download,
    errors,
    library,
    mailbox,
    matching,
    offers,
    profile,
    reading,
    secret,
    submission,
    transfers,
)
from terminal_client.connections import Connections
from terminal_client.library import Item
from terminal_client.memory import Memory
from terminal_client.naming import shown
from terminal_client.offers import Letter, Waiting
from terminal_client.profile import Profile
from terminal_client.session_imap import MailboxConnection
from terminal_client.submission import Progress
from terminal_client.transfers import Transfer

POLL = 1.0
"""Seconds between two looks at a transfer that is followed."""


def _nobody(done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One sending command that the server took (seed 213)."""

    id: str
    """Of the transfer, as `Terminal.transfers` knows it."""
    recipient: Address
    uploaded: bool
    """Whether the file had to be uploaded for it."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare send --json`` prints."""
        return {"id": self.id, "recipient": str(self.recipient)}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the Library an item's octets are."""

    url: ImapUrl
    section: str
    uploaded: bool = False


class Terminal:
    """One person's terminal.  Make it with `Terminal.open`."""

    def __init__(self, who: Profile, password: str) -> None:
        self.profile = who
        self.memory = Memory(who.memory_file)
        self._connections = Connections(who, password)

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
        """Say goodbye to both servers; never fails."""
        await self._connections.close()

    async def verify(self) -> None:
        """Log in to both servers (seed 201, 202); raise what is wrong."""
        await self._connections.verify()

    # Uploading: seed 211, 212, and the upload itself

    async def check(self, path: Path) -> matching.Outcome:
        """Find out whether a file is on the server; mark the flag in Table 1."""
        with await asyncio.to_thread(reading.open_file, path) as file:
            absolute, shape = file.path, file.shape
        entry = await asyncio.to_thread(self.memory.by_path, absolute)
        if entry is None:
            return matching.Outcome(matching.Finding.NEVER)
        outcome = matching.Outcome(matching.Finding.EDITED)
        if await self._is_untouched(entry, absolute, shape):
            terminal = await asyncio.to_thread(self.memory.terminal)
            async with self._connections.imap() as imap:
                held = await library.held_under(imap, entry.number, shape.size)
            outcome = matching.match(entry, terminal, held)
        await asyncio.to_thread(self.memory.set_sharing, entry, outcome.sharing)
        return outcome

    async def _is_untouched(
        self, entry: matching.Remembered, path: Path, shape: matching.Shape
    ) -> bool:
        quick = matching.untouched(entry, shape)
        if quick is not None:
            return quick
        # Other times, same size: only the content itself can tell.
        digest, read = await reading.digest_of(path)
        if digest != entry.sha256:
            return False
        await asyncio.to_thread(self.memory.touch, entry, read)
        return True

    async def upload(
        self, path: Path, *, progress: Progress = _nobody, again: bool = False
    ) -> Item:
        """Bring a file into the own Library, unless it is there; return its item.

        ``again`` uploads even what is there.
        """
        outcome = await self.check(path) if not again else None
        if outcome is not None and outcome.held is not None:
            return await self._item_at(outcome.held.uid)
        with await asyncio.to_thread(reading.open_file, path) as file:
            entry = await asyncio.to_thread(self.memory.begin, file.path, file.shape)
            terminal = await asyncio.to_thread(self.memory.terminal)
            async with self._connections.smtp() as smtp:
                receipt = await submission.upload(
                    smtp, self.profile.address, file, entry, terminal, progress
                )
        await asyncio.to_thread(self.memory.finish, entry, receipt.sha256)
        async with self._connections.imap() as imap:
            held = await library.held_under(imap, entry.number, receipt.octets)
        ours = [h for h in held if h.code == entry.code]
        if not ours:
            raise errors.TryLaterError(
                f"the server took {path} as {receipt.id} but does not show it yet; "
                "look with `mshare ls`"
            )
        item = await self._item_at(ours[-1].uid)
        return replace(item, sha256=receipt.sha256, uploaded=True)

    async def _item_at(self, uid: int) -> Item:
        async with self._connections.imap() as imap:
            await mailbox.open_mailbox(imap, library.LIBRARY, large=False)
            items = await library.read(imap, [uid])
        if not items:
            raise errors.TryLaterError("the item is gone again; look with `mshare ls`")
        return await self._with_digest(items[0])

    async def _with_digest(self, item: Item) -> Item:
        """Add what Table 1 knows of an own upload."""
        if item.sha256 is None and item.code is not None:
            for entry in await asyncio.to_thread(self.memory.everything):
                if (entry.code, entry.number) == (item.code, item.number):
                    return replace(item, sha256=entry.sha256)
        return item

    # Sending: seed 213

    async def send(
        self,
        what: Item | Path | str,
        *recipients: str | Address,
        note: str = "",
        progress: Progress = _nobody,
    ) -> list[Sent]:
        """Command the server to send an item; a `Path` is uploaded first if needed.

        A string names an item by id or file name.  One transfer for each recipient.
        """
        to = [addresses.recipient(r) if isinstance(r, str) else r for r in recipients]
        place = await self._place_of(what, to, progress)
        sent = []
        async with self._connections.smtp() as smtp:
            if len(to) > 1:  # all or none
                await submission.ask(smtp, self.profile.address, to)
            # BURL is offered after AUTH only; asking again would cost a round trip.
            url = replace(place.url, host=smtp.ehlo.domain)
            for recipient in to:
                transfer = await submission.send(
                    smtp, self.profile.address, recipient, url, place.section, note
                )
                sent.append(Sent(transfer, recipient, place.uploaded))
        return sent

    async def _place_of(
        self, what: Item | Path | str, to: list[Address], progress: Progress
    ) -> _Place:
        """Return where an item is, in as few octets as possible."""
        if isinstance(what, Path):
            outcome = await self.check(what)
            if outcome.held is not None:
                return await self._place(outcome.held.uid, "1")
            # Gigabytes later is too late to learn that nobody may be sent to there.
            async with self._connections.smtp() as smtp:
                await submission.ask(smtp, self.profile.address, to)
            what = await self.upload(what, progress=progress, again=True)
        elif isinstance(what, str):
            async with self._connections.imap() as imap:
                what = await library.find(imap, what)
        place = await self._place(what.uid, what.section)
        return replace(place, uploaded=what.uploaded)

    async def _place(self, uid: int, section: str) -> _Place:
        user = str(self.profile.address)
        async with self._connections.imap() as imap:
            await mailbox.open_mailbox(imap, library.LIBRARY, large=False)
            return _Place(library.url_of(imap, user, uid), section)

    # Following: seed 219

    async def transfers(self, *ids: str) -> list[Transfer]:
        """Return all outgoing transfers, or those that ids (or beginnings) name."""
        async with self._connections.imap() as imap:
            if ids:
                return await transfers.some(imap, list(ids))
            return await transfers.everything(imap)

    async def follow(
        self, *ids: str, interval: float = POLL
    ) -> AsyncIterator[list[Transfer]]:
        """Yield transfers again and again until all of them are final."""
        now = await self.transfers(*ids)
        yield now
        while not all(transfer.is_final for transfer in now):
            await asyncio.sleep(interval)
            async with self._connections.imap() as imap:
                now = await transfers.again(imap, now)
            yield now

    # Receiving: seed 207 to 210, 220

    async def offers(self) -> AsyncIterator[Waiting]:
        """Yield the offers that wait for a decision, oldest first."""
        async with self._connections.imap() as imap:
            known = await offers.waiting(imap)
        for waiting in known:
            yield waiting

    async def accept(self, name: str) -> Waiting:
        """Accept an offer, by id, beginning of an id, or place in the list."""
        return (await self.decide([name], accepted=True))[0]

    async def decline(self, name: str) -> Waiting:
        """Decline an offer, by id, beginning of an id, or place in the list."""
        return (await self.decide([name], accepted=False))[0]

    async def decide(self, names: Iterable[str], *, accepted: bool) -> list[Waiting]:
        """Decide several offers, all named as they are listed now."""
        async with self._connections.imap() as imap:
            known = await offers.waiting(imap)
            chosen = [offers.pick(known, name) for name in names]
            for waiting in chosen:
                await offers.decide(imap, waiting, accepted=accepted)
        return chosen

    async def inbox(self) -> list[Letter]:
        """Return the messages of INBOX, oldest first."""
        async with self._connections.imap() as imap:
            return await offers.inbox(imap)

    async def items(self) -> list[Item]:
        """Return the items of the Library, oldest first."""
        async with self._connections.imap() as imap:
            found = await library.everything(imap)
            digests = await library.digests(imap)
        return [replace(i, sha256=i.sha256 or digests.get(i.id)) for i in found]

    async def get(
        self,
        name: str | Item,
        dest: Path | None = None,
        *,
        force: bool = False,
        progress: Progress = _nobody,
    ) -> Path:
        """Download an item into ``dest`` (a file, a directory; default: here).

        The file appears under its name only when every octet is there and its digest
        is the one that travelled with it.
        """
        async with self._connections.imap() as imap:
            item = await self._wanted(imap, name)
            place = download.destination(item.name, dest, replace=force)
            file = await asyncio.to_thread(place.open, item.size)
            try:
                await _copy(imap, item, file, progress)
                return await asyncio.to_thread(place.keep)
            finally:
                await asyncio.to_thread(place.discard)

    async def get_to(
        self, name: str | Item, sink: BinaryIO, *, progress: Progress = _nobody
    ) -> Item:
        """Write an item to a stream; the digest is checked after the last octet."""
        async with self._connections.imap() as imap:
            item = await self._wanted(imap, name)
            await _copy(imap, item, sink, progress)
            await asyncio.to_thread(sink.flush)
        return item

    async def _wanted(self, imap: MailboxConnection, name: str | Item) -> Item:
        """Return the item with its digest; the Library is open afterwards."""
        item = name if isinstance(name, Item) else await library.find(imap, name)
        item = await self._with_digest(item)
        await mailbox.open_mailbox(imap, library.LIBRARY)
        if item.sha256 is None and not item.own:
            item = replace(item, sha256=await library.digest_of(imap, item))
        if item.sha256 is None:
            digests = await library.digests(imap)
            item = replace(item, sha256=digests.get(item.id))
            await mailbox.open_mailbox(imap, library.LIBRARY)
        return item


async def _copy(
    imap: MailboxConnection, item: Item, sink: BinaryIO, progress: Progress
) -> None:
    digest = await download.content(imap, item, sink, progress)
    if item.sha256 is not None and digest != item.sha256:
        raise errors.ContentError(
            f"what came of {shown(item.name)} is not what was sent (sha-256 {digest} "
            f"instead of {item.sha256}); get it again"
        )
