# SPDX-License-Identifier: Apache-2.0
"""Jobs on the records of blobs: how far each has come, and how it is called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maild.store.errors import DamagedError, NotFoundError
from maild.store.index import Tx


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished blob.  ``id`` may be an older blob's with the same content."""

    id: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BlobState:
    """How far a blob has come, as any process sees it (octets)."""

    id: int
    durable: int
    sealed: bool
    expected: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Landed:
    """A blob that is whole and on the device, but not yet in the index: see `seal`."""

    id: int | None
    """None when it was never registered (a small one)."""
    key: str
    size: int
    sha256: str
    expected: int | None
    inline: bytes | None
    path: Path | None
    segments: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a blob's octets are."""

    key: str
    sealed: bool
    durable: int
    sha256: str | None
    """Known when its file may have its final name: a moment before it is sealed."""
    inline: bytes | None
    expected: int | None


def register(tx: Tx, key: str, expected: int | None, now: float) -> int:
    """Give a growing blob its id."""
    return tx.insert(
        """INSERT INTO blob (key, expected, created, touched)
        VALUES (?1, ?2, ?3, ?3)""",
        key,
        expected,
        now,
    )


def grow(
    tx: Tx,
    blob_id: int,
    durable: int,
    segments: Iterable[tuple[int, bytes]],
    now: float,
) -> None:
    """Record a new durable length with its digests; wakes ``blob:<id>``."""
    changed = tx.run(
        """UPDATE blob SET durable = ?2, touched = ?3
        WHERE id = ?1 AND sealed = 0 AND durable <= ?2""",
        blob_id,
        durable,
        now,
    )
    if not changed:
        raise NotFoundError("the blob has been removed")
    _keep_segments(tx, blob_id, segments)
    tx.changed(f"blob:{blob_id}")


def name(
    tx: Tx,
    blob_id: int,
    size: int,
    sha256: str,
    segments: Iterable[tuple[int, bytes]],
    now: float,
) -> None:
    """Record how the file of a whole blob is about to be called.

    Until the blob is sealed its file has one name or the other.
    """
    grow(tx, blob_id, size, segments, now)
    tx.run("UPDATE blob SET sha256 = ?2 WHERE id = ?1", blob_id, sha256)


def seal(tx: Tx, landed: Landed, now: float) -> Sealed:
    """Record a whole blob; part of the job that refers to it, or of its own.

    The same octets are kept once: an older blob's id is returned, unless somebody
    already refers to this one; then both share one file.
    """
    if landed.path is not None and not landed.path.exists():
        raise DamagedError("the file of a blob has gone")
    older = tx.value(
        """SELECT id FROM blob WHERE sealed = 1 AND sha256 = ?1 AND durable = ?2
            AND (inline IS NULL) = ?3 AND id IS NOT ?4 ORDER BY id LIMIT 1""",
        landed.sha256,
        landed.size,
        landed.inline is None,
        landed.id,
    )
    if older is not None and _is_unused(tx, landed.id):
        if landed.id is not None:
            tx.run(
                "UPDATE checkpoint SET blob_id = ?2 WHERE blob_id = ?1",
                landed.id,
                older,
            )
            tx.run("DELETE FROM blob WHERE id = ?1", landed.id)
            tx.changed(f"blob:{landed.id}")
        tx.run("UPDATE blob SET touched = ?2 WHERE id = ?1", older, now)
        return Sealed(older, landed.size, landed.sha256)
    blob_id = landed.id
    if blob_id is None:
        blob_id = register(tx, landed.key, landed.expected, now)
    tx.run(
        """UPDATE blob SET sealed = 1, durable = ?2, sha256 = ?3, inline = ?4,
            touched = ?5 WHERE id = ?1""",
        blob_id,
        landed.size,
        landed.sha256,
        landed.inline,
        now,
    )
    _keep_segments(tx, blob_id, landed.segments)
    tx.changed(f"blob:{blob_id}")
    return Sealed(blob_id, landed.size, landed.sha256)


def _is_unused(tx: Tx, blob_id: int | None) -> bool:
    return not tx.value("SELECT refs FROM blob WHERE id = ?1", blob_id)


def _keep_segments(tx: Tx, blob_id: int, segments: Iterable[tuple[int, bytes]]) -> None:
    for number, digest in segments:
        tx.run(
            """INSERT INTO segment (blob_id, number, digest) VALUES (?1, ?2, ?3)
            ON CONFLICT (blob_id, number) DO UPDATE SET digest = ?3""",
            blob_id,
            number,
            digest,
        )


def forget(tx: Tx, blob_id: int) -> bool:
    """Remove the record of a blob that nobody refers to; whether there was one.

    A checkpoint refers to it, too: its own, or of who goes on with the same octets.
    """
    removed = tx.run(
        """DELETE FROM blob WHERE id = ?1 AND refs = 0
            AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE blob_id = blob.id)""",
        blob_id,
    )
    tx.changed(f"blob:{blob_id}")
    return removed > 0


def state(tx: Tx, blob_id: int) -> BlobState:
    """Return how far a blob has come; raise `NotFoundError`."""
    row = tx.one(
        "SELECT id, durable, sealed, expected, sha256 FROM blob WHERE id = ?1", blob_id
    )
    if row is None:
        raise NotFoundError("there is no such blob")
    return BlobState(row[0], row[1], bool(row[2]), row[3], row[4])


def place(tx: Tx, blob_id: int) -> Place:
    """Return where a blob's octets are; raise `NotFoundError`."""
    row = tx.one(
        """SELECT key, sealed, durable, sha256, inline, expected FROM blob
        WHERE id = ?1""",
        blob_id,
    )
    if row is None:
        raise NotFoundError("there is no such blob")
    return Place(row[0], bool(row[1]), *row[2:])


def segments(tx: Tx, blob_id: int) -> list[bytes]:
    """Return the segment digests of a blob in order."""
    rows = tx.all(
        "SELECT digest FROM segment WHERE blob_id = ?1 ORDER BY number", blob_id
    )
    return [bytes(digest) for (digest,) in rows]


def reserved(tx: Tx) -> int:
    """Return (about) how many octets accepted offers keep free.

    A sender may offer any number of octets: sum() would overflow, total() does not.
    """
    return int(tx.value("SELECT total(reserved) FROM offer WHERE reserved > 0"))
