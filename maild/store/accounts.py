# SPDX-License-Identifier: Apache-2.0
"""Jobs on accounts: who has a mailbox here, and how they prove who they are."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.address import Address
from maild.store.index import Tx

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


def create(tx: Tx, address: Address, keys: ScramKeys, now: float) -> int:
    """Add an account with its mailboxes and return its id.

    Raises `maild.store.errors.StoreError` when the address is taken.
    """
    raise NotImplementedError


def find(tx: Tx, address: Address) -> Account | None:
    """Return the account that receives mail for ``address`` (a +tag is ignored)."""
    raise NotImplementedError


def get(tx: Tx, account_id: int) -> Account:
    """Return an account; raise `NotFoundError`."""
    raise NotImplementedError


def everyone(tx: Tx) -> list[Account]:
    """Return all accounts by address."""
    raise NotImplementedError


def set_keys(tx: Tx, account_id: int, keys: ScramKeys) -> None:
    """Give an account a new password."""
    raise NotImplementedError


def set_policy(tx: Tx, account_id: int, policy: str, size: int) -> None:
    """Say what is accepted without asking: ask, contacts, anyone; up to ``size``."""
    raise NotImplementedError


def remove(tx: Tx, account_id: int) -> None:
    """Remove an account, its mailboxes and its claims on blobs."""
    raise NotImplementedError


def add_contact(tx: Tx, account_id: int, address: Address) -> None:
    """Remember somebody the account deals with."""
    raise NotImplementedError


def is_contact(tx: Tx, account_id: int, address: Address) -> bool:
    """Whether the account has accepted from, or sent to, ``address``."""
    raise NotImplementedError


def secret(tx: Tx, name: str, fresh: bytes) -> bytes:
    """Return the installation's secret ``name``; the first caller's ``fresh`` stays."""
    raise NotImplementedError
