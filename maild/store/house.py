# SPDX-License-Identifier: Apache-2.0
"""The store as one thing: index, blobs and changes below one directory."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maild.store.blob_disk import sync_directory
from maild.store.blobs import Blobs
from maild.store.changes import Changes
from maild.store.errors import StoreError
from maild.store.index import Index


def _make(directory: Path) -> None:
    """Make a directory whose name, and those of all above it, outlive a power cut."""
    if not directory.is_dir():
        _make(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        sync_directory(directory.parent)


class Store:
    """What a station is given.  ``clock`` returns Unix seconds."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self.clock = clock
        self.changes = Changes()
        self.index = Index(root / "index.sqlite", self.changes)
        self.blobs = Blobs(root, self.index, self.changes, clock)

    def open(self) -> None:
        """Create what is missing, migrate, start the threads."""
        _make(self.root)
        self.index.open()
        try:
            self.blobs.start()
        except BaseException:
            self.index.close()
            raise

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        self.blobs.close()
        self.index.close()

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Do ``what`` in this process only; raise `StoreError` if another one does.

        The lock ends with the process, however that ends.
        """
        with (self.root / f"{what}.lock").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreError(f"another process does {what} here") from error
            yield

    @property
    def broken(self) -> bool:
        """Whether the device refused a sync: no reply may promise anything; exit.

        Every watch is woken when this becomes true.
        """
        return self.index.broken
