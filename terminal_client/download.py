# SPDX-License-Identifier: GPL-3.0-only
"""Fetching an item's content: in slices, over one connection, in flat memory.

``UID FETCH n BINARY.PEEK[section]<offset.count>`` (RFC 3516) gives raw octets.  While a
slice is written and hashed in a thread, the next ones are already on their way.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import stat
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from terminal_client import errors, naming
from terminal_client.library import Item
from terminal_client.session_imap import IDLE_TIMEOUT, MailboxConnection
from terminal_client.submission import Progress

SLICE = 4 << 20
"""Octets asked for at a time."""
WRITE = 1 << 20
"""Octets written at a time: 4 MiB cost ten times the CPU of as many octets in pieces of
1 MiB (ext4, Linux 6.18: the page cache then takes huge pages)."""
AHEAD = 3
"""Slices asked for before the first of them has come: hides the round trip."""


@dataclass(slots=True)
class _Slice:
    """One range that was asked for; ``filled`` octets of ``buffer`` have come."""

    offset: int
    room: memoryview
    buffer: memoryview
    """The beginning of ``room``, all of it but for the last slice."""
    fetching: asyncio.Task[int]


async def content(
    connection: MailboxConnection, item: Item, sink: BinaryIO, progress: Progress
) -> str:
    """Write an item's content to ``sink``; return its SHA-256 in hex.

    The Library must be open.  ``sink`` is written in a thread, in order.
    """
    digest = hashlib.sha256()
    slices: deque[_Slice] = deque()
    spare: list[memoryview] = []
    asked = done = 0
    progress(0, item.size)
    try:
        while done < item.size:
            while asked < item.size and len(slices) < AHEAD:
                room = (
                    spare.pop()
                    if spare
                    else memoryview(bytearray(min(SLICE, item.size)))
                )
                slices.append(_ask(connection, item, asked, room))
                asked += len(slices[-1].buffer)
            current = slices.popleft()
            if await current.fetching != len(current.buffer):
                raise errors.ProtocolError(
                    f"the server's copy of {naming.shown(item.name)} ends at octet "
                    f"{current.offset + current.fetching.result()} of {item.size}"
                )
            await asyncio.to_thread(_keep, current, sink, digest)
            done += len(current.buffer)
            spare.append(current.room)
            progress(done, item.size)
    finally:
        for unwanted in slices:
            unwanted.fetching.cancel()
        await asyncio.gather(*(s.fetching for s in slices), return_exceptions=True)
    return digest.hexdigest()


def _keep(filled: _Slice, sink: BinaryIO, digest: hashlib._Hash) -> None:
    digest.update(filled.buffer)
    left = filled.buffer
    try:
        while left:  # a file may take less than it is given, before it is full
            left = left[sink.write(left[:WRITE]) :]
    except BrokenPipeError as error:
        raise errors.LocalInputOutputError(
            "nobody reads the output any more"
        ) from error
    except OSError as error:
        raise errors.LocalInputOutputError(
            f"the content cannot be written: {(error.strerror or str(error)).lower()}"
        ) from error
    _begin_to_sync(sink, filled.offset, len(filled.buffer))


def _begin_to_sync(sink: BinaryIO, start: int, count: int) -> None:
    """Set octets on their way to the device, so that the sync at the end is short.

    For Linux the advice means that; elsewhere, and for a pipe, it means nothing.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(sink.fileno(), start, count, os.POSIX_FADV_DONTNEED)


def _ask(
    connection: MailboxConnection, item: Item, offset: int, room: memoryview
) -> _Slice:
    buffer = room[: item.size - offset]
    fetching = asyncio.ensure_future(_fetch(connection, item, offset, buffer))
    return _Slice(offset, room, buffer, fetching)


