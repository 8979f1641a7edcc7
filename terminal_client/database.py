# SPDX-License-Identifier: GPL-3.0-only
"""The data base of a terminal: one SQLite file that only its owner reads.

Calls take milliseconds but touch the disk: make them in a thread.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from terminal_client.errors import LocalInputOutputError

PATIENCE = 60.0
"""Seconds to wait while other terminals of the same profile write: there may be 100."""


@contextmanager
def opened(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Open the file, with the tables of ``schema`` in it, for one transaction."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite gives its journal the permissions of the file it finds.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as base, base:
            base.executescript(schema)
            yield base
    except (sqlite3.Error, OSError) as error:
        raise LocalInputOutputError(
            f"the memory of this terminal, {path}, cannot be used: {error}"
        ) from error


def path_text(path: Path) -> str:
    """Return a path as text, even one that is no UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")
