# SPDX-License-Identifier: Apache-2.0
"""The index: records in SQLite, one writer thread with group commit, readers apart.

A job is a plain function ``def job(tx, ...)``; every module of the store that speaks
SQL is a set of jobs.  A write is durable when its future is done (WAL, FULL: measured
with power cuts, nothing acknowledged was lost).  Jobs run in a thread: they may not
touch the event loop, and they see the clock only as an argument.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import apsw

from maild.store.blob_disk import sync_directory
from maild.store.changes import EVERYTHING, Changes
from maild.store.errors import StoreBrokenError, StoreError
from maild.store.index_file import Journal, connect, migrate, transaction, typed
from maild.store.index_readers import ReadingConnections
from maild.store.index_work import Work, tell

P = ParamSpec("P")
T = TypeVar("T")
Row = tuple[Any, ...]

MAX_BATCH = 1000
"""Jobs about in one commit; bounds how long the first of them waits for its sync."""
READERS = 4
"""Threads for reading."""
FOREIGN_POLL = 0.05
"""Seconds between looks for commits of another process; a look costs microseconds."""


class Tx:
    """What a job gets: SQL in one transaction, and topics to wake after its commit."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.topics: set[str] = set()

    def run(self, sql: str, *parameters: Any) -> int:
        """Execute ``sql`` (``?1`` parameters) and return how many rows it changed."""
        cursor = self._connection.cursor()
        before = self._connection.total_changes()
        cursor.execute(sql, parameters)
        return self._connection.total_changes() - before

    def insert(self, sql: str, *parameters: Any) -> int:
        """Execute an INSERT and return the row id it made."""
        self._connection.cursor().execute(sql, parameters)
        return self._connection.last_insert_rowid()

    def all(self, sql: str, *parameters: Any) -> list[Row]:
        """Return every row of a query; the query bounds how many there can be."""
        return list(self._connection.cursor().execute(sql, parameters))

    def one(self, sql: str, *parameters: Any) -> Row | None:
        """Return the first row of a query, or None; a changing statement runs out."""
        rows = self._connection.cursor().execute(sql, parameters).fetchall()
        return rows[0] if rows else None

    def value(self, sql: str, *parameters: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self.one(sql, *parameters)
        return None if row is None else row[0]

    def changed(self, *topics: str) -> None:
        """Wake the watchers of ``topics`` once this job is on the device."""
        self.topics.update(topics)


class Index:
    """The records of one installation, in ``path``."""

    def __init__(self, path: Path, changes: Changes) -> None:
        self._path = path
        self._changes = changes
        self._work: queue.SimpleQueue[list[Work] | None] = queue.SimpleQueue()
        self._asked: dict[asyncio.AbstractEventLoop, list[Work]] = {}
        """What was asked for in the current turn of each event loop."""
        self._reading = ReadingConnections(path)
        self._readers = ThreadPoolExecutor(READERS, "index-reader")
        self._writer: threading.Thread | None = None
        self._data_version = 0
        self._lock = threading.Lock()
        self._refusal: StoreError | None = None

    @property
    def broken(self) -> bool:
        """Whether the device refused a sync: the process has to end (EIO)."""
        return isinstance(self._refusal, StoreBrokenError)

    def stop_acknowledging(self) -> None:
        """Refuse every job from now on: a sync has failed (it is never retried)."""
        with self._lock:
            if not self.broken:
                self._refusal = StoreBrokenError("the device refused a sync")
        self._changes.fire([EVERYTHING])

    def open(self) -> None:
        """Create or migrate the index and start its writer."""
        # Verifiers, tickets and mail: nobody else's to read, wherever the operator puts
        # it.  SQLite gives its journal the permissions of the file it finds.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            connection = connect(self._path)
            migrate(connection)
            self._data_version = connection.pragma("data_version")
        except apsw.Error as error:
            raise typed(error) from error
        # The names of the index and its journal: SQLite syncs them too, but takes no
        # notice when that fails.
        sync_directory(self._path.parent)
        # A daemon: a process that ends without `close` is a crash, and must end.
        self._writer = threading.Thread(
            target=self._write_on, args=(connection,), name="index-writer", daemon=True
        )
        self._writer.start()

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        for loop in list(self._asked):
            self._hand_over(loop)
        with self._lock:
            self._refusal = self._refusal or StoreError("the index is closed")
            self._work.put(None)
        if self._writer is not None:
            self._writer.join()
        self._readers.shutdown()
        self._reading.close()

    def submit(
        self, job: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Queue a writing job; callable from any thread.  Done means durable."""
        done: Future[T] = Future()
        done.set_running_or_notify_cancel()  # what was asked for happens
        self._put([Work(job, args, kwargs, done)])
        return done

    async def write(
        self, job: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a writing job and wait until it is on the device.

        The commit happens even when the waiting task is cancelled: it was asked for.
        What one turn of the loop asks for goes to the writer at once: one commit, and
        no fight for the interpreter while there is more to be asked for.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        with self._lock:
            asked = self._asked.get(loop)
            if asked is None:
                asked = self._asked[loop] = []
                loop.call_soon(self._hand_over, loop)
            asked.append(Work(job, args, kwargs, done))
        return await done

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            asked = self._asked.pop(loop, None)
        if asked:
            self._put(asked)

    def _put(self, asked: list[Work]) -> None:
        with self._lock:
            refusal = self._refusal
            if refusal is None:
                self._work.put(asked)
                return
        for work in asked:
            work.error = refusal
        tell(asked)

    async def read(
        self, job: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a reading job on one consistent snapshot."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._readers, lambda: self.read_here(job, *args, **kwargs)
        )

    def read_here(
        self, job: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a reading job in the calling thread; never on an event loop."""
        with self._reading.lend() as connection, transaction(connection, "BEGIN"):
            return job(Tx(connection), *args, **kwargs)

    def _write_on(self, connection: apsw.Connection) -> None:
        journal = Journal(connection)
        running = True
        while running:
            batch, running = self._next_batch()
            if batch:
                self._commit(connection, batch)
                self._shorten(journal)
            self._look_for_others(connection)
        connection.close()

    def _next_batch(self) -> tuple[list[Work], bool]:
        batch: list[Work] = []
        try:
            asked = self._work.get(timeout=FOREIGN_POLL)
            while asked is not None:
                batch += asked
                if len(batch) >= MAX_BATCH:
                    return batch, True
                asked = self._work.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _commit(self, connection: apsw.Connection, batch: list[Work]) -> None:
        try:
            self._refuse_when_broken()
            with transaction(connection, "BEGIN IMMEDIATE"):
                for work in batch:
                    _run_in_savepoint(connection, work)
        except BaseException as error:  # noqa: BLE001 - whoever waits has to hear it
            refusal = typed(error)
            if isinstance(refusal, StoreBrokenError):
                self.stop_acknowledging()
            for work in batch:
                work.error = refusal
            tell(batch)
            return
        topics: set[str] = set()
        for work in batch:
            topics |= work.topics
        self._changes.fire(topics)
        tell(batch)

    def _shorten(self, journal: Journal) -> None:
        try:
            journal.shorten()
        except StoreBrokenError:
            self.stop_acknowledging()

    def _refuse_when_broken(self) -> None:
        if self._refusal is not None and self.broken:
            raise self._refusal

    def _look_for_others(self, connection: apsw.Connection) -> None:
        try:
            version = connection.pragma("data_version")
        except apsw.Error:
            version = None  # the next commit says what is wrong
        if version != self._data_version:
            self._data_version = version
            self._changes.fire([EVERYTHING])


def _run_in_savepoint(connection: apsw.Connection, work: Work) -> None:
    """Run one job so that its failure undoes only itself."""
    tx = Tx(connection)
    try:
        with transaction(connection, "SAVEPOINT job"):
            work.result = work.job(tx, *work.args, **work.kwargs)
        work.topics = tx.topics
    except (apsw.FullError, apsw.IOError):
        raise  # the whole batch is in doubt
    except apsw.Error as error:
        work.error = typed(error)
    except Exception as error:  # noqa: BLE001 - handed to whoever waits for the job
        work.error = error
