# SPDX-License-Identifier: GPL-3.0-only
"""Reading a local file that is being uploaded: ahead, off the loop, and distrustfully.

A file may vanish, shrink or change while it is read; whoever uploads learns it before
the last octet has left, so that nothing torn is ever acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from terminal_client.errors import ContentError, LocalInputOutputError, NoInputError
from terminal_client.hashing import GrowingHash, in_thread
from terminal_client.matching import Shape

PIECE = 1 << 20
"""Octets read and hashed at a time, in a thread."""


_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Neither a link nor a pipe that was put there meanwhile is followed or waited for."""


def shape_of(found: os.stat_result) -> Shape:
    """Return what the upload check compares."""
    return Shape(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class LocalFile:
    """A regular file, open for reading; `digest` is known once `pieces` has ended."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        """Absolute, symbolic links resolved: unique in this terminal."""
        self.shape = shape_of(os.fstat(file.fileno()))
        """As it was when it was opened."""
        self._file = file
        self._hash = GrowingHash(lambda at, n: os.pread(file.fileno(), n, at))
        self.digest = ""
        """SHA-256 of the whole file in hex, once `pieces` has ended."""

    @property
    def file(self) -> BinaryIO:
        """The file itself; where it is read is nobody's business but `pieces`'."""
        return self._file

    async def pieces(self, start: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the content from ``start``; raise `ContentError` if it has changed.

        The next piece is read while the caller is busy with one.  What lies before
        ``start`` is only hashed, unless an earlier call has done so.
        """
        at, size = start, self.shape.size
        async with self._hash.catching_up(start):
            ahead = asyncio.ensure_future(in_thread(self._next, at))
            try:
                while at < size:
                    piece = await ahead
                    at += len(piece)
                    ahead = asyncio.ensure_future(in_thread(self._next, at))
                    if at == size:
                        await ahead  # the last look: nothing changed up to here
                    yield piece
                await ahead
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
            self.digest = await self._hash.finish(size)

    def _next(self, at: int) -> bytes:
        left = self.shape.size - at
        try:
            if not left:
                self._look()
                return b""
            piece = os.pread(self._file.fileno(), min(PIECE, left), at)
        except OSError as error:
            raise LocalInputOutputError(
                f"{self.path} cannot be read: {error.strerror}; nothing was uploaded"
            ) from error
        if not piece:
            raise ContentError(
                f"{self.path} became shorter while it was read; nothing was uploaded, "
                "run the command again"
            )
        self._hash.add(at, piece)
        return piece

    def _look(self) -> None:
        """Compare with the beginning: the open file, and what the name stands for."""
        try:
            named = self.path.stat()
        except FileNotFoundError:
            raise NoInputError(
                f"{self.path} vanished while it was read; nothing was uploaded"
            ) from None
        now = os.fstat(self._file.fileno())
        if shape_of(now) != self.shape or (now.st_ino, now.st_dev) != (
            named.st_ino,
            named.st_dev,
        ):
            raise ContentError(
                f"{self.path} changed while it was read; nothing was uploaded, "
                "run the command again"
            )

    def detach(self) -> BinaryIO:
        """Return the open file; whoever has it closes it."""
        return self._file

    def __enter__(self) -> LocalFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def open_file(path: Path) -> LocalFile:
    """Open a regular file for reading; raise `NoInputError` saying why not."""
    try:
        absolute = path.expanduser().resolve(strict=True)
        kind = absolute.stat().st_mode
        if stat.S_ISDIR(kind):
            raise NoInputError(f"{path} is a directory; send an archive of it instead")
        if not stat.S_ISREG(kind):
            raise NoInputError(f"{path} is not a regular file")
        file = os.fdopen(os.open(absolute, _FLAGS), "rb", buffering=0)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise NoInputError(f"{path} is not a regular file")
        return LocalFile(absolute, file)
    except FileNotFoundError:
        raise NoInputError(f"there is no file {path}") from None
    except (OSError, RuntimeError) as error:
        raise NoInputError(f"{path} cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


async def digest_of(path: Path) -> tuple[str, Shape]:
    """Read a file and return its SHA-256 (hex) and its shape at the beginning."""
    with await asyncio.to_thread(open_file, path) as file:
        async with aclosing(file.pieces()) as pieces:
            async for _ in pieces:
                pass
        return file.digest, file.shape
