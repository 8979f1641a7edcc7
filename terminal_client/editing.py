# SPDX-License-Identifier: GPL-3.0-only
"""Editing an item (seed 220): fetch it, let a program change it, send what has changed.

Nothing is fetched that is here already: the file of an own upload that nobody has
touched, or the copy that an earlier edit has kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from terminal_client import destination, errors, reading, workbench
from terminal_client.attempts import Progress
from terminal_client.connections import Connections
from terminal_client.hashing import in_thread
from terminal_client.library import Item
from terminal_client.memory import Memory
from terminal_client.naming import shown
from terminal_client.profile import Profile
from terminal_client.receiving import Receiving
from terminal_client.replacing import Replaced, Replacing, must_know_how
from terminal_client.workbench import Workbench

Change = Callable[[Path], Awaitable[None]]
"""Changes the file at a path, and returns when that is done."""


class Editing:
    """Edits items of one terminal."""

    def __init__(self, who: Profile, memory: Memory, connections: Connections) -> None:
        self._who = who
        self._memory = memory
        self._connections = connections

    async def edit(
        self, item: Item, change: Change, progress: Progress, *, keep: bool
    ) -> Replaced:
        """Let ``change`` have its way with an item; return what became of it.

        Unchanged, nothing is sent.  What could not be sent stays where the error says.
        """
        must_be_whole(item)
        async with self._connections.imap() as imap:
            must_know_how(imap)  # before anybody works for nothing
        with Workbench.opened(self._who.directory, item) as bench:
            await in_thread(bench.must_be_of_now)
            if not (bench.has_base and await _has_digest(bench.base, item.sha256)):
                await self._fetch(item, bench.base, progress)
            tell = getattr(progress, "tell", None)
            if await in_thread(bench.begin) and tell is not None:
                tell("going on with what an earlier run has left")
            await self._connections.close()  # who edits may take all day
            try:
                await change(bench.file)
                done = await self._send(item, bench, progress)
            except errors.TerminalError as error:
                if bench.file.is_file() and not await _is_untouched(item, bench):
                    raise _kept(error, bench, item) from error
                await in_thread(bench.end, keep=keep, digest=None)
                raise
            await in_thread(bench.end, keep=keep, digest=done.item.sha256)
        return done

    async def _send(self, item: Item, bench: Workbench, progress: Progress) -> Replaced:
        if not bench.file.is_file():
            raise errors.NoInputError(
                f"the program has removed {bench.file}, so nothing was sent: "
                f"{shown(item.name)} is as it was"
            )
        replacing = Replacing(self._connections, self._who, item, progress)
        return await replacing.by(bench.file, bench.base)

    async def _fetch(self, item: Item, base: Path, progress: Progress) -> None:
        """Bring what the item is now to ``base``."""
        here = await asyncio.to_thread(self._own_file, item)
        if here is not None and await in_thread(_has_size, here, item.size):
            await in_thread(workbench.copy, here, base)
            if await _has_digest(base, item.sha256):
                return
        place = destination.destination(item, base, self._who.address, replace=True)
        receiving = Receiving(self._connections, self._memory, item, progress)
        await receiving.into_file(place)

    def _own_file(self, item: Item) -> Path | None:
        """Return the file that was uploaded from here, as Table 1 knows it."""
        if item.code is None:
            return None
        for entry in self._memory.everything():
            if (entry.code, entry.number) == (item.code, item.number):
                return Path(entry.path)
        return None


def must_be_whole(item: Item) -> None:
    """Raise unless an item can be replaced."""
    if item.arriving:
        raise errors.TryLaterError(
            f"{shown(item.name)} is still arriving; it can be edited when all of it is "
            "there: `mshare ls` tells"
        )
    if item.sha256 is None:
        raise errors.UnavailableError(
            f"the server has no digest of {shown(item.name)}, so nothing could tell "
            "what has changed; use `mshare get` and `mshare upload`"
        )


async def must_be_base(path: Path, item: Item) -> None:
    """Raise unless a file holds what an item is now."""
    digest, _ = await reading.digest_of(path)
    if digest != item.sha256:
        raise errors.ContentError(
            f"{path} is not what {shown(item.name)} is on the server now "
            f"(version {item.version})"
        )


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


async def _has_digest(path: Path, digest: str | None) -> bool:
    try:
        return (await reading.digest_of(path))[0] == digest
    except errors.TerminalError:
        return False


async def _is_untouched(item: Item, bench: Workbench) -> bool:
    return await _has_digest(bench.file, item.sha256)


def _kept(
    error: errors.TerminalError, bench: Workbench, item: Item
) -> errors.TerminalError:
    """Return the same error, which also says where the edited file is."""
    how = f"`mshare edit {item.id}` goes on with it"
    if isinstance(error, errors.ReplacedError):
        how = f"`mshare put` can make it the newest version of {item.id}"
    return type(error)(f"{error}; what you have edited is kept in {bench.file}; {how}")
