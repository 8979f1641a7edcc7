# SPDX-License-Identifier: GPL-3.0-only
"""People this terminal knows: mail addresses with names and numbers, in its memory.

What is remembered here is never asked again: a number that stands beside an address
is sent to that address (seed 206), a name stands for it.  Calls take milliseconds but
touch the disk: make them in a thread.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maild.mail.address import Address, parse_address
from terminal_client import database
from terminal_client.errors import NoInputError, UsageError

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""A number as it is dialled from anywhere: at most 15 digits (ITU-T E.164 §6.2.1)."""
LONGEST_NAME = 100
"""Characters of a name."""

_JOINERS = frozenset("\u200c\u200d")
"""Invisible, and yet part of how some names and emoji are written."""

# What two people may both be called is no key; a number belongs to one of them.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS contact (
    address    TEXT PRIMARY KEY COLLATE NOCASE,
    name       TEXT NOT NULL DEFAULT '',
    number     TEXT NOT NULL DEFAULT '',
    rendezvous TEXT NOT NULL DEFAULT '',
    added      REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS contact_by_number ON contact (number)
    WHERE number <> '';
"""
_SELECT = "SELECT address, name, number, rendezvous, added FROM contact "


@dataclass(frozen=True, slots=True)
class Contact:
    """One person; what is not known is ""."""

    address: Address
    name: str = ""
    number: str = ""
    """Such as ``+14155550102``."""
    rendezvous: str = ""
    """The domain of the rendezvous where that number is an account."""
    added: float = 0.0
    """When it was first remembered, in Unix seconds."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare contacts --json`` prints."""
        return {
            "address": str(self.address),
            "name": self.name,
            "number": self.number,
            "rendezvous": self.rendezvous,
            "added": _moment(self.added),
        }


def _moment(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


class Contacts:
    """The contacts of one profile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def everything(self) -> list[Contact]:
        """Return all of them, by name and address."""
        with self._open() as base:
            rows = base.execute(_SELECT + "ORDER BY name COLLATE NOCASE, address")
            return [_contact(row) for row in rows]

    def by_address(self, address: Address) -> Contact | None:
        """Return whoever has this address, if known."""
        with self._open() as base:
            return _first(base, "address = ?", str(address))

    def by_number(self, number: str) -> Contact | None:
        """Return whoever has this number (``+14155550102``), if known."""
        with self._open() as base:
            return _first(base, "number = ?", number)

    def put(self, contact: Contact, *, moves: bool = False) -> Contact:
        """Remember somebody; what ``contact`` does not say stays as it was known.

        A number that is known as somebody else's is refused: whoever says so could
        have our files for them.  It ``moves`` when the rendezvous itself says so.
        """
        with self._open() as base:
            base.execute("BEGIN IMMEDIATE")
            known = _first(base, "address = ?", str(contact.address))
            if contact.number:
                _give_number(base, contact, moves=moves)
            kept = _merged(known, contact)
            base.execute(
                "INSERT INTO contact (address, name, number, rendezvous, added)"
                " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (address) DO UPDATE"
                " SET name = ?2, number = ?3, rendezvous = ?4",
                (
                    str(kept.address),
                    kept.name,
                    kept.number,
                    kept.rendezvous,
                    kept.added,
                ),
            )
        return kept

    def forget(self, which: str) -> Contact:
        """Forget whoever ``which`` names: an address, a number or a name."""
        found = self.must_find(which)
        with self._open() as base:
            base.execute("DELETE FROM contact WHERE address = ?", (str(found.address),))
        return found

    def must_find(self, which: str) -> Contact:
        """Return whoever `find` finds; raise `NoInputError`."""
        found = self.find(which)
        if found is None:
            raise NoInputError(
                f"there is no contact {which}; `mshare contacts` shows all"
            )
        return found

    def find(self, which: str) -> Contact | None:
        """Return whoever an address, a number or a name (in any case) stands for.

        Raises `UsageError` when several have this name: none of them is guessed.
        Nobody's name stands for an address or a number that is not known.
        """
        known, wanted = self.everything(), which.strip().casefold()
        if "@" in wanted or wanted.startswith("+"):
            named = [c for c in known if wanted in (c.address.key, c.number)]
        else:
            named = [c for c in known if c.name and c.name.casefold() == wanted]
        if len(named) > 1:
            who = ", ".join(str(contact.address) for contact in named)
            raise UsageError(f"{which} is the name of several: {who}; use an address")
        return named[0] if named else None

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return database.opened(self._path, _SCHEMA)


def checked_name(text: str) -> str:
    """Return a name as a person types it; raise `UsageError`."""
    name = unicodedata.normalize("NFC", text.strip())
    if not 0 < len(name) <= LONGEST_NAME or not is_plain(name):
        raise UsageError(f"a name is 1 to {LONGEST_NAME} characters that can be seen")
    if "@" in name or name.startswith("+"):
        raise UsageError(f"{text!r} reads like an address or a number, not like a name")
    return name


def is_plain(text: str) -> bool:
    """Whether a screen shows all of it as what it is (CWE-451)."""
    return all(c.isprintable() or c in _JOINERS for c in text)


def _give_number(base: sqlite3.Connection, contact: Contact, *, moves: bool) -> None:
    """Free a number for ``contact``, or refuse."""
    holder = _first(base, "number = ?", contact.number)
    if holder is None or holder.address.key == contact.address.key:
        return
    if not moves:
        raise UsageError(
            f"{contact.number} is known as that of {holder.address}; if that is over, "
            f"forget it first: mshare contacts rm {contact.number}"
        )
    base.execute(
        "UPDATE contact SET number = '', rendezvous = '' WHERE address = ?",
        (str(holder.address),),
    )


def _merged(known: Contact | None, contact: Contact) -> Contact:
    if known is None:
        return contact
    number, rendezvous = known.number, known.rendezvous
    if contact.number:
        number, rendezvous = contact.number, contact.rendezvous
    return replace(
        known,
        name=contact.name or known.name,
        number=number,
        rendezvous=rendezvous,
    )


def _first(base: sqlite3.Connection, where: str, value: str) -> Contact | None:
    row = base.execute(f"{_SELECT}WHERE {where}", (value,)).fetchone()
    return None if row is None else _contact(row)


def _contact(row: tuple[str, str, str, str, float]) -> Contact:
    address, name, number, rendezvous, added = row
    return Contact(parse_address(address), name, number, rendezvous, added)
