# SPDX-License-Identifier: GPL-3.0-only
"""Live uploads that have begun and have not been closed, beside Table 1.

Like `terminal_client.journal`, but the file may have grown meanwhile: it is known by
its inode, and by the digest of what was read of it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from terminal_client import database
from terminal_client.journal import Begun
from terminal_client.live_file import Mark
from terminal_client.matching import Remembered

_SCHEMA = """
CREATE TABLE IF NOT EXISTS live (
    transid TEXT PRIMARY KEY,
    number  INTEGER NOT NULL,
    code    TEXT NOT NULL,
    account TEXT NOT NULL,
    head    BLOB NOT NULL,
    device  INTEGER NOT NULL,
    inode   INTEGER NOT NULL,
    octets  INTEGER NOT NULL DEFAULT 0,
    sha256  TEXT NOT NULL DEFAULT ''
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One that can be gone on with."""

    begun: Begun
    identity: tuple[int, int]
    """Device and inode of the file."""
    mark: Mark | None
    """Octets that the server had acknowledged, and what they were."""


class LiveJournal:
    """The unfinished live uploads of one terminal; waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, entry: Remembered | None, account: str) -> Kept | None:
        """Return the one that a row of Table 1 is about."""
        if entry is None or entry.sha256 is not None:
            return None
        with self._open() as base:
            row = base.execute(
                "SELECT transid, head, device, inode, octets, sha256 FROM live"
                " WHERE number = ? AND code = ? AND account = ?",
                (int(entry.number), entry.code, account),
            ).fetchone()
        if row is None:
            return None
        transid, head, device, inode, octets, sha256 = row
        begun = Begun(
            entry, transid, head, tried=True, acknowledged=octets, is_live=True
        )
        return Kept(begun, (device, inode), Mark(octets, sha256) if octets else None)

    def keep(self, begun: Begun, account: str, identity: tuple[int, int]) -> None:
        """Remember one before its first octet leaves; others of the file are over."""
        number = int(begun.entry.number)
        with self._open() as base:
            base.execute("DELETE FROM live WHERE number = ?", (number,))
            base.execute(
                "INSERT INTO live (transid, number, code, account, head, device, inode)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    begun.transid,
                    number,
                    begun.entry.code,
                    account,
                    begun.head,
                    *identity,
                ),
            )

    def reach(self, begun: Begun, mark: Mark) -> None:
        """Note how much the server has acknowledged."""
        with self._open() as base:
            base.execute(
                "UPDATE live SET octets = ?, sha256 = ? WHERE transid = ?",
                (mark.octets, mark.sha256, begun.transid),
            )

    def forget(self, begun: Begun) -> None:
        """Forget one that was acknowledged, or that nobody can go on with."""
        with self._open() as base:
            base.execute("DELETE FROM live WHERE transid = ?", (begun.transid,))

    def _open(self) -> AbstractContextManager[Connection]:
        return database.opened(self._path, _SCHEMA)
