# SPDX-License-Identifier: Apache-2.0
"""Jobs on checkpoints: what is needed to go on with a message that was cut short.

A checkpoint holds the octets in front of the blob that grows; how far that has come is
the blob's durable length.  As long as a checkpoint is kept, so is its blob.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from maild.store.index import Row, Tx

MOST_EACH = 1000
"""Checkpoints of one account; what is over goes first, then what was touched first."""
NOBODY = 0
"""Instead of an account: what a rendezvous keeps is none of its own accounts'."""
MOST = 10_000
"""Checkpoints in all."""


class Kind(StrEnum):
    """What is arriving."""

    PUSH = "push"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a checkpoint is bound to."""

    key: str
    """Digest of what only its sender can know."""
    kind: Kind
    account_id: int
    """Who receives the push, or submits the upload; `NOBODY` for what is passed on."""
    sender: str
    recipient: str
    size: int | None
    """Octets of the message as declared."""
    body: str
    rendering: str | None = None
    """What names a push that others may be sent, too."""

    @property
    def lane(self) -> str:
        """What only one connection at a time can bring."""
        return f"{self.sender}\0{self.rendering}" if self.rendering else self.key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A message that can be gone on with, or whose end can be told again."""

    envelope: Envelope
    message_id: str
    head: bytes
    """Octets in front of the blob."""
    ours: int
    """How many of them we have written ourselves: the peer does not count them."""
    blob_id: int | None
    """None once the message has been kept."""
    final_reply: str | None
    lifetime: float
    """Seconds it is kept after it last grew."""
    promised: int = 0
    """Octets of room that its connection was promised, whatever SIZE said."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A checkpoint as an operator sees it; ``octets`` are durable ones of its blob."""

    checkpoint: Checkpoint
    octets: int
    created: float
    touched: float


_GREW = """max(touched, coalesce(
    (SELECT blob.touched FROM blob WHERE blob.id = checkpoint.blob_id), 0))"""
_OLDEST_EACH = (
    """SELECT key FROM checkpoint INDEXED BY checkpoint_over_of
    WHERE account_id IS nullif(?1, 0) AND blob_id IS NULL
    ORDER BY touched LIMIT 1""",
    """SELECT key FROM checkpoint WHERE account_id IS nullif(?1, 0)
    ORDER BY touched LIMIT 1""",
)
"""Who has to go: what is over, of which only the reply may be asked for again; then
what was touched first."""
_OLDEST = (
    """SELECT key FROM checkpoint INDEXED BY checkpoint_over
    WHERE blob_id IS NULL ORDER BY touched LIMIT 1""",
    "SELECT key FROM checkpoint ORDER BY touched LIMIT 1",
)
_COLUMNS = """key, kind, account_id, sender, recipient, size, body, rendering,
    message_id, head, ours, blob_id, final_reply, lifetime, promised"""
_SELECTED = _COLUMNS.replace("account_id", "coalesce(account_id, 0)")


def begin(tx: Tx, checkpoint: Checkpoint, blob_key: str, now: float) -> int | None:
    """Keep a checkpoint of a message whose blob begins to grow; replaces an older one.

    Submitted behind the blob's registration and before anything of it is durable.
    Returns the blob's id; None (and nothing is kept) if it has been given up meanwhile.
    """
    blob_id: int | None = tx.value("SELECT id FROM blob WHERE key = ?1", blob_key)
    if blob_id is None:
        return None
    keep(tx, replace(checkpoint, blob_id=blob_id), now)
    return blob_id


def finish(
    tx: Tx,
    envelope: Envelope,
    message_id: str,
    final_reply: str,
    lifetime: float,
    now: float,
) -> None:
    """Record the reply that took responsibility, in the job that keeps the message."""
    checkpoint = Checkpoint(envelope, message_id, b"", 0, None, final_reply, lifetime)
    keep(tx, checkpoint, now)


