# SPDX-License-Identifier: Apache-2.0
"""Jobs on accounts: who has a mailbox here, and how they prove who they are."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.address import Address
from maild.store import mailboxes, messages
from maild.store.errors import ExistsError, NotFoundError
from maild.store.index import Row, Tx

MAILBOXES: tuple[tuple[str, str, bool], ...] = (
    ("INBOX", "", True),
    ("Accepted", "", True),
    ("Declined", "", True),
    ("Items", "", True),
    ("Library", "", False),
    ("Transfers", "", True),
    ("Sent", "\\Sent", True),
    ("Drafts", "\\Drafts", True),
    ("Trash", "\\Trash", True),
    ("Junk", "\\Junk", True),
)
"""What every account starts with: name, special use (RFC 6154), subscribed."""
OF_CONTENT = frozenset({"Items", "Library", "Transfers"})
"""Those of them that a number has not: it holds no content."""
QUOTA_OF_NUMBER = 16 * 2**20
"""Octets that a number may hold at first: requests and responses are all it gets."""
TOPIC = "accounts"
"""The topic that wakes whoever remembers accounts."""


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """SCRAM-SHA-256 verifier (RFC 5802 §3): no password can be read from it."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """One account.  ``policy_size`` and ``quota`` in octets."""

    id: int
    address: Address
    keys: ScramKeys
    policy: str
    policy_size: int
    quota: int | None


_SELECT = """SELECT id, address, scram_salt, scram_iterations, scram_stored_key,
    scram_server_key, policy, policy_size, quota FROM account """


def create(
    tx: Tx, address: Address, keys: ScramKeys, now: float, *, is_number: bool = False
) -> int:
    """Add an account with its mailboxes and return its id.

    ``is_number``: of a rendezvous; it has no library.

    Raises `maild.store.errors.StoreError` when the address is taken.
    """
    if tx.value("SELECT 1 FROM account WHERE address = ?1", address.key):
        raise ExistsError("the address is taken")
    account_id = tx.insert(
        """INSERT INTO account (address, scram_salt, scram_iterations,
            scram_stored_key, scram_server_key, created)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)""",
        address.key,
        keys.salt,
        keys.iterations,
        keys.stored_key,
        keys.server_key,
        now,
    )
    tx.changed(TOPIC)
    if is_number:
        tx.run(
            "UPDATE account SET quota = ?2 WHERE id = ?1", account_id, QUOTA_OF_NUMBER
        )
    for name, special_use, subscribed in MAILBOXES:
        if is_number and name in OF_CONTENT:
            continue
        mailboxes.create(tx, account_id, name, now, special_use=special_use)
        mailboxes.subscribe(tx, account_id, name, subscribed=subscribed)
    return account_id


def find(tx: Tx, address: Address) -> Account | None:
    """Return the account that receives mail for ``address`` (a +tag is ignored)."""
    for key in dict.fromkeys((address.key, address.base.key)):
        row = tx.one(_SELECT + "WHERE address = ?1", key)
        if row is not None:
            return _account(row)
    return None


def get(tx: Tx, account_id: int) -> Account:
    """Return an account; raise `NotFoundError`."""
    row = tx.one(_SELECT + "WHERE id = ?1", account_id)
    if row is None:
        raise NotFoundError("there is no such account")
    return _account(row)


def everyone(tx: Tx) -> list[Account]:
    """Return all accounts by address."""
    return [_account(row) for row in tx.all(_SELECT + "ORDER BY address")]


def set_keys(tx: Tx, account_id: int, keys: ScramKeys) -> None:
    """Give an account a new password."""
    changed = tx.run(
        """UPDATE account SET scram_salt = ?2, scram_iterations = ?3,
            scram_stored_key = ?4, scram_server_key = ?5 WHERE id = ?1""",
        account_id,
        keys.salt,
        keys.iterations,
        keys.stored_key,
        keys.server_key,
    )
    _expect(changed)
    tx.changed(TOPIC)


def set_policy(tx: Tx, account_id: int, policy: str, size: int) -> None:
    """Say what is accepted without asking: ask, contacts, anyone; up to ``size``."""
    _expect(
        tx.run(
            "UPDATE account SET policy = ?2, policy_size = ?3 WHERE id = ?1",
            account_id,
            policy,
            size,
        )
    )
    tx.changed(TOPIC)


def remove(tx: Tx, account_id: int) -> None:
    """Remove an account, its mailboxes and its claims on blobs."""
    claims = tx.all(
        """SELECT content_id FROM message JOIN mailbox ON mailbox.id = mailbox_id
            WHERE account_id = ?1
        UNION ALL SELECT content_id FROM item WHERE account_id = ?1
        UNION ALL SELECT content_id FROM transfer WHERE account_id = ?1
        UNION ALL SELECT content_id FROM offer WHERE account_id = ?1""",
        account_id,
    )
    for mailbox in mailboxes.everything(tx, account_id):
        tx.run("DELETE FROM message WHERE mailbox_id = ?1", mailbox.id)
        tx.changed(f"mailbox:{mailbox.id}")
    tx.run("DELETE FROM transfer WHERE account_id = ?1", account_id)
    tx.run("DELETE FROM offer WHERE account_id = ?1", account_id)
    tx.run("DELETE FROM item WHERE account_id = ?1", account_id)
    _expect(tx.run("DELETE FROM account WHERE id = ?1", account_id))
    for (content_id,) in claims:
        if content_id is not None:
            messages.release_content(tx, content_id)
    tx.changed(f"account:{account_id}", TOPIC, "queue")


def add_contact(tx: Tx, account_id: int, address: Address) -> None:
    """Remember somebody the account deals with."""
    tx.run(
        """INSERT INTO contact (account_id, address) VALUES (?1, ?2)
        ON CONFLICT DO NOTHING""",
        account_id,
        address.key,
    )


def is_contact(tx: Tx, account_id: int, address: Address) -> bool:
    """Whether the account has accepted from, or sent to, ``address``."""
    found = tx.value(
        "SELECT 1 FROM contact WHERE account_id = ?1 AND address = ?2",
        account_id,
        address.key,
    )
    return found is not None


def secret(tx: Tx, name: str, fresh: bytes) -> bytes:
    """Return the installation's secret ``name``; the first caller's ``fresh`` stays."""
    tx.run(
        "INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        name,
        fresh,
    )
    return bytes(tx.value("SELECT value FROM fact WHERE name = ?1", name))


def _expect(changed: int) -> None:
    if not changed:
        raise NotFoundError("there is no such account")


def _account(row: Row) -> Account:
    local, _, domain = row[1].rpartition("@")
    return Account(
        id=row[0],
        address=Address(local, domain),
        keys=ScramKeys(row[2], row[3], row[4], row[5]),
        policy=row[6],
        policy_size=row[7],
        quota=row[8],
    )
