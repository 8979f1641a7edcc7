# SPDX-License-Identifier: GPL-3.0-only
"""Uploads that have begun and have not been acknowledged, beside Table 1.

A restart (RFC 1845) needs the same TRANSID and, octet for octet, the same message: its
header block is kept, the file is the one that Table 1 describes.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from terminal_client import database
from terminal_client.matching import Remembered, Shape

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    number  INTEGER PRIMARY KEY,
    code    TEXT NOT NULL,
    account TEXT NOT NULL,
    transid TEXT NOT NULL,
    head    BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS acknowledged (
    transid TEXT PRIMARY KEY,
    octets  INTEGER NOT NULL
) STRICT;
"""


@dataclass(slots=True)
class Begun:
    """One upload: what every attempt at it says alike."""

    entry: Remembered
    """Its row of Table 1."""
    transid: str
    head: bytes
    """The message's header block with its empty line; the file follows."""
    tried: bool
    """Whether the server may know the TRANSID."""
    acknowledged: int = 0
    """Octets of the file that the server had when it was last heard of."""
    is_live: bool = False
    """Whether the file is still being recorded."""

    @property
    def size(self) -> int | None:
        """Octets of the message; None while nobody knows."""
        return None if self.is_live else len(self.head) + self.entry.shape.size


class Journal:
    """The unfinished uploads of one terminal."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(
        self, entry: Remembered | None, shape: Shape, account: str
    ) -> Begun | None:
        """Return the upload to go on with: same account, same code, same file."""
        if entry is None or entry.sha256 is not None or entry.shape != shape:
            return None
        with self._open() as base:
            row = base.execute(
                "SELECT transid, head, coalesce(octets, 0)"
                " FROM uploads LEFT JOIN acknowledged USING (transid)"
                " WHERE number = ? AND code = ? AND account = ?",
                (int(entry.number), entry.code, account),
            ).fetchone()
        if row is None:
            return None
        return Begun(entry, row[0], row[1], tried=True, acknowledged=row[2])

    def keep(self, begun: Begun, account: str) -> None:
        """Remember an upload before its first octet leaves."""
        entry = begun.entry
        with self._open() as base:
            base.execute(
                "INSERT OR REPLACE INTO uploads (number, code, account, transid, head)"
                " VALUES (?, ?, ?, ?, ?)",
                (int(entry.number), entry.code, account, begun.transid, begun.head),
            )

    def forget(self, begun: Begun) -> None:
        """Forget an upload that was acknowledged, or that nobody can go on with."""
        with self._open() as base:
            base.execute("DELETE FROM uploads WHERE transid = ?", (begun.transid,))
            base.execute("DELETE FROM acknowledged WHERE transid = ?", (begun.transid,))

    def acknowledge(self, begun: Begun, octets: int) -> None:
        """Note how much of the file the server has, before anybody is told."""
        with self._open() as base:
            base.execute(
                "INSERT OR REPLACE INTO acknowledged (transid, octets) VALUES (?, ?)",
                (begun.transid, octets),
            )

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return database.opened(self._path, _SCHEMA)