def keep(tx: Tx, checkpoint: Checkpoint, now: float) -> None:
    """Keep a checkpoint; replaces an older one under its key."""
    envelope = checkpoint.envelope
    forget(tx, envelope.key)
    _make_room(tx, envelope.account_id)
    tx.run(
        f"""INSERT INTO checkpoint ({_COLUMNS}, created, touched)
        VALUES (?1, ?2, nullif(?3, 0), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
            ?15, ?16, ?16)""",  # noqa: S608 - ours
        envelope.key,
        envelope.kind.value,
        envelope.account_id,
        envelope.sender,
        envelope.recipient,
        envelope.size,
        envelope.body,
        envelope.rendering,
        checkpoint.message_id,
        checkpoint.head,
        checkpoint.ours,
        checkpoint.blob_id,
        checkpoint.final_reply,
        checkpoint.lifetime,
        checkpoint.promised,
        now,
    )


def _make_room(tx: Tx, account_id: int) -> None:
    """Drop what is too much, what is over first; the rest only loses its restart."""
    each = "SELECT count(*) FROM checkpoint WHERE account_id IS nullif(?1, 0)"
    if tx.value(each, account_id) >= MOST_EACH:
        _drop_oldest(tx, _OLDEST_EACH, account_id)
    if tx.value("SELECT count(*) FROM checkpoint") >= MOST:
        _drop_oldest(tx, _OLDEST)


def _drop_oldest(tx: Tx, queries: tuple[str, str], *parameters: int) -> None:
    found = (tx.value(query, *parameters) for query in queries)
    forget(tx, next(key for key in found if key is not None))


def find(tx: Tx, key: str, now: float) -> Checkpoint | None:
    """Return the checkpoint kept under ``key``, if it has not expired."""
    row = tx.one(
        f"""SELECT {_SELECTED} FROM checkpoint
        WHERE key = ?1 AND {_GREW} + lifetime > ?2""",  # noqa: S608 - ours
        key,
        now,
    )
    return None if row is None else _checkpoint(row)


def forget(tx: Tx, key: str) -> None:
    """Remove a checkpoint; its blob is collected unless something refers to it."""
    tx.run("DELETE FROM checkpoint WHERE key = ?1", key)


def refuse(tx: Tx, message_id: str, final_reply: str, now: float) -> None:
    """Let a message end with a refusal, to whoever goes on with it from now on."""
    tx.run(
        """UPDATE checkpoint SET head = x'', ours = 0, blob_id = NULL,
            final_reply = ?2, touched = ?3 WHERE message_id = ?1""",
        message_id,
        final_reply,
        now,
    )


def ended(tx: Tx, key: str, message_id: str) -> str | None:
    """Return the reply with which a message has ended, if it has."""
    found: str | None = tx.value(
        "SELECT final_reply FROM checkpoint WHERE key = ?1 AND message_id = ?2",
        key,
        message_id,
    )
    return found


def drop(tx: Tx, key: str, message_id: str) -> int | None:
    """Forget what will not be gone on with, unless it has ended; return its blob."""
    blob_id: int | None = tx.value(
        """DELETE FROM checkpoint
        WHERE key = ?1 AND message_id = ?2 AND final_reply IS NULL
        RETURNING blob_id""",
        key,
        message_id,
    )
    return blob_id


def forget_message(tx: Tx, message_id: str) -> None:
    """Remove the checkpoint of a message that will not be gone on with."""
    tx.run("DELETE FROM checkpoint WHERE message_id = ?1", message_id)


def expire(tx: Tx, now: float) -> int:
    """Remove the checkpoints that nobody has come back for; return how many."""
    return tx.run(
        f"DELETE FROM checkpoint WHERE {_GREW} + lifetime <= ?1",  # noqa: S608 - ours
        now,
    )


def everything(tx: Tx) -> list[Listed]:
    """Return all checkpoints, the oldest first."""
    rows = tx.all(
        f"""SELECT {_SELECTED}, coalesce((SELECT blob.durable FROM blob
                WHERE blob.id = checkpoint.blob_id), 0), created, {_GREW}
        FROM checkpoint ORDER BY created, key"""  # noqa: S608 - ours
    )
    return [Listed(_checkpoint(row), *row[-3:]) for row in rows]


def _checkpoint(row: Row) -> Checkpoint:
    key, kind, *bound = row[:8]
    message_id, head, ours, blob_id, final_reply, lifetime, promised = row[8:15]
    return Checkpoint(
        envelope=Envelope(key, Kind(kind), *bound),
        message_id=message_id,
        head=bytes(head),
        ours=ours,
        blob_id=blob_id,
        final_reply=final_reply,
        lifetime=lifetime,
        promised=promised,
    )
