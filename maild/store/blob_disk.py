# SPDX-License-Identifier: Apache-2.0
"""Where blobs lie below the root, and what makes files and their names durable."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from maild.store.errors import (
    DamagedError,
    InUseError,
    StoreBrokenError,
    StoreError,
    StoreFullError,
)

if TYPE_CHECKING:
    from maild.store.blob_records import Place

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the kernel says when there is no room: device, quota, file size limit."""
SPARE = 64 * 1024 * 1024
"""Octets that no content may fill: those of the index and its journal."""
GLANCES = 100
"""Times that the lock of a growing file is tried."""
GLANCE = 0.02
"""Seconds between two of them."""
_WRITE = 2
"""SYNC_FILE_RANGE_WRITE, see sync_file_range(2)."""


class Disk:
    """The two directories of blobs: ``incoming/<key>`` and ``blobs/ab/cd/<sha256>``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self.sealed = root / "blobs"
        self._durable: set[str] = set()
        """Directories below ``blobs`` whose names this process has synced."""

    def open(self) -> None:
        """Create what is missing."""
        for directory in (self.incoming, self.sealed):
            if not directory.is_dir():
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_directory(directory.parent)

    def growing_path(self, key: str) -> Path:
        """Return where a blob lies while it grows."""
        return self.incoming / key

    def sealed_path(self, sha256: str) -> Path:
        """Return where a sealed blob lies."""
        return self.sealed / sha256[:2] / sha256[2:4] / sha256

    def path(self, place: Place) -> Path:
        """Return where a blob's octets are; look again if they are gone from there."""
        growing = self.growing_path(place.key)
        if place.sha256 is not None and (place.sealed or not growing.exists()):
            return self.sealed_path(place.sha256)
        return growing

    def create(self, key: str) -> int:
        """Make the file of a growing blob and return its descriptor.

        The lock on it says that somebody is writing, in whatever process: `is_written`.
        """
        with typed_errors():
            descriptor = os.open(
                self.growing_path(key),
                os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                0o600,
            )
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return descriptor

    def reopen(self, key: str, durable: int) -> int:
        """Open the file of a growing blob and drop what is beyond ``durable`` octets.

        Raises `InUseError` while somebody writes it, `DamagedError` when it is shorter.
        """
        flags = os.O_RDWR | os.O_CLOEXEC | (0 if durable else os.O_CREAT)
        try:
            with typed_errors():
                descriptor = os.open(self.growing_path(key), flags, 0o600)
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise DamagedError("the file of a blob is missing") from error
            raise
        try:
            self._claim(descriptor)
            _cut(descriptor, durable)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _claim(self, descriptor: int) -> None:
        """Become the one who writes; a mere look at the lock is over in a moment."""
        for _ in range(GLANCES):
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            sleep(GLANCE)
        raise InUseError("somebody else writes this blob")

    def is_written(self, key: str) -> bool:
        """Whether a writer has the file of a growing blob open."""
        try:
            descriptor = os.open(self.growing_path(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def place(self, key: str, sha256: str) -> None:
        """Give a synced file its final name and make the name durable.

        A file of that name holds the same octets and is replaced.
        """
        target = self.sealed_path(sha256)
        with typed_errors():
            for parent in (target.parent.parent, target.parent):
                self._make_durable(parent)
            self.growing_path(key).replace(target)
        # Without this, power cuts lost acknowledged files: 3 of 3,014.
        sync_directory(target.parent)

    def place_again(self, place: Place) -> Path:
        """Do what `place` was called for when its process ended; return the name.

        Raises `InUseError` when it has not ended, `DamagedError` without a whole file.
        """
        assert place.sha256 is not None
        try:
            descriptor = os.open(self.path(place), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise DamagedError("the file of a blob is missing") from error
        try:
            self._claim(descriptor)
            if os.fstat(descriptor).st_size != place.durable:
                raise DamagedError("the file of a blob has another length")
            if self.growing_path(place.key).exists():
                self.place(place.key, place.sha256)
            else:
                sync_directory(self.sealed_path(place.sha256).parent)
        finally:
            os.close(descriptor)
        return self.sealed_path(place.sha256)

    def _make_durable(self, directory: Path) -> None:
        """Make a directory whose name is durable, also when another one made it."""
        name = str(directory.relative_to(self.sealed))
        if name not in self._durable:
            directory.mkdir(mode=0o700, exist_ok=True)
            sync_directory(directory.parent)
            self._durable.add(name)

    def discard(self, key: str) -> None:
        """Remove the file of a growing blob, if there is one."""
        self.growing_path(key).unlink(missing_ok=True)

    def free(self) -> int:
        """Return the octets that can still be written here."""
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize

    def spare(self) -> int:
        """Return the octets that are left to the index: of a small device, less."""
        found = os.statvfs(self.root)
        return min(SPARE, found.f_blocks * found.f_frsize // 16)


def _cut(descriptor: int, length: int) -> None:
    if os.fstat(descriptor).st_size < length:
        raise DamagedError("the file of a blob is too short")
    with typed_errors():
        os.ftruncate(descriptor, length)


def write_at(descriptor: int, octets: memoryview, offset: int) -> None:
    """Write all of ``octets``; raise `StoreFullError` when there is no room."""
    with typed_errors():
        while octets:
            count = os.pwrite(descriptor, octets, offset)
            octets = octets[count:]
            offset += count


def sync(descriptor: int, *, data_only: bool = False) -> None:
    """Sync a file; a failure means that nothing is known about it any more.

    Without room (delayed allocation, quota) only this file is lost; anything else is
    `StoreBrokenError`: a second sync would lie (the kernel has dropped the pages).
    """
    try:
        (os.fdatasync if data_only else os.fsync)(descriptor)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StoreFullError("there is no room on the device") from error
        raise StoreBrokenError("the device refused a sync") from error


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    with typed_errors():
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn an `OSError` into the store's own errors."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StoreFullError("there is no room on the device") from error
        raise StoreError(f"a file of the store failed: {error.strerror}") from error


def start_writeback(descriptor: int, offset: int, length: int) -> None:
    """Ask the kernel to begin writing a range, so that the sync finds little left.

    Only a hint (measured: the last sync of 1 GiB shrinks from 0.58 s to 0.01 s); where
    sync_file_range(2) is missing, nothing happens.
    """
    if _sync_file_range is not None:
        _sync_file_range(descriptor, offset, length, _WRITE)


def _find_sync_file_range() -> ctypes._NamedFuncPointer | None:
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = (
            ctypes.c_int,
            ctypes.c_int64,
            ctypes.c_int64,
            ctypes.c_uint,
        )
        function.restype = ctypes.c_int
    return function


_sync_file_range = _find_sync_file_range()
