# SPDX-License-Identifier: Apache-2.0
"""The index as SQLite keeps it: opening, migrating, transactions, and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import apsw

from maild.store.errors import (
    StoreBrokenError,
    StoreError,
    StoreFullError,
    TooNewError,
)

CHECKPOINT = 1000
"""Pages in the journal from which on they are moved into the index."""
_NO_ROOM = frozenset({apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_GETTEMPPATH})
"""What SQLite calls an input or output error though only room is missing, or inodes:
its shared memory cannot grow, or a temporary file cannot be made."""


def connect(path: Path) -> apsw.Connection:
    """Open the index so that a commit is on the device when it returns."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(30_000)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", True)
    connection.pragma("wal_autocheckpoint", 0)  # see Journal
    return connection


class Journal:
    """What has been committed and not yet moved into the index.

    SQLite would move it within a commit, which makes whoever waits for that commit
    wait for more, and would tell nobody of a sync that failed.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._pages = 0
        connection.set_wal_hook(self._grown)

    def _grown(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def shorten(self) -> None:
        """Move what it holds when that is much; raise `StoreBrokenError`."""
        if self._pages < CHECKPOINT:
            return
        self._pages = 0
        try:
            self._connection.wal_checkpoint()
        except apsw.IOError as error:
            raise typed(error) from error
        except apsw.Error:
            pass  # no room, or another process is at it: the next commit looks again


@contextmanager
def transaction(connection: apsw.Connection, begin: str) -> Iterator[None]:
    """Do everything inside, or nothing; ``begin`` is BEGIN .. or SAVEPOINT job."""
    savepoint = begin.startswith("SAVEPOINT")
    connection.execute(begin)
    try:
        yield
        connection.execute("RELEASE job" if savepoint else "COMMIT")
    except BaseException:
        if not connection.in_transaction:
            raise  # SQLite has rolled everything back (no room, input or output error)
        if savepoint:
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
        else:
            connection.execute("ROLLBACK")
        raise


def typed(error: BaseException) -> StoreError:
    """Return what an error means to whoever waits for a job."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, apsw.FullError):
        return StoreFullError("the index has no room")
    if isinstance(error, apsw.IOError):
        if getattr(error, "extendedresult", 0) in _NO_ROOM:
            return StoreFullError("the index has no room")
        return StoreBrokenError("the index could not be synced")
    return StoreError(f"the index refused a job: {error}")


def migrate(connection: apsw.Connection) -> None:
    """Bring the schema to the newest version; ``user_version`` says which it has."""
    folder = resources.files("maild.store") / "schema"
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql"))
    with transaction(connection, "BEGIN IMMEDIATE"):
        have = connection.pragma("user_version")
        if have > len(names):
            raise TooNewError("the index was written by a newer maild")
        for number, name in enumerate(names, 1):
            if number > have:
                connection.execute((folder / name).read_text())
                connection.pragma("user_version", number)
