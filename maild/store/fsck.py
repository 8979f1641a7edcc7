# SPDX-License-Identifier: Apache-2.0
"""Compares the index with the files: lengths, digests, references, orphans.

May run beside a working daemon.  Octets are read in segments; repair never touches
content that somebody refers to: what is damaged is reported and stays.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from xxhash import xxh3_128

from maild.store import blob_records, gc
from maild.store.blob_digest import SEGMENT, STEP
from maild.store.blob_disk import Disk
from maild.store.blob_records import Place
from maild.store.errors import NotFoundError
from maild.store.index import Index, Tx

YOUNG = 3600.0
"""Seconds: a younger file may belong to a job that is still to come."""


class Kind(StrEnum):
    """What can be wrong."""

    DAMAGED_INDEX = "damaged index"
    ORPHAN_FILE = "orphan file"
    MISSING_FILE = "missing file"
    WRONG_LENGTH = "wrong length"
    WRONG_DIGEST = "wrong digest"
    WRONG_BLOB_REFS = "wrong refs of a blob"
    WRONG_CONTENT_REFS = "wrong refs of a content"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; ``subject`` is a blob or content id, or a file name."""

    kind: Kind
    subject: str
    text: str
    repaired: bool = False

    def __str__(self) -> str:
        end = ", repaired" if self.repaired else ""
        return f"{self.kind}: {self.subject}: {self.text}{end}"


def check(disk: Disk, index: Index, now: float, *, repair: bool) -> Iterator[Finding]:
    """Yield everything that is wrong; blocks, and reads every octet."""
    yield from _check_index(index)
    yield from _check_contents(index, repair=repair)
    yield from _check_blobs(disk, index)
    yield from _check_refs(index, repair=repair)
    yield from _check_orphans(disk, index, now, repair=repair)


def _check_index(index: Index) -> Iterator[Finding]:
    def integrity(tx: Tx) -> list[str]:
        return [str(row[0]) for row in tx.all("PRAGMA integrity_check(20)")]

    for line in index.read_here(integrity):
        if line != "ok":
            yield Finding(Kind.DAMAGED_INDEX, "index", line)


def _check_blobs(disk: Disk, index: Index) -> Iterator[Finding]:
    last = 0
    while (blob_id := index.read_here(_next_blob, last)) is not None:
        last = blob_id
        try:
            place = index.read_here(blob_records.place, blob_id)
            digests = index.read_here(blob_records.segments, blob_id)
        except NotFoundError:
            continue
        if place.inline is not None:
            yield from _check_inline(blob_id, place)
        else:
            yield from _check_file(disk, blob_id, place, digests)


def _next_blob(tx: Tx, last: int) -> int | None:
    found = tx.value("SELECT min(id) FROM blob WHERE id > ?1", last)
    return None if found is None else int(found)


def _check_inline(blob_id: int, place: Place) -> Iterator[Finding]:
    octets = place.inline or b""
    if len(octets) != place.durable:
        yield Finding(Kind.WRONG_LENGTH, f"blob {blob_id}", f"holds {len(octets)}")
    elif hashlib.sha256(octets).hexdigest() != place.sha256:
        yield Finding(Kind.WRONG_DIGEST, f"blob {blob_id}", "differs from its SHA-256")


def _check_file(
    disk: Disk, blob_id: int, place: Place, digests: list[bytes]
) -> Iterator[Finding]:
    subject = f"blob {blob_id}"
    if not place.durable and not place.sealed:
        return  # its file appears with its first octets
    path = disk.path(place)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield Finding(Kind.MISSING_FILE, subject, path.name)
        return
    try:
        size = os.fstat(descriptor).st_size
        if size < place.durable or (place.sealed and size != place.durable):
            text = f"{size} octets instead of {place.durable}"
            yield Finding(Kind.WRONG_LENGTH, subject, text)
            return
        yield from _check_digests(descriptor, subject, place, digests)
    finally:
        os.close(descriptor)