async def _fetch(
    connection: MailboxConnection, item: Item, offset: int, buffer: memoryview
) -> int:
    """Fill ``buffer`` from ``offset``; return how many octets there were."""
    name = f"BINARY[{item.section}]<{offset}>".encode()
    filled = 0

    def place(before: tuple[bytes, ...], size: int) -> memoryview | None:
        nonlocal filled
        if not before[-1].upper().rstrip().endswith(name) or size > len(buffer):
            return None
        filled = size
        return buffer[:size]

    await connection.run(
        "UID",
        "FETCH",
        str(item.uid),
        f"(BINARY.PEEK[{item.section}]<{offset}.{len(buffer)}>)",
        place=place,
        timeout=IDLE_TIMEOUT,
    )
    return filled


class Destination:
    """A local file that appears whole or not at all: ``.part``, then its name."""

    def __init__(self, wanted: Path, *, replace: bool, exact: bool) -> None:
        self.path = wanted
        """Where the content will be, or is."""
        self._replace = replace
        self._exact = exact
        self._part = wanted.with_name(f"{wanted.name}.part")
        self._file: BinaryIO | None = None

    def open(self, size: int) -> BinaryIO:
        """Return the file to write ``size`` octets to; raise before any octet moves."""
        directory = self.path.parent
        try:
            free = shutil.disk_usage(directory).free
            if free < size:
                raise errors.CannotCreateError(
                    f"{directory} has room for {free:,} octets, {size:,} are needed; "
                    "make room or name another place with -o"
                )
            if self.path.exists() and not self.path.is_file():
                raise errors.CannotCreateError(
                    f"{self.path} is not a regular file; write to it with -o - and >"
                )
            if self._exact and not self._replace and self.path.exists():
                raise errors.CannotCreateError(
                    f"{self.path} exists; use --force to replace it"
                )
            self._file = self._open_part()
        except OSError as error:
            raise self._not_written(error) from error
        return self._file

    def _open_part(self) -> BinaryIO:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(self._part, flags, 0o666), "r+b", buffering=0)
        try:
            _must_be_ours(os.fstat(file.fileno()), self._part)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise errors.CannotCreateError(
                f"another mshare is writing {self._part}"
            ) from None
        except errors.CannotCreateError:
            file.close()
            raise
        file.truncate()
        return file

    def keep(self) -> Path:
        """Sync and give the file its name; return it."""
        assert self._file is not None
        try:
            os.fsync(self._file.fileno())
            if self._replace:
                self._part.replace(self.path)
            else:
                self._link()
            self._file.close()
            _sync_directory(self.path.parent)
        except OSError as error:
            raise self._not_written(error) from error
        return self.path

    def _not_written(self, error: OSError) -> errors.CannotCreateError:
        reason = (error.strerror or str(error)).lower()
        return errors.CannotCreateError(f"{self.path} cannot be written: {reason}")

    def _link(self) -> None:
        """Take a name that nobody has: a link fails where a rename would replace."""
        while True:
            try:
                os.link(self._part, self.path)
            except FileExistsError:
                if self._exact:
                    raise
                self.path = naming.free_place(self.path.parent, self.path.name)
                continue
            except OSError:  # a file system without links
                self.path = naming.free_place(self.path.parent, self.path.name)
                self._part.replace(self.path)
                return
            self._part.unlink()
            return

    def discard(self) -> None:
        """Leave nothing half done; does nothing after `keep`."""
        if self._file is not None and not self._file.closed:
            self._part.unlink(missing_ok=True)
            self._file.close()


def _must_be_ours(found: os.stat_result, part: Path) -> None:
    """Refuse what somebody has put there, to read what we write (CWE-379)."""
    plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    if not plain or found.st_uid != os.geteuid():
        raise errors.CannotCreateError(
            f"{part} is there already and not ours; remove it, or name another place"
        )


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def destination(name: str, wanted: Path | None, *, replace: bool) -> Destination:
    """Decide where an item called ``name`` (foreign) goes.

    ``wanted`` is a directory, a file, or None for the current directory.  Only a file
    that was named exactly is never given another name.
    """
    if wanted is not None and not wanted.is_dir() and not str(wanted).endswith("/"):
        return Destination(wanted.absolute(), replace=replace, exact=True)
    directory = (wanted or Path()).absolute()
    place = directory / naming.safe_name(name)
    if not replace:
        place = naming.free_place(directory, place.name)
    return Destination(place, replace=replace, exact=False)
