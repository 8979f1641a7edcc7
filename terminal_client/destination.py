# SPDX-License-Identifier: GPL-3.0-only
"""Where a download goes: a ``.part`` that grows, then, whole and verified, its name.

The part is called ``<name>.<key>.part``.  The key stands for account, item and size, so
that a later run finds what an earlier one left, however that one ended, and no other
item ever takes it; nothing else has to be remembered.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from maild.mail.address import Address
from terminal_client import errors, naming
from terminal_client.download import Arrival
from terminal_client.hashing import GrowingHash
from terminal_client.library import Item

KEY = 12
"""Characters of the key in a part's name: 48 bits."""


class Destination:
    """A local file that appears whole or not at all: a part, then its name."""

    def __init__(self, wanted: Path, part: Path, *, replace: bool, exact: bool) -> None:
        self.path = wanted
        """Where the content will be, or is."""
        self._replace = replace
        self._exact = exact
        self._part = part
        self._file: BinaryIO | None = None
        self.found = 0
        """Octets that an earlier run has left, after `open`."""

    def open(self, size: int, *, go_on: bool = True) -> Arrival:
        """Return where ``size`` octets go; raise before any octet moves.

        ``go_on``: what an earlier run has left counts as arrived.
        """
        try:
            if self.path.exists() and not self.path.is_file():
                raise errors.CannotCreateError(
                    f"{self.path} is not a regular file; write to it with -o - and >"
                )
            if self._exact and not self._replace and self.path.exists():
                raise errors.CannotCreateError(
                    f"{self.path} exists; use --force to replace it"
                )
            self._file = self._open_part()
            self.found = os.fstat(self._file.fileno()).st_size
            if not go_on or self.found > size:
                self.found = 0
            self._must_have_room(size - self.found)
        except OSError as error:
            raise self._not_written(error) from error
        except errors.TerminalError:
            self.close()
            raise
        return self._arrival()

    def begin_anew(self) -> Arrival:
        """Forget what was there."""
        self.found = 0
        return self._arrival()

    def _arrival(self) -> Arrival:
        file = self._file
        assert file is not None
        file.truncate(self.found)
        file.seek(self.found)
        return Arrival(
            file, self.found, GrowingHash(lambda at, n: os.pread(file.fileno(), n, at))
        )

    def _must_have_room(self, octets: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < octets:
            raise errors.CannotCreateError(
                f"{self.path.parent} has room for {free:,} octets, {octets:,} are "
                "needed; make room or name another place with -o"
            )

    def _open_part(self) -> BinaryIO:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            file = os.fdopen(os.open(self._part, flags, 0o666), "r+b", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_still(file):
                    _must_be_ours(os.fstat(file.fileno()), self._part)
                    return file
            except BlockingIOError:
                file.close()
                raise errors.CannotCreateError(
                    f"another mshare is writing {self._part}"
                ) from None
            except errors.CannotCreateError:
                file.close()
                raise
            file.close()

    def _is_still(self, file: BinaryIO) -> bool:
        """Say whether the part is the file that was locked: its owner may have ended.

        What he had kept under its name would be written by us otherwise.
        """
        try:
            named = self._part.lstat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(file.fileno()))

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

    def close(self) -> None:
        """Leave what has arrived to the next run; does nothing after `keep`."""
        if self._file is not None and not self._file.closed:
            if not os.fstat(self._file.fileno()).st_size:
                self._part.unlink(missing_ok=True)
            self._file.close()

    def discard(self) -> None:
        """Leave nothing; does nothing after `keep`."""
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


def destination(
    item: Item, wanted: Path | None, account: Address, *, replace: bool
) -> Destination:
    """Decide where an item, whose name is foreign, goes.

    ``wanted`` is a directory, a file, or None for the current directory.  Only a file
    that was named exactly is never given another name.
    """
    key = _key(item, account)
    if wanted is not None and not wanted.is_dir() and not str(wanted).endswith("/"):
        place = wanted.absolute()
        part = place.with_name(f"{place.name}.{key}.part")
        return Destination(place, part, replace=replace, exact=True)
    directory = (wanted or Path()).absolute()
    place = directory / naming.safe_name(item.name)
    part = place.with_name(f"{place.name}.{key}.part")
    if not replace:
        place = naming.free_place(directory, place.name)
    return Destination(place, part, replace=replace, exact=False)


def _key(item: Item, account: Address) -> str:
    """Return what tells one item's part from any other's."""
    told = f"{account}\0{item.id}\0{item.size}"
    return hashlib.sha256(told.encode(errors="replace")).hexdigest()[:KEY]
