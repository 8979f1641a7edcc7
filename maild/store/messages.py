# SPDX-License-Identifier: Apache-2.0
"""Jobs on messages: contents, and their places in mailboxes (UIDs, flags)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maild.mail.structure import Structure
from maild.store.index import Tx
from maild.store.rope import Rope


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says."""

    id: int
    trace: str
    rope: Rope
    structure: Structure
    complete: bool
    """False while a blob of it still grows."""


@dataclass(frozen=True, slots=True)
class Line:
    """One message as a mailbox lists it."""

    uid: int
    flags: tuple[str, ...]
    mod_seq: int
    content_id: int
    internal_date: float
    size: int


def add_content(
    tx: Tx, rope: Rope, structure: Structure, trace: str, *, complete: bool = True
) -> int:
    """Keep a rendering and return its content id (each blob's refs grow by one)."""
    raise NotImplementedError


def content(tx: Tx, content_id: int) -> Content:
    """Return a content; raise `NotFoundError`."""
    raise NotImplementedError


def append(
    tx: Tx,
    mailbox_id: int,
    content_id: int,
    flags: Iterable[str],
    internal_date: float,
) -> int:
    """Put a content into a mailbox and return its new UID; wakes ``mailbox:<id>``."""
    raise NotImplementedError


def lines(
    tx: Tx, mailbox_id: int, *, since: int = 0
) -> tuple[list[Line], list[int], int]:
    """Return (messages changed after ``since``, UIDs expunged after it, mod_seq).

    ``since`` 0 gives every message in the order of UIDs.
    """
    raise NotImplementedError


def store_flags(
    tx: Tx, mailbox_id: int, uids: Sequence[int], mode: str, flags: Iterable[str]
) -> list[Line]:
    """Change flags (``mode``: "=", "+" or "-") and return the changed lines."""
    raise NotImplementedError


def expunge(tx: Tx, mailbox_id: int, uids: Sequence[int]) -> list[int]:
    """Remove messages for good and return the UIDs that were there."""
    raise NotImplementedError


def copy(
    tx: Tx, mailbox_id: int, uids: Sequence[int], target_id: int, *, move: bool
) -> list[tuple[int, int]]:
    """Copy or move messages; return (old UID, new UID) pairs in order.

    Only places change: what an arrival *means* (consent, sending) is decided by
    `maild.store.consent` and `maild.store.transfers`, which imapd calls in the same job.
    """
    raise NotImplementedError


def release_content(tx: Tx, content_id: int) -> None:
    """Give back one reference; the last one frees the content and its blobs' refs."""
    raise NotImplementedError
