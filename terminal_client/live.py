# SPDX-License-Identifier: GPL-3.0-only
"""Uploading what is still being recorded, through cuts, kills and long pauses.

A file is gone on with where the server's 355 says, also by a later run.  A pipe is
spooled; what a killed terminal leaves of one is brought into the Library by the next.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic

from terminal_client import errors, live_attempt, upload_attempt
from terminal_client.attempts import Attempts, Progress
from terminal_client.connections import Connections
from terminal_client.hashing import in_thread
from terminal_client.journal import Begun
from terminal_client.library import Item
from terminal_client.live_attempt import LiveAttempt
from terminal_client.live_file import LiveFile, Mark, open_live
from terminal_client.live_journal import Kept, LiveJournal
from terminal_client.live_spool import Spool, abandoned
from terminal_client.matching import Remembered
from terminal_client.memory import Memory
from terminal_client.naming import told_name
from terminal_client.outgoing import NOTE_EVERY, Outgoing
from terminal_client.profile import Profile
from terminal_client.upload_attempt import Receipt
from terminal_client.uploading import Uploads

AGAIN = 15.0
"""Seconds until a server that was away for long is looked for again."""


class LiveUploads:
    """Of one terminal."""

    def __init__(
        self,
        who: Profile,
        memory: Memory,
        connections: Connections,
        uploads: Uploads,
    ) -> None:
        self._profile = who
        self._memory = memory
        self._connections = connections
        self._uploads = uploads
        self._outgoing = Outgoing(who, memory, connections)
        self._journal = LiveJournal(who.memory_file)

    async def file(self, path: Path, progress: Progress, idle: float | None) -> Item:
        """Upload a file until it is closed; one that is closed goes as any other."""
        with await asyncio.to_thread(open_live, path, idle) as file:
            kept = await asyncio.to_thread(self._kept, file)
            look = await asyncio.to_thread(file.look)
            if kept is not None or not look.closed:
                tries = Attempts(progress)
                if file.idle is not None and idle is None:
                    tries.tell(
                        "nothing tells here when it is closed; "
                        f"{file.idle:g} s without growth will do (--idle)"
                    )
                async with self._outgoing.turn(file.path, tries) as others_did:
                    if not others_did:
                        return await self._item(file, told_name(file.path), tries)
                return await self.file(path, progress, idle)  # as they have left it
        return await self._uploads.item(await self._uploads.bring(path, progress))

    async def spool(self, spool: Spool, name: str, progress: Progress) -> Item:
        """Upload a pipe until it ends; its spool goes once all of it is there.

        What it is called is kept before its first octet: a kill leaves both or none.
        """
        name = told_name(Path(name))
        try:
            with spool:
                await asyncio.to_thread(self._fresh, spool, name)
                spool.begin()
                item = await self._item(spool, name, Attempts(progress))
        except errors.TerminalError as error:
            error.args = (
                f"{error}; what was recorded is kept: go on with "
                f"`mshare send --live {spool.path}`",
            )
            raise
        await asyncio.to_thread(spool.path.unlink, missing_ok=True)
        return item

    async def finish_abandoned(self, progress: Progress) -> list[Item]:
        """Bring what killed terminals have recorded of pipes into the Library."""
        found = []
        with abandoned(self._profile.directory) as paths:
            for path in paths:
                if path.stat().st_size:
                    found.append(await self.file(path, progress, None))
                path.unlink()
        return found

    async def _item(self, file: LiveFile, name: str, tries: Attempts) -> Item:
        entry, receipt = await self._upload(file, name, tries)
        return await self._uploads.arrived(entry, receipt, tries)

    async def _upload(
        self, file: LiveFile, name: str, tries: Attempts
    ) -> tuple[Remembered, Receipt]:
        kept = await asyncio.to_thread(self._kept, file)
        if kept is None:
            kept = await asyncio.to_thread(self._fresh, file, name)
        try:
            receipt = await self._persist(file, kept, tries)
        except errors.RestartError as error:
            tries.tell(f"it begins anew: {str(error).partition(';')[0]}")
            kept = await asyncio.to_thread(self._fresh, file, name)
            receipt = await self._persist(file, kept, tries)
        entry = kept.begun.entry
        await asyncio.to_thread(self._finish, file, kept.begun, receipt)
        return entry, receipt

    def _kept(self, file: LiveFile) -> Kept | None:
        """Return the upload of this file that was interrupted."""
        entry = self._memory.by_path(file.path)
        kept = self._journal.find(entry, str(self._profile.address))
        return kept if kept is not None and kept.identity == file.identity else None

    def _fresh(self, file: LiveFile, name: str) -> Kept:
        entry = self._memory.begin(file.path, file.look().shape)
        sender, terminal = self._profile.address, self._memory.terminal()
        begun = upload_attempt.compose(sender, name, None, entry, terminal)
        self._journal.keep(begun, str(sender), file.identity)
        return Kept(begun, file.identity, None)

    def _finish(self, file: LiveFile, begun: Begun, receipt: Receipt) -> None:
        with suppress(errors.TerminalError):  # it may be gone again: it is uploaded
            self._memory.grew(begun.entry, file.look().shape)
        self._memory.finish(begun.entry, receipt.sha256)
        self._journal.forget(begun)

    async def _persist(self, file: LiveFile, kept: Kept, tries: Attempts) -> Receipt:
        """Upload, for as long as it takes: a recording does not wait for its server."""
        run = _Run(file, kept, self._journal, tries)
        attempt = partial(self._attempt, run, tries)
        while True:
            try:
                return await tries.persist(attempt)
            except errors.TryLaterError as error:
                if not run.has_begun or (await in_thread(file.look)).closed:
                    raise
                tries.tell(str(error).partition(";")[0])
                await asyncio.sleep(AGAIN)
            except (errors.ContentError, errors.NoInputError):
                await self._forget(kept.begun)
                raise

    async def _attempt(self, run: _Run, tries: Attempts) -> Receipt:
        await run.news()
        try:
            async with self._connections.smtp() as smtp:
                attempt = LiveAttempt(
                    smtp, run.file, run.kept.begun, run.kept.mark, run.note
                )
                return await attempt.run(self._profile.address, run.progress)
        finally:
            await run.settle()

    async def _forget(self, begun: Begun) -> None:
        """Take back what cannot become the file any more, here and on the server."""
        await asyncio.to_thread(self._journal.forget, begun)
        with suppress(errors.TerminalError):
            async with self._connections.smtp() as smtp:
                await upload_attempt.give_up(smtp, self._profile.address, begun)


class _Run:
    """What this run knows of one upload."""

    def __init__(
        self, file: LiveFile, kept: Kept, journal: LiveJournal, tries: Attempts
    ) -> None:
        self.file = file
        self.kept = kept
        self._journal = journal
        self._tries = tries
        self._landed = -1
        self._latest: Mark | None = None
        self._noting: asyncio.Task[None] | None = None
        self._noted = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether the server has been there at least once."""
        return self._landed >= 0

    def progress(self, landed: int, recorded: int) -> None:
        """Take what the server has, and how much there is."""
        self._landed = max(landed, self._landed)
        self._tries.progress(landed, recorded)

    async def news(self) -> None:
        """Wait until there is something to connect for."""
        while self.has_begun:
            look = await in_thread(self.file.look)
            if look.closed or look.size > self._landed:
                return
            await asyncio.sleep(live_attempt.POLL)

    def note(self, mark: Mark) -> None:
        """Keep what the server has acknowledged, now and then."""
        self._latest = mark
        busy = self._noting is not None and not self._noting.done()
        if not busy and monotonic() - self._noted >= NOTE_EVERY:
            self._noted = monotonic()
            self._noting = asyncio.ensure_future(self._note())

    async def _note(self) -> None:
        mark, self._latest = self._latest, None
        if mark is not None:
            with suppress(errors.TerminalError):  # worth no upload
                await in_thread(self._journal.reach, self.kept.begun, mark)

    async def settle(self) -> None:
        """Keep the last of it."""
        if self._noting is not None:
            await self._noting
        await self._note()
