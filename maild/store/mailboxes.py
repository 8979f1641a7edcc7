# SPDX-License-Identifier: Apache-2.0
"""Jobs on mailboxes: their names, their counters."""

from __future__ import annotations

from dataclasses import dataclass

from maild.store import messages
from maild.store.errors import ExistsError, NotFoundError, ProtectedError
from maild.store.index import Row, Tx

INBOX = "INBOX"
PROTECTED = frozenset(
    {INBOX, "Accepted", "Declined", "Items", "Library", "Transfers", "Versions"}
)
"""Mailboxes whose name has a meaning here: never removed or (but INBOX) renamed."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox; ``name`` in UTF-8 with ``/`` between levels."""

    id: int
    account_id: int
    name: str
    uid_validity: int
    uid_next: int
    mod_seq: int
    special_use: str
    subscribed: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """STATUS items (RFC 9051 §6.3.11); ``size`` and ``deleted_size`` in octets."""

    messages: int
    unseen: int
    deleted: int
    size: int
    deleted_size: int


_SELECT = """SELECT id, account_id, name, uid_validity, uid_next, mod_seq, special_use,
    subscribed FROM mailbox """


def everything(tx: Tx, account_id: int) -> list[Mailbox]:
    """Return an account's mailboxes by name."""
    rows = tx.all(_SELECT + "WHERE account_id = ?1 ORDER BY name", account_id)
    return [_mailbox(row) for row in rows]


def find(tx: Tx, account_id: int, name: str) -> Mailbox | None:
    """Return a mailbox by name (INBOX in any case), or None."""
    row = tx.one(
        _SELECT + "WHERE account_id = ?1 AND name = ?2", account_id, canonical(name)
    )
    return None if row is None else _mailbox(row)


def _mailbox(row: Row) -> Mailbox:
    facts = list(row)
    facts[7] = bool(facts[7])
    return Mailbox(*facts)


def must_find(tx: Tx, account_id: int, name: str) -> Mailbox:
    """Return a mailbox by name; raise `NotFoundError`."""
    mailbox = find(tx, account_id, name)
    if mailbox is None:
        raise NotFoundError("there is no such mailbox")
    return mailbox


def get(tx: Tx, mailbox_id: int) -> Mailbox:
    """Return a mailbox by id; raise `NotFoundError`."""
    row = tx.one(_SELECT + "WHERE id = ?1", mailbox_id)
    if row is None:
        raise NotFoundError("there is no such mailbox")
    return _mailbox(row)


def canonical(name: str) -> str:
    """Return ``name`` as it is kept: INBOX in capitals (RFC 9051 §5.1)."""
    first, slash, rest = name.rstrip("/").partition("/")
    return (INBOX if first.upper() == INBOX else first) + slash + rest


def counts(tx: Tx, mailbox_id: int, largest: int = 2**63 - 1) -> Counts:
    """Count a mailbox's messages, but for those of more than ``largest`` octets."""
    row = tx.one(
        r"""SELECT count(*),
            coalesce(sum(' ' || flags || ' ' NOT LIKE '% \Seen %'), 0),
            coalesce(sum(' ' || flags || ' ' LIKE '% \Deleted %'), 0),
            coalesce(sum(content.size), 0),
            coalesce(sum(content.size)
                FILTER (WHERE ' ' || flags || ' ' LIKE '% \Deleted %'), 0)
        FROM message JOIN content ON content.id = content_id
        WHERE mailbox_id = ?1 AND content.size <= ?2""",
        mailbox_id,
        largest,
    )
    return Counts(*row) if row else Counts(0, 0, 0, 0, 0)


def create(
    tx: Tx, account_id: int, name: str, now: float, *, special_use: str = ""
) -> Mailbox:
    """Add a mailbox (and its missing parents); raise `StoreError` if it is there."""
    name = canonical(name)
    if find(tx, account_id, name) is not None:
        raise ExistsError("there is a mailbox of that name")
    _create_parents(tx, account_id, name, now)
    return _insert(tx, account_id, name, now, special_use)


