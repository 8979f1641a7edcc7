# SPDX-License-Identifier: GPL-3.0-only
"""Bringing a file to one's server, through any number of cuts and killed terminals."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from terminal_client import errors, reading, upload_attempt
from terminal_client.attempts import Attempts, Progress
from terminal_client.connections import Connections
from terminal_client.hashing import in_thread
from terminal_client.journal import Begun, Journal
from terminal_client.matching import Remembered
from terminal_client.memory import Memory
from terminal_client.profile import Profile
from terminal_client.reading import LocalFile
from terminal_client.upload_attempt import Receipt

LOOK = 0.2
"""Seconds between two looks whether somebody else has ended."""
NOTE_EVERY = 0.5
"""Seconds between two notes of how far an upload has come."""


def nobody(entry: Remembered) -> None:
    """Need no word that an upload begins."""


class Outgoing:
    """The uploads of one terminal."""

    def __init__(self, who: Profile, memory: Memory, connections: Connections) -> None:
        self._profile = who
        self._memory = memory
        self._journal = Journal(who.memory_file)
        self._connections = connections

    @asynccontextmanager
    async def turn(self, path: Path, attempts: Attempts) -> AsyncIterator[bool]:
        """Wait until nobody else uploads ``path`` from here; give whether somebody did.

        Two that go on with one upload would take the connection from each other.
        """
        lock = await asyncio.to_thread(self._lock_of, path)
        waited = False
        while (held := _locked(lock)) is None:
            if not waited:
                attempts.tell("another mshare uploads it; waiting for that one")
            waited = True
            await asyncio.sleep(LOOK)
        try:
            yield waited
        finally:
            with suppress(OSError):
                lock.unlink(missing_ok=True)
            os.close(held)

    async def upload(
        self,
        path: Path,
        attempts: Attempts,
        begin: Callable[[Remembered], None] = nobody,
        *,
        picture: bool = True,
    ) -> tuple[Remembered, Receipt]:
        """Upload a file, from where an earlier attempt ended, until it is there.

        ``begin`` is told each row of Table 1 under which the file goes now.
        ``picture``: whether a thumbnail goes with it, if it is one.
        """
        with await asyncio.to_thread(reading.open_file, path) as file:
            await self._drop_another(file)
            begun = await asyncio.to_thread(self._begun, file, picture)
            begin(begun.entry)
            try:
                receipt = await attempts.persist(
                    partial(self._attempt, file, begun, attempts)
                )
            except (errors.ContentError, errors.NoInputError):
                await self._give_up(begun)
                raise
            except errors.RestartError as error:
                sentence = str(error).partition(";")[0]
                attempts.tell(f"it begins anew: {sentence}")
                await asyncio.to_thread(self._journal.forget, begun)
                begun = await asyncio.to_thread(self._fresh, file, picture)
                begin(begun.entry)
                receipt = await attempts.persist(
                    partial(self._attempt, file, begun, attempts)
                )
        await asyncio.to_thread(self._memory.finish, begun.entry, receipt.sha256)
        await asyncio.to_thread(self._journal.forget, begun)
        return begun.entry, receipt

    def _lock_of(self, path: Path) -> Path:
        key = hashlib.sha256(os.fsencode(path.expanduser().resolve())).hexdigest()
        return self._profile.directory / f"upload-{key[:16]}.lock"

    async def _attempt(
        self, file: LocalFile, begun: Begun, attempts: Attempts
    ) -> Receipt:
        noted = _Noted(self._journal, begun, attempts.progress)
        try:
            async with self._connections.smtp() as smtp:
                return await upload_attempt.upload(
                    smtp, self._profile.address, file, begun, noted
                )
        finally:
            await noted.settle()

    async def abandon(self, path: Path) -> None:
        """Give up the upload of a file that is gone, if one was cut."""
        entry = await asyncio.to_thread(self._memory.by_path, path)
        if entry is not None:
            account = str(self._profile.address)
            old = await asyncio.to_thread(
                self._journal.find, entry, entry.shape, account
            )
            if old is not None:
                await self._give_up(old)

    async def _drop_another(self, file: LocalFile) -> None:
        """Give up the upload of what was in the file before it changed, if any."""
        entry = await asyncio.to_thread(self._memory.by_path, file.path)
        if entry is not None and entry.shape != file.shape:
            await self.abandon(file.path)

    async def _give_up(self, begun: Begun) -> None:
        """Forget an upload here and there: it was shown, and will never be whole.

        Should the server not hear of it, it finds out by itself in some days.
        """

        async def say() -> None:
            async with self._connections.smtp() as smtp:
                await upload_attempt.give_up(smtp, self._profile.address, begun)

        with suppress(errors.TerminalError):
            await Attempts(lambda done, total: None).persist(say)
        await asyncio.to_thread(self._journal.forget, begun)

    def _begun(self, file: LocalFile, picture: bool) -> Begun:
        """Return the upload of exactly this file that was cut, or begin one."""
        entry = self._memory.by_path(file.path)
        found = self._journal.find(entry, file.shape, str(self._profile.address))
        return found or self._fresh(file, picture)

    def _fresh(self, file: LocalFile, picture: bool) -> Begun:
        entry = self._memory.begin(file.path, file.shape)
        begun = upload_attempt.begin(
            self._profile.address,
            file,
            entry,
            self._memory.terminal(),
            picture=picture,
        )
        self._journal.keep(begun, str(self._profile.address))
        return begun


class _Noted:
    """Shows progress once it stands in the journal: no later run ever shows less."""

    def __init__(self, journal: Journal, begun: Begun, progress: Progress) -> None:
        self._journal = journal
        self._begun = begun
        self._progress = progress
        self._latest: tuple[int, int] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    def __call__(self, done: int, total: int) -> None:
        self._latest = (max(done, self._begun.acknowledged), total)
        if self._noting is None or self._noting.done():
            self._noting = asyncio.ensure_future(self._note())

    async def _note(self) -> None:
        while self._latest is not None:
            (done, total), self._latest = self._latest, None
            if done > self._begun.acknowledged:
                with suppress(errors.TerminalError):  # worth no upload
                    await in_thread(self._journal.acknowledge, self._begun, done)
                self._begun.acknowledged = done
            self._progress(done, total)
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTE_EVERY):
                    await self._over.wait()

    async def settle(self) -> None:
        """Show the last of it."""
        self._over.set()
        if self._noting is not None:
            await self._noting


def _locked(lock: Path) -> int | None:
    """Return the descriptor of a lock that is ours now; None while others have it."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(lock.stat(), os.fstat(handle)):
                return handle
        except (BlockingIOError, FileNotFoundError):
            pass  # held, or its owner has just ended and removed it
        os.close(handle)
    except OSError as error:
        raise errors.LocalInputOutputError(
            f"{lock} cannot be used: {(error.strerror or str(error)).lower()}"
        ) from error
    return None
