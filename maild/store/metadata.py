# SPDX-License-Identifier: Apache-2.0
"""Jobs on annotations (RFC 5464): entries of a mailbox or of the server, and changes.

Each change gets the account's next number.  Who waits for changes remembers the last
number seen, and looks again when the topic ``metadata:<account>`` wakes him.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.store.errors import NotFoundError
from maild.store.index import Tx
from maild.store.mailboxes import canonical, must_find

SERVER = ""
"""The mailbox name that stands for the server (RFC 5464 §3)."""
REMEMBERED = 1000
"""Changes of an account for which it is remembered that an entry was removed."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What has changed after a number; ``last`` is the number to look from next."""

    last: int
    entries: tuple[tuple[str, str], ...]
    """Mailbox and entry, oldest change first, each once."""


def topic(account_id: int) -> str:
    """Return what wakes those who wait for changes."""
    return f"metadata:{account_id}"


def everything(tx: Tx, account_id: int, mailbox: str) -> dict[str, bytes]:
    """Return all entries of a mailbox, or of the server.

    Entry names are in lower case: they know no case (RFC 5464 §3.2).
    """
    rows = tx.all(
        """SELECT entry, value FROM metadata
        WHERE account_id = ?1 AND mailbox = ?2 AND value IS NOT NULL ORDER BY entry""",
        account_id,
        canonical(mailbox),
    )
    return {entry: bytes(value) for entry, value in rows}


def find(
    tx: Tx, account_id: int, mailbox: str, entry: str, *, below: bool
) -> dict[str, bytes]:
    """Return one entry (in lower case), if it is there; ``below``: and those below."""
    rows = tx.all(
        """SELECT entry, value FROM metadata
        WHERE account_id = ?1 AND mailbox = ?2 AND entry BETWEEN ?3 AND ?4
            AND (entry = ?3 OR entry > ?3 || '/') AND value IS NOT NULL
        ORDER BY entry""",
        account_id,
        canonical(mailbox),
        entry,
        entry + "/\x7f" if below else entry,
    )
    return {name: bytes(value) for name, value in rows}


def put(tx: Tx, account_id: int, mailbox: str, entry: str, value: bytes | None) -> int:
    """Set or (None) remove one entry; return the number of the change."""
    name = canonical(mailbox)
    if name != SERVER:
        must_find(tx, account_id, name)
    number = tx.value(
        """UPDATE account SET metadata_seq = metadata_seq + 1 WHERE id = ?1
        RETURNING metadata_seq""",
        account_id,
    )
    if number is None:
        raise NotFoundError("there is no such account")
    tx.run(
        """INSERT INTO metadata (account_id, mailbox, entry, value, change)
        VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (account_id, mailbox, entry)
        DO UPDATE SET value = ?4, change = ?5""",
        account_id,
        name,
        entry.lower(),
        value,
        number,
    )
    if value is None:
        tx.run(
            """DELETE FROM metadata
            WHERE account_id = ?1 AND change <= ?2 AND value IS NULL""",
            account_id,
            number - REMEMBERED,
        )
    tx.changed(topic(account_id))
    return int(number)


def last_change(tx: Tx, account_id: int) -> int:
    """Return the number of the latest change."""
    found = tx.value("SELECT metadata_seq FROM account WHERE id = ?1", account_id)
    return int(found or 0)


def changes(tx: Tx, account_id: int, after: int, most: int) -> Changed:
    """Return at most ``most`` entries that were changed after a number."""
    last = last_change(tx, account_id)
    if last <= after:
        return Changed(after, ())
    rows = tx.all(
        """SELECT mailbox, entry, change FROM metadata
        WHERE account_id = ?1 AND change > ?2 ORDER BY change LIMIT ?3""",
        account_id,
        after,
        most,
    )
    if len(rows) == most:  # the rest follows next time
        last = rows[-1][2]
    return Changed(last, tuple((mailbox, entry) for mailbox, entry, _ in rows))
