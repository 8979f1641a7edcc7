# SPDX-License-Identifier: Apache-2.0
"""The connections by which the index is read: few, lent to whatever thread reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from maild.store.index_file import connect

AT_ONCE = 4
"""Connections: each keeps a schema and pages of its own, about a MiB, and hundreds of
threads read now and then, a moment each."""
CACHE = 512
"""KiB of pages that one keeps (SQLite: 2,000); the kernel has them anyway."""


class ReadingConnections:
    """Of one index; may be used in any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._idle: list[apsw.Connection] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[apsw.Connection]:
        """Lend one to the calling thread, that which was used last; may wait."""
        with self._turns:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = _open(self._path)
            try:
                yield connection
            finally:
                self._take_back(connection)

    def _take_back(self, connection: apsw.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close them; what is lent, when it comes back."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()


def _open(path: Path) -> apsw.Connection:
    connection = connect(path)
    connection.pragma("query_only", True)
    connection.pragma("cache_size", -CACHE)
    return connection