def _create_parents(tx: Tx, account_id: int, name: str, now: float) -> None:
    levels = name.split("/")
    if not all(levels):
        raise ProtectedError("a level of the name is empty")
    for depth in range(1, len(levels)):
        parent = "/".join(levels[:depth])
        if find(tx, account_id, parent) is None:
            _insert(tx, account_id, parent, now, "")


def _insert(tx: Tx, account_id: int, name: str, now: float, special: str) -> Mailbox:
    """Add one row; UIDVALIDITY is the clock's but always grows (RFC 9051 §2.3.1.1)."""
    uid_validity = tx.value(
        """UPDATE account SET uid_validity = max(uid_validity + 1, ?2) WHERE id = ?1
        RETURNING uid_validity""",
        account_id,
        int(now),
    )
    if uid_validity is None:
        raise NotFoundError("there is no such account")
    tx.run(
        """INSERT INTO mailbox (account_id, name, uid_validity, special_use)
        VALUES (?1, ?2, ?3, ?4)""",
        account_id,
        name,
        uid_validity,
        special,
    )
    tx.changed(f"account:{account_id}")
    return must_find(tx, account_id, name)


def rename(tx: Tx, account_id: int, name: str, new_name: str, now: float) -> None:
    """Rename a mailbox and what is below it; renaming INBOX moves its messages."""
    mailbox = must_find(tx, account_id, name)
    new_name = canonical(new_name)
    if mailbox.name == INBOX:
        target = create(tx, account_id, new_name, now)
        uids = [line.uid for line in messages.lines(tx, mailbox.id)[0]]
        messages.copy(tx, mailbox.id, uids, target.id, move=True)
        return
    if mailbox.name in PROTECTED or new_name.startswith(mailbox.name + "/"):
        raise ProtectedError("this mailbox cannot be renamed so")
    if find(tx, account_id, new_name) is not None:
        raise ExistsError("there is a mailbox of that name")
    _create_parents(tx, account_id, new_name, now)
    for old in (mailbox, *_below(tx, mailbox)):
        moved = new_name + old.name[len(mailbox.name) :]
        if old is not mailbox and find(tx, account_id, moved) is not None:
            raise ExistsError("there is a mailbox of that name")
        tx.run("UPDATE mailbox SET name = ?2 WHERE id = ?1", old.id, moved)
        tx.run(
            "UPDATE metadata SET mailbox = ?3 WHERE account_id = ?1 AND mailbox = ?2",
            account_id,
            old.name,
            moved,
        )
        tx.changed(f"mailbox:{old.id}")
    tx.changed(f"account:{account_id}")


def _below(tx: Tx, mailbox: Mailbox) -> list[Mailbox]:
    above = mailbox.name + "/"
    everyone = everything(tx, mailbox.account_id)
    return [other for other in everyone if other.name.startswith(above)]


def remove(tx: Tx, account_id: int, name: str) -> None:
    """Remove a mailbox and its messages.

    Raises `ProtectedError` for one that the house needs or that has mailboxes below.
    """
    mailbox = must_find(tx, account_id, name)
    if mailbox.name in PROTECTED:
        raise ProtectedError("this mailbox is needed here")
    if _below(tx, mailbox):
        raise ProtectedError("there are mailboxes below it")
    messages.expunge(
        tx, mailbox.id, [line.uid for line in messages.lines(tx, mailbox.id)[0]]
    )
    tx.run(
        "DELETE FROM metadata WHERE account_id = ?1 AND mailbox = ?2",
        account_id,
        mailbox.name,
    )
    tx.run("DELETE FROM mailbox WHERE id = ?1", mailbox.id)
    tx.changed(f"account:{account_id}", f"mailbox:{mailbox.id}")


def subscribe(tx: Tx, account_id: int, name: str, *, subscribed: bool) -> None:
    """Set whether LSUB lists the mailbox."""
    mailbox = must_find(tx, account_id, name)
    tx.run("UPDATE mailbox SET subscribed = ?2 WHERE id = ?1", mailbox.id, subscribed)
    tx.changed(f"account:{account_id}")
