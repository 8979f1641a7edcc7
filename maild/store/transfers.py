# SPDX-License-Identifier: Apache-2.0
"""Jobs on transfers: the queue, moved only by the table of `maild.mail.transfer`."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.address import Address
from maild.mail.offer import Answer
from maild.mail.reply import Reply
from maild.mail.transfer import CLAIMABLE, Event, Kind, Lifetimes, State
from maild.store.index import Tx


@dataclass(frozen=True, slots=True)
class Transfer:
    """One queue entry; the columns of table ``transfer`` (times: Unix seconds)."""

    id: str
    account_id: int | None
    kind: Kind
    state: State
    held: bool
    item_id: str | None
    content_id: int | None
    sender: Address | None
    """None is the null reverse-path ``<>``."""
    recipient: Address
    smtputf8: bool
    note: str
    size: int
    octets: int
    nonce: str | None
    ticket: str | None
    ticket_size: int | None
    attempts: int
    due: float
    expires: float
    warned: bool
    status: str
    reply: str
    relay: str
    trace: str
    created: float
    changed: float
    finished: float | None
    view_uid: int | None


def add(tx: Tx, transfer: Transfer, now: float) -> bool:
    """Queue a transfer and (for a user's own) show it in Transfers; wakes ``queue``.

    A share of the same item to the same recipient that is not final, or was sent, is
    not queued twice: returns False.
    """
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class FreshShare:
    """Names for a new share, made by the caller because jobs have no randomness."""

    queue_id: str
    nonce: str


def share(
    tx: Tx,
    account_id: int,
    item_id: str,
    recipient: Address,
    fresh: FreshShare,
    lifetimes: Lifetimes,
    now: float,
    *,
    note: str = "",
) -> Transfer:
    """Queue an item of the account's Library for ``recipient`` (seed 213).

    The same item to the same address is sent once: an open (or sent) share of it is
    returned as it is.  The recipient becomes a contact.  Used by BURL on submission and
    by copying into ``Share/<address>``.
    """
    raise NotImplementedError


def get(tx: Tx, transfer_id: str) -> Transfer:
    """Return a transfer; raise `NotFoundError`."""
    raise NotImplementedError


def everything(
    tx: Tx, account_id: int | None = None, *, final: bool = True
) -> list[Transfer]:
    """Return transfers, oldest first; of one account, or of all (None)."""
    raise NotImplementedError


def claim(tx: Tx, owner: str, now: float, most: int) -> list[Transfer]:
    """Take up to ``most`` due transfers for delivery process ``owner``.

    Fair: at most one share per account and next hop before the next account's; small
    mail (offers, answers, ordinary) goes before content.
    """
    raise NotImplementedError


def next_due(tx: Tx) -> float | None:
    """Return when the next claimable transfer is due, or None."""
    raise NotImplementedError


def advance(
    tx: Tx,
    transfer_id: str,
    event: Event,
    now: float,
    *,
    reply: Reply | None = None,
    relay: str = "",
    due: float | None = None,
) -> Transfer:
    """Apply an event, record the reply, renew its message in Transfers, wake all.

    ``due`` is when a deferred one may be tried again.
    """
    raise NotImplementedError


def progress(tx: Tx, transfer_id: str, octets: int, now: float) -> None:
    """Record what the next hop has acknowledged; never backwards.

    Renews the METADATA entry ``/private/vendor/maild/transfer/<id>`` of ``Transfers``
    (JSON: id, state, octets, size, recipient, name, status) and wakes its mailbox.
    """
    raise NotImplementedError


def answered(tx: Tx, answer: Answer, envelope_sender: Address, now: float) -> bool:
    """Apply an answer that has come in; False (and nothing changes) unless it counts.

    It counts when transfer id, nonce and both addresses match an offered share, it came
    from the offered address, and it is the first.
    """
    raise NotImplementedError


def hold(tx: Tx, transfer_id: str, now: float, *, held: bool) -> Transfer:
    """Keep a transfer from being claimed, or let it go again."""
    raise NotImplementedError


def abandon_claims(tx: Tx, owner: str, now: float) -> int:
    """Defer (due at once) whatever ``owner`` had claimed before it died."""
    raise NotImplementedError


def freeze_rendering(
    tx: Tx, item_id: str, next_hop: str, head: bytes, tail: bytes, now: float
) -> tuple[bytes, bytes]:
    """Return the frozen (head, tail) for this item and destination domain.

    The first caller's are kept, so that an offset means the same on every attempt.
    """
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Notice:
    """What a sender has to be told about one of their transfers."""

    transfer: Transfer
    name: str
    """Of the item, or the Subject of a mail."""
    delayed: bool


def notices_due(tx: Tx, now: float, delay_warning: float) -> list[Notice]:
    """Return transfers whose sender must be told of an end or a delay."""
    raise NotImplementedError


def notified(tx: Tx, transfer_id: str, *, delayed: bool) -> None:
    """Record that the sender has been told, in the job that files the notice."""
    raise NotImplementedError


def expire_due(tx: Tx, now: float) -> list[Transfer]:
    """Advance (EXPIRE) every idle transfer whose time has come; return them."""
    raise NotImplementedError


def forget_finished(tx: Tx, before: float) -> int:
    """Remove transfers finished before ``before`` and their messages in Transfers."""
    raise NotImplementedError


def hasten(tx: Tx, transfer_id: str, now: float) -> bool:
    """Make a waiting transfer due at once; False when its state has no due time."""
    waiting = ",".join(f"'{state}'" for state in sorted(CLAIMABLE))
    done = tx.run(
        f"UPDATE transfer SET due = ?2 WHERE id = ?1 AND state IN ({waiting})",  # noqa: S608 - our own constants
        transfer_id,
        now,
    )
    tx.changed("queue")
    return done > 0


def of_item(tx: Tx, item_id: str) -> list[Transfer]:
    """Return the transfers of an item, oldest first."""
    raise NotImplementedError
