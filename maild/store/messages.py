# SPDX-License-Identifier: Apache-2.0
"""Jobs on messages: contents, and their places in mailboxes (UIDs, flags).

A content is held by references: each message, item, transfer and open offer that names
it has one.  The last one given back frees the content and its claims on blobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maild.mail.structure import Structure, structure_from_json
from maild.store.errors import NotFoundError
from maild.store.index import Row, Tx
from maild.store.rope import Constant, Rope, rope_from_columns

_SYSTEM_FLAGS = {
    flag.lower(): flag
    for flag in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
}
"""Flags know no case (RFC 9051 §2.3.2); these are kept as the RFC writes them."""


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


_LINES = """SELECT uid, flags, mod_seq, content_id, internal_date, content.size
    FROM message JOIN content ON content.id = content_id """


def add_content(
    tx: Tx, rope: Rope, structure: Structure, trace: str, *, complete: bool = True
) -> int:
    """Keep a rendering and return its content id (each blob's refs grow by one)."""
    pieces, constants = rope.to_columns()
    content_id = tx.insert(
        """INSERT INTO content
            (trace, size, pieces, constants, structure, complete, stored)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)""",
        trace,
        rope.size if complete else structure.size,
        pieces,
        constants,
        structure.to_json(),
        complete,
        rope.stored,
    )
    for blob in {p.blob for p in rope.pieces if not isinstance(p, Constant)}:
        if not tx.run("UPDATE blob SET refs = refs + 1 WHERE id = ?1", blob):
            raise NotFoundError("there is no such blob")
        tx.run(
            "INSERT INTO content_blob (content_id, blob_id) VALUES (?1, ?2)",
            content_id,
            blob,
        )
    return content_id


def complete_content(tx: Tx, content_id: int, rope: Rope) -> None:
    """Keep the whole rope of a rendering whose blobs and structure were known."""
    pieces, constants = rope.to_columns()
    tx.run(
        """UPDATE content SET pieces = ?2, constants = ?3, stored = ?4, complete = 1
        WHERE id = ?1""",
        content_id,
        pieces,
        constants,
        rope.stored,
    )


def add_small(tx: Tx, octets: bytes, structure: Structure, trace: str) -> int:
    """Keep a message that is whole in memory, such as a composed one."""
    return add_content(tx, Rope([Constant(octets)]), structure, trace)


def content(tx: Tx, content_id: int) -> Content:
    """Return a content; raise `NotFoundError`."""
    row = tx.one(
        """SELECT trace, pieces, constants, structure, complete
        FROM content WHERE id = ?1""",
        content_id,
    )
    if row is None:
        raise NotFoundError("there is no such content")
    return Content(
        id=content_id,
        trace=row[0],
        rope=rope_from_columns(row[1], row[2]),
        structure=structure_from_json(row[3]),
        complete=bool(row[4]),
    )


def hold_content(tx: Tx, content_id: int) -> None:
    """Take one reference; raise `NotFoundError`."""
    if not tx.run("UPDATE content SET refs = refs + 1 WHERE id = ?1", content_id):
        raise NotFoundError("there is no such content")


def release_content(tx: Tx, content_id: int) -> None:
    """Give back one reference; the last one frees the content and its blobs' refs."""
    left = tx.value(
        "UPDATE content SET refs = refs - 1 WHERE id = ?1 RETURNING refs", content_id
    )
    if left is None or left > 0:
        return
    tx.run(
        """UPDATE blob SET refs = refs - 1
        WHERE id IN (SELECT blob_id FROM content_blob WHERE content_id = ?1)""",
        content_id,
    )
    tx.run("DELETE FROM content WHERE id = ?1", content_id)


def append(
    tx: Tx,
    mailbox_id: int,
    content_id: int,
    flags: Iterable[str],
    internal_date: float,
) -> int:
    """Put a content into a mailbox and return its new UID; wakes ``mailbox:<id>``."""
    row = tx.one(
        """UPDATE mailbox SET uid_next = uid_next + 1, mod_seq = mod_seq + 1
        WHERE id = ?1 RETURNING uid_next - 1, mod_seq""",
        mailbox_id,
    )
    if row is None:
        raise NotFoundError("there is no such mailbox")
    uid, mod_seq = row
    tx.run(
        """INSERT INTO message
            (mailbox_id, uid, content_id, flags, internal_date, mod_seq)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)""",
        mailbox_id,
        uid,
        content_id,
        " ".join(_sorted(flags)),
        internal_date,
        mod_seq,
    )
    hold_content(tx, content_id)
    tx.changed(f"mailbox:{mailbox_id}")
    return int(uid)


def lines(
    tx: Tx, mailbox_id: int, *, since: int = 0
) -> tuple[list[Line], list[int], int]:
    """Return (messages changed after ``since``, UIDs expunged after it, mod_seq).

    ``since`` 0 gives every message in the order of UIDs (and no expunged ones).
    """
    mod_seq = tx.value("SELECT mod_seq FROM mailbox WHERE id = ?1", mailbox_id)
    if mod_seq is None:
        raise NotFoundError("there is no such mailbox")
    if not since:
        rows = tx.all(_LINES + "WHERE mailbox_id = ?1 ORDER BY uid", mailbox_id)
        return [_line(row) for row in rows], [], mod_seq
    rows = tx.all(
        _LINES + "WHERE mailbox_id = ?1 AND mod_seq > ?2 ORDER BY uid",
        mailbox_id,
        since,
    )
    return [_line(row) for row in rows], expunged(tx, mailbox_id, since), mod_seq


def expunged(tx: Tx, mailbox_id: int, since: int) -> list[int]:
    """Return the UIDs expunged after mod-sequence ``since``."""
    gone = tx.all(
        """SELECT uid FROM expunged WHERE mailbox_id = ?1 AND mod_seq > ?2
        ORDER BY uid""",
        mailbox_id,
        since,
    )
    return [uid for (uid,) in gone]


def line(tx: Tx, mailbox_id: int, uid: int) -> Line | None:
    """Return one message of a mailbox, or None."""
    row = tx.one(_LINES + "WHERE mailbox_id = ?1 AND uid = ?2", mailbox_id, uid)
    return None if row is None else _line(row)


def store_flags(
    tx: Tx, mailbox_id: int, uids: Sequence[int], mode: str, flags: Iterable[str]
) -> list[Line]:
    """Change flags (``mode``: "=", "+" or "-") and return the changed lines."""
    given = set(_sorted(flags))
    changes: list[tuple[int, str]] = []
    for uid in uids:
        old = tx.value(
            "SELECT flags FROM message WHERE mailbox_id = ?1 AND uid = ?2",
            mailbox_id,
            uid,
        )
        if old is None:
            continue
        new = " ".join(sorted(_changed(set(old.split()), mode, given)))
        if new != old:
            changes.append((uid, new))
    if not changes:
        return []
    mod_seq = _next_mod_seq(tx, mailbox_id)
    for uid, new in changes:
        tx.run(
            """UPDATE message SET flags = ?3, mod_seq = ?4
            WHERE mailbox_id = ?1 AND uid = ?2""",
            mailbox_id,
            uid,
            new,
            mod_seq,
        )
    found = (line(tx, mailbox_id, uid) for uid, _ in changes)
    return [changed for changed in found if changed]


def _changed(old: set[str], mode: str, given: set[str]) -> set[str]:
    match mode:
        case "+":
            return old | given
        case "-":
            return old - given
        case _:
            return given


def expunge(tx: Tx, mailbox_id: int, uids: Sequence[int]) -> list[int]:
    """Remove messages for good and return the UIDs that were there."""
    gone: list[tuple[int, int]] = []
    for uid in uids:
        content_id = tx.value(
            """DELETE FROM message WHERE mailbox_id = ?1 AND uid = ?2
            RETURNING content_id""",
            mailbox_id,
            uid,
        )
        if content_id is not None:
            gone.append((uid, content_id))
    if not gone:
        return []
    mod_seq = _next_mod_seq(tx, mailbox_id)
    for uid, content_id in gone:
        tx.run(
            "INSERT INTO expunged (mailbox_id, mod_seq, uid) VALUES (?1, ?2, ?3)",
            mailbox_id,
            mod_seq,
            uid,
        )
        release_content(tx, content_id)
    return [uid for uid, _ in gone]


def copy(
    tx: Tx, mailbox_id: int, uids: Sequence[int], target_id: int, *, move: bool
) -> list[tuple[int, int]]:
    """Copy or move messages; return (old UID, new UID) pairs in order.

    Only places change: what an arrival *means* (consent, sending) is decided by
    `maild.store.consent` and `maild.store.transfers`; imapd calls them in the same job.
    """
    pairs: list[tuple[int, int]] = []
    for uid in uids:
        old = line(tx, mailbox_id, uid)
        if old is not None:
            new = append(tx, target_id, old.content_id, old.flags, old.internal_date)
            pairs.append((uid, new))
    if move:
        expunge(tx, mailbox_id, [uid for uid, _ in pairs])
    return pairs


def _next_mod_seq(tx: Tx, mailbox_id: int) -> int:
    tx.changed(f"mailbox:{mailbox_id}")
    return int(
        tx.value(
            "UPDATE mailbox SET mod_seq = mod_seq + 1 WHERE id = ?1 RETURNING mod_seq",
            mailbox_id,
        )
    )


def _sorted(flags: Iterable[str]) -> list[str]:
    return sorted({_SYSTEM_FLAGS.get(flag.lower(), flag) for flag in flags})


def _line(row: Row) -> Line:
    return Line(row[0], tuple(row[1].split()), *row[2:])
