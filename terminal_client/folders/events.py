# SPDX-License-Identifier: GPL-3.0-only
"""What happens in folders, told by the system (watchfiles).

Each folder is watched for itself: watched as a tree, a symbolic link would lead the
library out of it.  The library does not tell that events were lost; so many at once are
taken for a loss, and everything is looked at now and then anyway.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from threading import Event

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from terminal_client.folders import walk
from terminal_client.hashing import in_thread

MANY = 4096
"""Changes told at once that may be less than there were: the system keeps 16,384."""
STEP = 500
"""Milliseconds between two looks of the library at what it was told; each wakes the
processor."""
GATHER = 2 * STEP
"""Milliseconds in which changes are told together, while there are more of them."""
LOOK_EVERY = 900.0
"""Seconds until everything is looked at again: other computers write in shared folders,
disks come and go, events get lost."""
AGAIN = 60.0
"""The same where the system does not watch folders (any more)."""

Changes = set[Path] | None
"""Paths of files and folders; None: look at everything."""


class FolderEvents:
    """Of some folders and all that is below them."""

    def __init__(
        self,
        roots: Sequence[Path],
        spared: Sequence[Path],
        tell: Callable[[str], None],
        look_every: float = LOOK_EVERY,
    ) -> None:
        self._roots = roots
        self._spared = spared
        self._tell = tell
        self._look_every = look_every
        self._complained = False

    async def changes(self) -> AsyncGenerator[Changes, None]:
        """Yield what has changed; at first, and whenever in doubt, everything.

        It is to be looked at after it was yielded: what happens then is told, too.
        """
        news: Changes = None
        while True:
            folders = await in_thread(walk.folders, self._roots, self._spared)
            try:
                watcher = await in_thread(_watcher, folders)
            except FileNotFoundError:
                await asyncio.sleep(STEP / 1000)  # one of them has just gone
                continue
            except OSError as error:
                self._complain(error)
                yield news
                await asyncio.sleep(AGAIN)
                news = None
                continue
            with watcher:
                yield news
                while (found := await self._told(watcher)) is not None:
                    if await in_thread(_are_files, found, frozenset(folders)):
                        yield found
                    else:
                        break  # other folders have to be watched
            news = found

    async def _told(self, watcher: RustNotify) -> Changes:
        """Wait for news; None when everything has to be looked at."""
        stop = Event()
        every = int(self._look_every * 1000)
        waiting = asyncio.ensure_future(
            in_thread(watcher.watch, GATHER, STEP, every, stop)
        )
        try:
            told = await asyncio.shield(waiting)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([waiting])
            raise
        except WatchfilesRustInternalError:  # a name that is no UTF-8
            await asyncio.sleep(STEP / 1000)
            return None
        if isinstance(told, str) or len(told) >= MANY:
            return None
        return {Path(name) for _, name in told}

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._tell(
                f"the system does not watch these folders ({_why(error)}): they are "
                f"looked through every {AGAIN:g} s"
            )
        self._complained = True


def _watcher(folders: list[Path]) -> RustNotify:
    # One that is no UTF-8 cannot be named there; it is looked through now and then.
    names = list(filter(_is_utf8, map(str, folders)))
    return RustNotify(names, False, False, 0, False, False)


def _is_utf8(name: str) -> bool:
    return os.fsencode(name).decode(errors="replace") == name


def _are_files(paths: set[Path], folders: frozenset[Path]) -> bool:
    """Whether no folder has come, gone or changed."""
    return folders.isdisjoint(paths) and not any(map(_is_folder, paths))


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _why(error: OSError) -> str:
    return str(error).partition(".")[0].partition(" about ")[0].lower()
