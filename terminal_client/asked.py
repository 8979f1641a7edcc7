# SPDX-License-Identifier: GPL-3.0-only
"""Numbers whose mail address was asked for and is not told yet, in a terminal's memory.

The id and the random code of a request stay until it is answered: whoever runs the same
command again asks nothing twice, and knows the response from a forged one.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from maild.mail.address import Address
from maild.mail.address_request import AddressRequest
from terminal_client import database

LIFETIME = 7 * 86400
"""Seconds until a request that nobody answers has expired."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS asked (
    asking  TEXT NOT NULL,
    number  TEXT NOT NULL,
    id      TEXT NOT NULL,
    nonce   TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (asking, number)
) STRICT;
"""


class Asked:
    """The requests of one profile; calls touch the disk: make them in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def request(self, asking: Address, number: Address, now: int) -> AddressRequest:
        """Return the request for a number that is still open, else a new one."""
        with self._open() as base:
            base.execute("BEGIN IMMEDIATE")
            base.execute("DELETE FROM asked WHERE expires <= ?", (now,))
            base.execute(
                "INSERT INTO asked (asking, number, id, nonce, created, expires)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    asking.key,
                    number.key,
                    secrets.token_hex(8),
                    secrets.token_hex(16),
                    now,
                    now + LIFETIME,
                ),
            )
            id_, nonce, created, expires = base.execute(
                "SELECT id, nonce, created, expires FROM asked"
                " WHERE asking = ? AND number = ?",
                (asking.key, number.key),
            ).fetchone()
        return AddressRequest(
            id=id_,
            nonce=nonce,
            sender=asking,
            recipient=number,
            home=None,
            created=created,
            expires=expires,
            trace=id_,
        )

    def forget(self, request: AddressRequest) -> None:
        """Forget a request: it was answered, or never taken."""
        with self._open() as base:
            base.execute("DELETE FROM asked WHERE id = ?", (request.id,))

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return database.opened(self._path, _SCHEMA)
