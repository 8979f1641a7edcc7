# SPDX-License-Identifier: GPL-3.0-only
"""Going through folders, a few files at a time; symbolic links are never followed.

What it holds does not grow with the number of files, only with that of folders that
are still to be read.  It touches the disk: call it in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from terminal_client.folders.names import is_content
from terminal_client.matching import Shape
from terminal_client.reading import shape_of

BATCH = 256
"""Files given at a time."""

Found = tuple[Path, Shape]
"""A file whose name is that of content, and how it was when it was found."""


class Walk:
    """Once through some folders and all that is below them.

    ``spared``: folders that are not looked into.
    """

    def __init__(self, roots: Iterable[Path], spared: Iterable[Path] = ()) -> None:
        self._spared = frozenset(spared)
        self._ahead = [root for root in roots if root not in self._spared]
        self._files = self._all()
        self.unreadable = 0
        """Folders that could not be read."""

    def some(self, most: int = BATCH) -> list[Found]:
        """Return the next files; none once all have been given."""
        found: list[Found] = []
        for each in self._files:
            found.append(each)
            if len(found) == most:
                break
        return found

    def _all(self) -> Iterator[Found]:
        while self._ahead:
            folder = self._ahead.pop()
            try:
                with os.scandir(folder) as entries:
                    yield from self._in(entries)
            except FileNotFoundError:
                pass  # it went away meanwhile
            except OSError:
                self.unreadable += 1

    def _in(self, entries: Iterable[os.DirEntry[str]]) -> Iterator[Found]:
        for entry in entries:
            if not is_content(entry.name):
                continue
            with suppress(OSError):  # it went away meanwhile
                if entry.is_dir(follow_symlinks=False):
                    if (path := Path(entry.path)) not in self._spared:
                        self._ahead.append(path)
                elif entry.is_file(follow_symlinks=False):
                    yield Path(entry.path), shape_of(entry.stat(follow_symlinks=False))


def folders(roots: Iterable[Path], spared: Iterable[Path] = ()) -> list[Path]:
    """Return the folders, with all folders below them, whose files are content."""
    skip = frozenset(spared)
    found: list[Path] = []
    ahead = [root for root in roots if root not in skip]
    while ahead:
        folder = ahead.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            found.append(folder)
            ahead += (
                path
                for entry in entries
                if is_content(entry.name)
                and entry.is_dir(follow_symlinks=False)
                and (path := Path(entry.path)) not in skip
            )
    return found
