# SPDX-License-Identifier: GPL-3.0-only
"""Where an item is edited: a directory of the profile with what it was and is to be.

It goes when the server has the new version.  Killed or refused, what was edited stays,
and the next run finds it; an edit is never overwritten, nor thrown away.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from terminal_client import errors, naming
from terminal_client.library import Item
from terminal_client.naming import shown

STEP = 1 << 30
"""Octets copied at once, by the kernel."""


class Workbench:
    """The directory of one item, locked while somebody is at it."""

    def __init__(self, directory: Path, item: Item) -> None:
        self.base = directory / ".base"
        """What the item is on the server, once `has_base`."""
        self.file = directory / naming.safe_name(item.name)
        """What is edited."""
        self._directory = directory
        self._item = item
        self._of = directory / ".of"

    @classmethod
    @contextmanager
    def opened(cls, profile: Path, item: Item) -> Iterator[Workbench]:
        """Open the one of an item; waits for the disk."""
        key = hashlib.sha256(item.id.encode(errors="replace")).hexdigest()[:16]
        bench = cls(profile / "edits" / key, item)
        try:
            lock = bench._lock()
        except BlockingIOError:
            raise errors.TryLaterError(
                f"another mshare is editing {shown(item.name)}"
            ) from None
        except OSError as error:
            raise _failed(bench._directory, error) from error
        try:
            yield bench
        finally:
            os.close(lock)

    def _lock(self) -> int:
        """Return the lock; a file that its last owner has removed is none."""
        path = self._directory / ".lock"
        while True:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(path.stat(), os.fstat(lock)):
                    return lock
            except FileNotFoundError:
                pass
            except OSError:
                os.close(lock)
                raise
            os.close(lock)

    @property
    def has_base(self) -> bool:
        """Whether what the item is now is here from an earlier run."""
        return self.base.exists() and self._was() == self._item.sha256

    def must_be_of_now(self) -> None:
        """Clear what is not of use any more; raise if that is an edit nobody sent."""
        if self.has_base:
            return
        was = self._was()
        if was and self.file.is_file():
            with self.file.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest not in {was, self._item.sha256}:
                raise errors.ReplacedError(
                    f"an edit of an older version of {shown(self._item.name)} was not "
                    f"sent: look at {self.file}, then send it with `mshare put`, or "
                    "remove it"
                )
        self.file.unlink(missing_ok=True)
        self._of.unlink(missing_ok=True)

    def begin(self) -> bool:
        """Lay out what is to be edited; whether an earlier run has left that."""
        self._write_of()
        if self.file.exists():
            return True
        half = self._directory / ".copy"
        try:
            copy(self.base, half)
            half.replace(self.file)
        except OSError as error:
            raise _failed(self.file, error) from error
        return False

    def end(self, *, keep: bool, digest: str | None) -> None:
        """Clear everything; ``keep``: all but a copy for the next time."""
        if keep and digest is not None:
            self._of.unlink(missing_ok=True)
            self.file.replace(self.base)
            self._write_of(digest)
        for path in self._directory.iterdir():
            if path == self._directory / ".lock":
                continue
            if keep and path in {self.base, self._of}:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not keep:
            with suppress(OSError):
                (self._directory / ".lock").unlink()
                self._directory.rmdir()

    def _was(self) -> str:
        try:
            return self._of.read_text()
        except OSError:
            return ""

    def _write_of(self, digest: str | None = None) -> None:
        half = self._directory / ".of.new"
        half.write_text(digest or self._item.sha256 or "")
        half.replace(self._of)


def copy(source: Path, target: Path) -> None:
    """Copy a file; where the file system can, both share their octets."""
    with source.open("rb") as old, target.open("wb") as new:
        left = os.fstat(old.fileno()).st_size
        try:
            while left:
                done = os.copy_file_range(old.fileno(), new.fileno(), min(left, STEP))
                if not done:
                    return
                left -= done
        except OSError:  # an old kernel, or two file systems
            old.seek(0)
            new.seek(0)
            new.truncate()
            shutil.copyfileobj(old, new, 1 << 20)


def _failed(path: Path, error: OSError) -> errors.CannotCreateError:
    reason = (error.strerror or str(error)).lower()
    return errors.CannotCreateError(f"{path} cannot be written: {reason}")
