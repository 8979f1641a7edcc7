# SPDX-License-Identifier: GPL-3.0-only
"""The memory of a terminal: Table 1 of the seed, in a file that only its owner reads.

Number, random verification code, file path and sharing flag are the four columns of
the seed; size, times and digest tell a file edited in place.  The terminal's own id is
random, made with the file: numbers are counted per terminal.  Calls take milliseconds
but touch the disk: make them in a thread.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import string
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from terminal_client.errors import LocalInputOutputError
from terminal_client.matching import Remembered, Shape

CODE_LENGTH = 12
"""Characters of a verification code: letters and digits, 71 bits."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS terminal (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS numbers (last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS shared (
    number   TEXT PRIMARY KEY,
    code     TEXT NOT NULL,
    path     TEXT NOT NULL UNIQUE,
    sharing  INTEGER NOT NULL DEFAULT 0 CHECK (sharing IN (0, 1)),
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    sha256   TEXT
) STRICT;
"""


def fresh_code() -> str:
    """Return a random verification code, such as ``Aaa123`` (seed, Table 1)."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(CODE_LENGTH))


class Memory:
    """Table 1 of one profile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def terminal(self) -> str:
        """Return this terminal's id; made at the first call, then kept."""
        with self._open() as base:
            row = base.execute("SELECT id FROM terminal").fetchone()
            if row is None:
                row = (secrets.token_hex(8),)
                base.execute("INSERT INTO terminal (id) VALUES (?)", row)
            return str(row[0])

    def by_path(self, path: Path) -> Remembered | None:
        """Return the row of a file, if it was ever uploaded from here."""
        with self._open() as base:
            row = base.execute(
                "SELECT * FROM shared WHERE path = ?", (str(path),)
            ).fetchone()
            return _remembered(row) if row else None

    def everything(self) -> list[Remembered]:
        """Return the whole table, by number."""
        with self._open() as base:
            rows = base.execute("SELECT * FROM shared ORDER BY number")
            return [_remembered(row) for row in rows]

    def begin(self, path: Path, shape: Shape) -> Remembered:
        """Open a row for an upload of ``path``: keep or make its number, make a code.

        Until `finish`, the flag is "no" and there is no digest, so that an upload
        whose end we never saw is never taken for a whole one.
        """
        with self._open() as base:
            base.execute("BEGIN IMMEDIATE")
            known = base.execute("SELECT 1 FROM shared WHERE path = ?", (str(path),))
            row = base.execute(
                "INSERT INTO shared (number, code, path, size, mtime_ns, ctime_ns)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                " ON CONFLICT (path) DO UPDATE SET code = ?2, sharing = 0, size = ?4,"
                " mtime_ns = ?5, ctime_ns = ?6, sha256 = NULL"
                " RETURNING *",
                (
                    "" if known.fetchone() else _next_number(base),
                    fresh_code(),
                    str(path),
                    shape.size,
                    shape.mtime_ns,
                    shape.ctime_ns,
                ),
            ).fetchone()
            return _remembered(row)

    def finish(self, entry: Remembered, sha256: str) -> None:
        """Note that the server acknowledged the upload of ``entry``: flag "yes".

        Nothing happens when another upload of the same path has begun meanwhile.
        """
        with self._open() as base:
            base.execute(
                "UPDATE shared SET sharing = 1, sha256 = ?"
                " WHERE number = ? AND code = ?",
                (sha256, entry.number, entry.code),
            )

    def set_sharing(self, entry: Remembered, sharing: bool) -> None:
        """Write what an upload check found (seed: the flag is marked yes or no)."""
        with self._open() as base:
            base.execute(
                "UPDATE shared SET sharing = ? WHERE number = ? AND code = ?",
                (int(sharing), entry.number, entry.code),
            )

    def touch(self, entry: Remembered, shape: Shape) -> None:
        """Note new times of a file that was read again and is the same."""
        with self._open() as base:
            base.execute(
                "UPDATE shared SET mtime_ns = ?, ctime_ns = ?"
                " WHERE number = ? AND code = ?",
                (shape.mtime_ns, shape.ctime_ns, entry.number, entry.code),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives its journal the permissions of the file it finds.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self._path, timeout=10)) as base, base:
                base.executescript(_SCHEMA)
                yield base
        except (sqlite3.Error, OSError) as error:
            raise LocalInputOutputError(
                f"the memory of this terminal, {self._path}, cannot be used: {error}"
            ) from error


def _next_number(base: sqlite3.Connection) -> str:
    """Return a number that was never given before."""
    base.execute(
        "INSERT INTO numbers (last) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM numbers)"
    )
    row = base.execute("UPDATE numbers SET last = last + 1 RETURNING last").fetchone()
    return f"{row[0]:03d}"


def _remembered(
    row: tuple[str, str, str, int, int, int, int, str | None],
) -> Remembered:
    number, code, path, sharing, size, mtime_ns, ctime_ns, sha256 = row
    return Remembered(
        number=number,
        code=code,
        path=path,
        sharing=bool(sharing),
        shape=Shape(size, mtime_ns, ctime_ns),
        sha256=sha256,
    )
