# SPDX-License-Identifier: GPL-3.0-only
"""Which file of the watched folders is to be looked at next.

What happened is looked at first, then what going through the folders finds.  Bounded:
what there is no room to remember is found again by going through them once more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from terminal_client.errors import TerminalError
from terminal_client.folders.agenda import Agenda, Waiting
from terminal_client.folders.names import is_content
from terminal_client.folders.restless import Restless
from terminal_client.folders.walk import Found, Walk
from terminal_client.hashing import in_thread

CROWDED = 30.0
"""Seconds until everything is looked at because there was no room for more."""
FOLDERS = 1000
"""Folders to go through that are remembered one by one."""

Unknown = Callable[[Sequence[Found]], list[Path]]
"""Gives those of some files that were not uploaded as they are."""


class Finder:
    """Of some folders; ``spared`` are left out."""

    def __init__(
        self,
        roots: Sequence[Path],
        spared: Sequence[Path],
        unknown: Unknown,
        clock: Callable[[], float],
        agenda: Agenda | None = None,
    ) -> None:
        self._roots = roots
        self._spared = spared
        self._unknown = unknown
        self._clock = clock
        self.agenda = agenda or Agenda()
        self.restless = Restless()
        self._look_at: float | None = None
        """When everything is to be looked at."""
        self._folders: set[Path] = set()
        """Those that are to be gone through."""
        self._walk: Walk | None = None
        self._found: deque[Path] = deque()
        self._news = asyncio.Event()
        self.unreadable = 0
        """Folders that could not be read when they were gone through last."""
        self._has_looked = False
        self._disks: dict[Path, tuple[int, int]] = {}
        """What the folders were when they were gone through first."""

    def take(self, changes: set[Path] | None) -> None:
        """Note what has changed; None: look at everything."""
        now = self._clock()
        if changes is None:
            self.look_at(now)
        for path in changes or ():
            if self._is_ours(path):
                self.touched(path)
        self._news.set()

    def touched(self, path: Path, quiet: float | None = None) -> None:
        """Look at a file once it has been quiet for a while (seconds)."""
        now = self._clock()
        if quiet is None:
            quiet = self.restless.quiet(path, now)
        if not self.agenda.touched(path, now, quiet):
            self.look_at(now + CROWDED)

    @property
    def has_more(self) -> bool:
        """Whether anything is left of what was there at first."""
        return not self._has_looked or len(self.agenda) > 0

    def look_at(self, when: float) -> None:
        """Look at everything then, if not before."""
        if self._look_at is None or when < self._look_at:
            self._look_at = when

    def folder(self, path: Path) -> None:
        """Go through one folder, because it is new."""
        if len(self._folders) < FOLDERS:
            self._folders.add(path)
        else:
            self.look_at(self._clock())

    def later(self, path: Path, known: Waiting, due: float) -> None:
        """Try a file again at ``due``."""
        if not self.agenda.again(path, known, due):
            self.look_at(due)

    def is_here(self, path: Path) -> bool:
        """Whether the folder it is, or was, in is still the one that was watched.

        A disk that was taken out takes no file away.
        """
        return any(
            path.is_relative_to(root) and _identity(root) == disk
            for root, disk in self._disks.items()
        )

    def _note_disks(self) -> None:
        for root in self._roots:
            found = _identity(root)
            if found is not None:
                self._disks.setdefault(root, found)

    async def next(self) -> tuple[Path, Waiting] | None:
        """Return the next file to look at; None when there is none now."""
        while True:
            now = self._clock()
            due = self.agenda.next(now)
            if due is not None:
                return due
            if self._found:
                return self._found.popleft(), Waiting(now, now)
            if not await self._some(now):
                return None

    async def _some(self, now: float) -> bool:
        """Find some more; False when there is nothing to go through."""
        if self._walk is None:
            if self._look_at is not None and self._look_at <= now:
                self._look_at, roots = None, self._roots
                self._folders.clear()
                await in_thread(self._note_disks)
            elif self._folders:
                roots = [self._folders.pop()]
            else:
                return False
            self._walk = Walk(roots, self._spared)
        try:
            found, unknown = await in_thread(self._batch, self._walk)
        except TerminalError:
            self._walk = None
            self.look_at(now + CROWDED)
            raise
        if not found:
            self.unreadable, self._walk = self._walk.unreadable, None
            self._has_looked = True
        self._found.extend(unknown)
        return True

    def _batch(self, walk: Walk) -> tuple[bool, list[Path]]:
        found = walk.some()
        return bool(found), self._unknown(found) if found else []

    async def wait(self) -> None:
        """Wait until there may be something to look at."""
        now = self._clock()
        waits = [self.agenda.wait(now)]
        if self._look_at is not None:
            waits.append(max(0.0, self._look_at - now))
        known = [wait for wait in waits if wait is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(min(known) if known else None):
                await self._news.wait()
        self._news.clear()

    def _is_ours(self, path: Path) -> bool:
        """Whether it is in a watched folder, and not hidden there."""
        if any(path.is_relative_to(spared) for spared in self._spared):
            return False
        return any(
            path.is_relative_to(root)
            and all(map(is_content, path.relative_to(root).parts))
            for root in self._roots
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