def _check_digests(
    descriptor: int, subject: str, place: Place, digests: list[bytes]
) -> Iterator[Finding]:
    whole = hashlib.sha256()
    wrong: list[int] = []
    for number, start in enumerate(range(0, place.durable, SEGMENT)):
        segment = xxh3_128()
        end = min(start + SEGMENT, place.durable)
        for at in range(start, end, STEP):
            piece = os.pread(descriptor, min(STEP, end - at), at)
            whole.update(piece)
            segment.update(piece)
        if number >= len(digests) or segment.digest() != digests[number]:
            wrong.append(number)
    if wrong:
        text = f"segments {', '.join(map(str, wrong))} differ"
        yield Finding(Kind.WRONG_DIGEST, subject, text)
    elif place.sealed and whole.hexdigest() != place.sha256:
        yield Finding(Kind.WRONG_DIGEST, subject, "differs from its SHA-256")


def _check_contents(index: Index, *, repair: bool) -> Iterator[Finding]:
    for content_id, have, want in index.read_here(_wrong_content_refs):
        if repair:
            index.submit(_repair_content, content_id).result()
        text = f"{have} instead of {want}"
        subject = f"content {content_id}"
        yield Finding(Kind.WRONG_CONTENT_REFS, subject, text, repaired=repair)


_CONTENT_REFS = """(SELECT count(*) FROM message WHERE content_id = content.id)
    + (SELECT count(*) FROM item WHERE content_id = content.id)
    + (SELECT count(*) FROM transfer WHERE content_id = content.id)
    + (SELECT count(*) FROM offer WHERE content_id = content.id)
    + (SELECT count(*) FROM address_request WHERE content_id = content.id)"""


def _wrong_content_refs(tx: Tx) -> list[tuple[int, int, int]]:
    rows = tx.all(
        f"""SELECT id, refs, want FROM
            (SELECT id, refs, {_CONTENT_REFS} AS want FROM content)
        WHERE refs != want OR want = 0 ORDER BY id"""  # noqa: S608 - ours
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _repair_content(tx: Tx, content_id: int) -> None:
    """Set the references right; a content nobody refers to goes, with its claims."""
    tx.run(
        f"UPDATE content SET refs = {_CONTENT_REFS} WHERE id = ?1",  # noqa: S608 - ours
        content_id,
    )
    tx.run("DELETE FROM content WHERE id = ?1 AND refs = 0", content_id)


def _check_refs(index: Index, *, repair: bool) -> Iterator[Finding]:
    for blob_id, have, want in index.read_here(_wrong_blob_refs):
        if repair:
            index.submit(_repair_blob, blob_id).result()
        text = f"{have} instead of {want}"
        subject = f"blob {blob_id}"
        yield Finding(Kind.WRONG_BLOB_REFS, subject, text, repaired=repair)


def _wrong_blob_refs(tx: Tx) -> list[tuple[int, int, int]]:
    rows = tx.all(
        """SELECT id, refs, want FROM (SELECT id, refs,
            (SELECT count(*) FROM content_blob WHERE blob_id = blob.id) AS want
            FROM blob)
        WHERE refs != want ORDER BY id"""
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _repair_blob(tx: Tx, blob_id: int) -> None:
    tx.run(
        """UPDATE blob SET refs =
            (SELECT count(*) FROM content_blob WHERE blob_id = blob.id)
        WHERE id = ?1""",
        blob_id,
    )


def _check_orphans(
    disk: Disk, index: Index, now: float, *, repair: bool
) -> Iterator[Finding]:
    for path in gc.orphan_candidates(disk, now - YOUNG):
        if index.read_here(gc.is_orphan, path):
            if repair:
                index.submit(gc.remove_orphans, [path]).result()
            text = "no record names it"
            yield Finding(Kind.ORPHAN_FILE, path.name, text, repaired=repair)
