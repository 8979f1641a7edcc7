# SPDX-License-Identifier: Apache-2.0
"""Garbage collection: removes blobs that nothing refers to, and files without a record.

Files go inside the job that removes (or misses) their record: no other process can
then seal the same content in between.  Nothing younger than an hour is touched, because
a blob is sealed a moment before the first message refers to it; what a checkpoint needs
stays as long as that.  What stops arriving is given up in
`maild.store.parting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from maild.store import checkpoints
from maild.store.blob_disk import Disk
from maild.store.index import Index, Tx

BATCH = 100
"""Blobs or files looked at in one job: other writers wait for a batch at most."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection has removed; ``octets`` of files."""

    blobs: int
    files: int
    octets: int


def collect(disk: Disk, index: Index, now: float, older_than: float) -> Collected:
    """Remove what nothing refers to since ``older_than`` seconds; blocks."""
    index.submit(checkpoints.expire, now).result()
    before = now - older_than
    blobs = files = octets = last = 0
    while True:
        ids = index.read_here(_unused, before, last)
        if not ids:
            break
        last = ids[-1]
        removed, found = index.submit(remove, disk, ids, before).result()
        blobs += removed
        files += found.files
        octets += found.octets
    for paths in _batches(orphan_candidates(disk, before)):
        found = index.submit(remove_orphans, paths).result()
        files += found.files
        octets += found.octets
    return Collected(blobs, files, octets)


def orphan_candidates(disk: Disk, before: float) -> Iterator[Path]:
    """Yield the files that have not been touched or renamed since ``before``."""
    for directory in (disk.incoming, disk.sealed):
        for path in directory.rglob("*"):
            if _is_old_file(path, before):
                yield path


def is_orphan(tx: Tx, path: Path) -> bool:
    """Whether no record names the file."""
    if path.parent.name == "incoming":
        sql = "SELECT 1 FROM blob WHERE key = ?1 AND sealed = 0"
    else:
        sql = "SELECT 1 FROM blob WHERE sha256 = ?1 AND inline IS NULL"
    return tx.value(sql, path.name) is None


def _is_old_file(path: Path, before: float) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    # A rename renews the time of the inode's change, not that of its octets.
    return path.is_file() and max(found.st_ctime, found.st_mtime) < before


def _unused(tx: Tx, before: float, last: int) -> list[int]:
    rows = tx.all(
        """SELECT id FROM blob WHERE refs = 0 AND touched < ?1 AND id > ?2
            AND NOT EXISTS (SELECT 1 FROM item WHERE blob_id = blob.id)
            AND NOT EXISTS (SELECT 1 FROM content_blob WHERE blob_id = blob.id)
            AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE blob_id = blob.id)
        ORDER BY id LIMIT ?3""",
        before,
        last,
        BATCH,
    )
    return [blob_id for (blob_id,) in rows]


def remove(tx: Tx, disk: Disk, ids: list[int], before: float) -> tuple[int, Collected]:
    """Remove those of some blobs that nobody has needed since ``before`` (a job)."""
    removed = 0
    paths: list[Path] = []
    for blob_id in ids:
        row = tx.one(
            """SELECT key, sealed, sha256, inline IS NOT NULL FROM blob
            WHERE id = ?1 AND refs = 0 AND touched < ?2
                AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE blob_id = blob.id)""",
            blob_id,
            before,
        )
        if row is None or (not row[1] and disk.is_written(row[0])):
            continue
        key, sealed, sha256, inline = row
        tx.run("DELETE FROM blob WHERE id = ?1", blob_id)
        tx.changed(f"blob:{blob_id}")
        removed += 1
        if not inline:
            paths += [] if sealed else [disk.growing_path(key)]
            paths += [] if sha256 is None else [disk.sealed_path(sha256)]
    return removed, remove_orphans(tx, paths)


def remove_orphans(tx: Tx, paths: Iterable[Path]) -> Collected:
    """Remove files that no record names (any more): two records may share one."""
    files = octets = 0
    for path in paths:
        if path.exists() and is_orphan(tx, path):
            octets += path.stat().st_size
            path.unlink()
            files += 1
    return Collected(0, files, octets)


def _batches(paths: Iterator[Path]) -> Iterator[list[Path]]:
    while batch := list(islice(paths, BATCH)):
        yield batch
