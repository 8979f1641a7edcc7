# SPDX-License-Identifier: Apache-2.0
"""Jobs on mailboxes: their names, their counters, metadata."""

from __future__ import annotations

from dataclasses import dataclass

from maild.store.index import Tx


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
    """STATUS items (RFC 9051 §6.3.11); ``size`` in octets."""

    messages: int
    unseen: int
    deleted: int
    size: int


def everything(tx: Tx, account_id: int) -> list[Mailbox]:
    """Return an account's mailboxes by name."""
    raise NotImplementedError


def find(tx: Tx, account_id: int, name: str) -> Mailbox | None:
    """Return a mailbox by name (INBOX in any case), or None."""
    raise NotImplementedError


def counts(tx: Tx, mailbox_id: int) -> Counts:
    """Count a mailbox's messages."""
    raise NotImplementedError


def create(
    tx: Tx, account_id: int, name: str, now: float, *, special_use: str = ""
) -> Mailbox:
    """Add a mailbox (and its missing parents); raise `StoreError` if it is there."""
    raise NotImplementedError


def rename(tx: Tx, account_id: int, name: str, new_name: str, now: float) -> None:
    """Rename a mailbox and what is below it; renaming INBOX moves its messages."""
    raise NotImplementedError


def remove(tx: Tx, account_id: int, name: str) -> None:
    """Remove a mailbox and its messages."""
    raise NotImplementedError


def subscribe(tx: Tx, account_id: int, name: str, *, subscribed: bool) -> None:
    """Set whether LSUB lists the mailbox."""
    raise NotImplementedError


def get_metadata(tx: Tx, account_id: int, mailbox: str) -> dict[str, bytes]:
    """Return all entries of a mailbox; "" is the server (RFC 5464)."""
    raise NotImplementedError


def set_metadata(
    tx: Tx, account_id: int, mailbox: str, entry: str, value: bytes | None
) -> None:
    """Set or (None) remove one entry."""
    raise NotImplementedError
