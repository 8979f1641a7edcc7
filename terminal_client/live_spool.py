# SPDX-License-Identifier: GPL-3.0-only
"""A pipe that is recorded: spooled to a file, so that no cut can lose what has passed.

The file lies in the profile's directory until the server has acknowledged all of it.
What a killed terminal leaves there can be gone on with like any other file.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import BinaryIO

from terminal_client.errors import LocalInputOutputError
from terminal_client.live_file import LiveFile, Look, Mark
from terminal_client.reading import shape_of

PIECE = 1 << 20
"""Octets read from the pipe at a time."""
QUIET = 2.0
"""Seconds without an octet after which a pipe that is to end soon has ended."""
_NAMES = "live-*.spool"


class Spool(LiveFile):
    """What comes from a pipe, while it comes; nobody else writes it."""

    def __init__(self, path: Path, file: BinaryIO, source: int) -> None:
        super().__init__(path, file)
        self._source = source
        self._ended = False
        self._failure: OSError | None = None
        self._ends_soon = False
        self._heard = monotonic()
        self._begun = False

    @classmethod
    def make(cls, directory: Path, source: int) -> Spool:
        """Make one of the descriptor ``source``, still empty; waits for the disk."""
        path = directory / _NAMES.replace("*", secrets.token_hex(8))
        try:
            descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # as long as we live
        except OSError as error:
            raise LocalInputOutputError(
                f"{path} cannot be written: {(error.strerror or str(error)).lower()}"
            ) from error
        return cls(path, open(descriptor, "r+b", buffering=0), source)  # noqa: PTH123 # a descriptor, closed by who uses us

    def begin(self) -> None:
        """Begin to record: a kill from here on leaves octets that need a name."""
        self._begun = True
        threading.Thread(target=self._record, daemon=True).start()

    def _record(self) -> None:
        """Copy until the pipe ends; in a thread of its own, which nobody waits for."""
        try:
            while piece := os.read(self._source, PIECE):
                left = memoryview(piece)
                while left:
                    left = left[self._file.write(left) :]
                self._heard = monotonic()
        except (OSError, ValueError) as error:
            self._failure = error if isinstance(error, OSError) else None
        self._ended = True

    def end_soon(self) -> None:
        """Take it for ended once nothing has come for `QUIET` seconds."""
        self._heard = monotonic()
        self._ends_soon = True

    def look(self) -> Look:
        """Look how much there is; it is closed when the pipe has ended."""
        quiet = self._ends_soon and monotonic() - self._heard >= QUIET
        closed = self._ended or quiet
        if self._failure is not None:
            raise LocalInputOutputError(
                f"the recording stopped: {self._failure.strerror}; what there is "
                f"of it is in {self.path}"
            ) from self._failure
        return Look(shape_of(os.fstat(self._file.fileno())), closed)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ended or not self._begun:  # else our thread still writes
            self._file.close()

    async def check(self, end: int, before: Mark | None) -> None:
        """Believe it: nobody else has written it."""


@contextmanager
def abandoned(directory: Path) -> Iterator[list[Path]]:
    """Give the spools that killed terminals have left; they are ours meanwhile."""
    held: dict[Path, int] = {}
    try:
        for path in sorted(directory.glob(_NAMES)):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                held[path] = descriptor
        yield list(held)
    finally:
        for descriptor in held.values():
            os.close(descriptor)
