# SPDX-License-Identifier: GPL-3.0-only
"""The memory of a terminal: Table 1 of the seed, in a file that only its owner reads.

Number, random verification code, file path and sharing flag are the four columns of
the seed; size, times and digest tell a file edited in place.  The terminal's own id is
random, made with the file: numbers are counted per terminal.  Calls take milliseconds
but touch the disk: make them in a thread.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
import string
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from terminal_client import database
from terminal_client.database import path_text
from terminal_client.matching import Remembered, Shape

CODE_LENGTH = 12
"""Characters of a verification code: letters and digits, 71 bits."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS terminal (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS table1 (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    code     TEXT NOT NULL,
    path     TEXT NOT NULL UNIQUE,
    sharing  INTEGER NOT NULL DEFAULT 0 CHECK (sharing IN (0, 1)),
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    sha256   TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS table1_size ON table1 (size, mtime_ns);
"""

_NUMBER = re.compile(r"[0-9]{1,18}")
"""A number that can be in Table 1, whatever a server says."""


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
            if row is None:  # one statement: another mshare may be as far
                base.execute(
                    "INSERT INTO terminal (id) SELECT ?"
                    " WHERE NOT EXISTS (SELECT * FROM terminal)",
                    (secrets.token_hex(8),),
                )
                row = base.execute("SELECT id FROM terminal").fetchone()
            return str(row[0])

    def by_path(self, path: Path) -> Remembered | None:
        """Return the row of a file, if it was ever uploaded from here."""
        with self._open() as base:
            row = base.execute(
                "SELECT * FROM table1 WHERE path = ?", (path_text(path),)
            ).fetchone()
            return _remembered(row) if row else None

    def by_number(self, number: str, code: str) -> Remembered | None:
        """Return the row of an own upload, unless it was uploaded anew since."""
        with self._open() as base:
            row = base.execute(
                "SELECT * FROM table1 WHERE number = ? AND code = ?",
                (int(number) if _NUMBER.fullmatch(number) else -1, code),
            ).fetchone()
            return _remembered(row) if row else None

    def by_paths(self, paths: Sequence[Path]) -> dict[Path, Remembered]:
        """Return the rows of a few files."""
        with self._open() as base:
            found = {}
            for path in paths:
                row = base.execute(
                    "SELECT * FROM table1 WHERE path = ?", (path_text(path),)
                ).fetchone()
                if row:
                    found[path] = _remembered(row)
            return found

    def alike(self, shape: Shape) -> list[Remembered]:
        """Return the rows of files with this size and modification time."""
        with self._open() as base:
            rows = base.execute(
                "SELECT * FROM table1 WHERE size = ? AND mtime_ns = ? LIMIT 100",
                (shape.size, shape.mtime_ns),
            )
            return [_remembered(row) for row in rows]

    def move(self, entry: Remembered, path: Path, shape: Shape) -> None:
        """Note that a file is somewhere else now, as the same number."""
        with self._open() as base:
            base.execute(
                "UPDATE OR IGNORE table1 SET path = ?, ctime_ns = ?"
                " WHERE number = ? AND code = ?",
                (path_text(path), shape.ctime_ns, int(entry.number), entry.code),
            )

    def everything(self) -> list[Remembered]:
        """Return the whole table, by number."""
        with self._open() as base:
            rows = base.execute("SELECT * FROM table1 ORDER BY number")
            return [_remembered(row) for row in rows]

    def begin(self, path: Path, shape: Shape) -> Remembered:
        """Open a row for an upload of ``path``: keep or make its number, make a code.

        Until `finish`, the flag is "no" and there is no digest, so that an upload
        whose end we never saw is never taken for a whole one.
        """
        with self._open() as base:
            row = base.execute(
                "INSERT INTO table1 (code, path, size, mtime_ns, ctime_ns)"
                " VALUES (?1, ?2, ?3, ?4, ?5)"
                " ON CONFLICT (path) DO UPDATE SET code = ?1, sharing = 0, size = ?3,"
                " mtime_ns = ?4, ctime_ns = ?5, sha256 = NULL"
                " RETURNING *",
                (
                    fresh_code(),
                    path_text(path),
                    shape.size,
                    shape.mtime_ns,
                    shape.ctime_ns,
                ),
            ).fetchone()
            return _remembered(row)

    def grew(self, entry: Remembered, shape: Shape) -> None:
        """Note what a file that grew while it was uploaded has become."""
        with self._open() as base:
            base.execute(
                "UPDATE table1 SET size = ?, mtime_ns = ?, ctime_ns = ?"
                " WHERE number = ? AND code = ?",
                (
                    shape.size,
                    shape.mtime_ns,
                    shape.ctime_ns,
                    int(entry.number),
                    entry.code,
                ),
            )

    def finish(self, entry: Remembered, sha256: str) -> None:
        """Note that the server acknowledged the upload of ``entry``: flag "yes".

        Nothing happens when another upload of the same path has begun meanwhile.
        """
        with self._open() as base:
            base.execute(
                "UPDATE table1 SET sharing = 1, sha256 = ?"
                " WHERE number = ? AND code = ?",
                (sha256, int(entry.number), entry.code),
            )

    def set_sharing(self, entry: Remembered, sharing: bool) -> None:
        """Write what an upload check found (seed: the flag is marked yes or no)."""
        with self._open() as base:
            base.execute(
                "UPDATE table1 SET sharing = ? WHERE number = ? AND code = ?",
                (int(sharing), int(entry.number), entry.code),
            )

    def touch(self, entry: Remembered, shape: Shape) -> None:
        """Note new times of a file that was read again and is the same."""
        with self._open() as base:
            base.execute(
                "UPDATE table1 SET mtime_ns = ?, ctime_ns = ?"
                " WHERE number = ? AND code = ?",
                (shape.mtime_ns, shape.ctime_ns, int(entry.number), entry.code),
            )

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return database.opened(self._path, _SCHEMA)


def _remembered(
    row: tuple[int, str, str, int, int, int, int, str | None],
) -> Remembered:
    number, code, path, sharing, size, mtime_ns, ctime_ns, sha256 = row
    return Remembered(
        number=f"{number:03d}",
        code=code,
        path=path,
        sharing=bool(sharing),
        shape=Shape(size, mtime_ns, ctime_ns),
        sha256=sha256,
    )
