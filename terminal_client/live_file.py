# SPDX-License-Identifier: GPL-3.0-only
"""A file that somebody else is still writing: how long it is, and whether it is closed.

Octets that were read once must not change: whoever uploads learns it before the last
octet has left if they did, so that nothing is acknowledged that is not the file.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import BinaryIO

from terminal_client.errors import ContentError, LocalInputOutputError, NoInputError
from terminal_client.hashing import GrowingHash
from terminal_client.matching import Shape
from terminal_client.reading import open_file, shape_of

IDLE = 60.0
"""Seconds without growth after which a file counts as closed where no lease tells."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a file is now."""

    shape: Shape
    closed: bool
    """Whether nobody writes it any more."""

    @property
    def size(self) -> int:
        """Octets."""
        return self.shape.size


@dataclass(frozen=True, slots=True)
class Mark:
    """A beginning of a file that was read before, and what it was then."""

    octets: int
    sha256: str


class LiveFile:
    """One that is open for reading.  Its methods touch the disk: call them in a thread.

    It counts as closed when no process has it open for writing; with ``idle``, and
    where the file system cannot tell, when it has not grown for so many seconds.
    """

    def __init__(
        self,
        path: Path,
        file: BinaryIO,
        idle: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.path = path
        """Absolute, symbolic links resolved: unique in this terminal."""
        self.hash = GrowingHash(self._pread)
        """Of the octets as they were read first."""
        self.digest = ""
        """SHA-256 of all of it in hex; set by who has read all of it."""
        self.idle = idle
        self._file = file
        self._clock = clock
        self._given = 0
        self._grew = clock()
        self._size = -1

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode: what a name stood for when it was opened."""
        found = os.fstat(self._file.fileno())
        return found.st_dev, found.st_ino

    def look(self) -> Look:
        """Return how it is now; raise unless it is the same file."""
        closed = self._is_closed()
        found = os.fstat(self._file.fileno())  # behind: nothing is written after that
        self._is_named(found)
        if found.st_size < self._given:
            raise self._shorter()
        if found.st_size != self._size:
            self._size, self._grew = found.st_size, self._clock()
            closed = closed and self.idle is None
        return Look(shape_of(found), closed)

    def read(self, at: int, count: int) -> bytes:
        """Return octets that are there; they are never asked for a second time."""
        piece = self._pread(at, count)
        if not piece:
            raise self._shorter()
        self._given = max(self._given, at + len(piece))
        self.hash.add(at, piece)
        return piece

    async def check(self, end: int, before: Mark | None) -> None:
        """Raise `ContentError` unless the first ``end`` octets are still what was read.

        ``before`` is what an earlier run has read of it.  All of it is read again.
        """
        again = GrowingHash(self._pread)
        for mark in [] if before is None or before.octets > end else [before]:
            if await again.finish(mark.octets) != mark.sha256:
                raise self._rewritten()
        if await again.finish(end) != await self.hash.finish(end):
            raise self._rewritten()

    def _pread(self, at: int, count: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), count, at)
        except OSError as error:
            raise LocalInputOutputError(
                f"{self.path} cannot be read: {error.strerror}; run the command again"
            ) from error

    def _is_closed(self) -> bool:
        if self.idle is None:
            try:
                return nobody_writes(self._file.fileno())
            except OSError:
                self.idle = IDLE
        return self._clock() - self._grew >= self.idle

    def _is_named(self, now: os.stat_result) -> None:
        """Raise unless the name still stands for it."""
        try:
            named = self.path.stat()
        except FileNotFoundError:
            raise NoInputError(
                f"{self.path} vanished while it was recorded; nothing was uploaded"
            ) from None
        if (now.st_ino, now.st_dev) != (named.st_ino, named.st_dev):
            raise ContentError(
                f"{self.path} was replaced while it was recorded; "
                "nothing was uploaded, run the command again"
            )

    def _shorter(self) -> ContentError:
        return ContentError(
            f"{self.path} became shorter while it was recorded; nothing was uploaded, "
            "run the command again"
        )

    def _rewritten(self) -> ContentError:
        return ContentError(
            f"{self.path} was rewritten where it had been read already; nothing was "
            "uploaded, send it again without --live"
        )

    def __enter__(self) -> LiveFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def open_live(path: Path, idle: float | None = None) -> LiveFile:
    """Open a regular file that may still grow; raise `NoInputError` saying why not."""
    plain = open_file(path)
    return LiveFile(plain.path, plain.detach(), idle)


def nobody_writes(descriptor: int) -> bool:
    """Whether no process has the file open for writing (Linux: a lease is granted).

    Raises `OSError` when the file system, or its owner, does not say.
    """
    try:
        # Whoever opens it in between must not end us: SIGIO would, SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    except AttributeError as error:  # no Linux
        raise OSError("no leases here") from error
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True
