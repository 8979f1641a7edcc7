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
from functools import partial
from pathlib import Path

from maild.mail.offer import Offer
from terminal_client import (
    matching,
    metadata,
    numbers,
    offers,
    overview,
    profile,
    secret,
    silence,
    submission,
    transfers,
    watching,
)
from terminal_client.attempts import Progress
from terminal_client.attending import Attending, News
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
from terminal_client.profile import Profile
from terminal_client.reader import Reader
from terminal_client.requests import Asking
from terminal_client.sending import Order, Queued, Sendings
from terminal_client.submission import Sent
from terminal_client.transfers import Transfer
from terminal_client.uploading import Uploads


class Terminal(Reader):
    """One person's terminal.  Make it with `Terminal.open`."""

    def __init__(self, who: Profile, password: str) -> None:
        self._another = partial(Connections, who, password)
        super().__init__(who, Memory(who.memory_file), self._another())
        self.people = People(who)
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
