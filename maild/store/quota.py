# SPDX-License-Identifier: Apache-2.0
"""Jobs on quota: how much an account holds and is about to hold, and whether that fits.

What counts: its messages, each content once (an item that is arriving counts with its
final size); what is durable of interrupted uploads; what its accepted offers reserve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maild.store.errors import NotFoundError, OverQuotaError
from maild.store.index import Tx


@dataclass(frozen=True, slots=True)
class Use:
    """Octets; ``quota`` is None for an account that may hold any number."""

    quota: int | None
    held: int
    interrupted: int
    reserved: int

    @property
    def octets(self) -> int:
        """All that counts."""
        return self.held + self.interrupted + self.reserved


@dataclass(frozen=True, slots=True)
class Room:
    """``left``: octets that still fit into ``quota``; negative when it is over."""

    quota: int
    left: int


def use(tx: Tx, account_id: int) -> Use:
    """Return what an account holds; raise `NotFoundError`."""
    row = tx.one("SELECT quota, used FROM account WHERE id = ?1", account_id)
    if row is None:
        raise NotFoundError("there is no such account")
    interrupted = sum(_interrupted(tx, account_id).values())
    return Use(row[0], row[1], interrupted, _reserved(tx, account_id))


def room(
    tx: Tx, account_id: int, coming: Mapping[str, int], *, redeems: bool = False
) -> Room | None:
    """Return what still fits beside ``coming``; None when there is no quota.

    ``coming``: octets of the messages that are arriving, by id.  One that ``redeems``
    an accepted offer has its room already: it competes with what is there only.
    """
    row = tx.one("SELECT quota, used FROM account WHERE id = ?1", account_id)
    if row is None or row[0] is None:
        return None
    quota, left = row[0], row[0] - row[1]
    left -= sum(
        octets for name, octets in coming.items() if not _is_shown(tx, account_id, name)
    )
    if not redeems:
        interrupted = _interrupted(tx, account_id)
        left -= sum(n for name, n in interrupted.items() if name not in coming)
        left -= _reserved(tx, account_id)
    return Room(quota, left)


def fits(tx: Tx, account_id: int, more: int) -> bool:
    """Whether ``more`` octets fit into the account's quota."""
    found = room(tx, account_id, {})
    return found is None or more <= found.left


def check(tx: Tx, account_id: int) -> None:
    """Raise `OverQuotaError` when an account holds too much.

    The last step of each job that adds to it: the error undoes the job.
    """
    if not fits(tx, account_id, 0):
        raise OverQuotaError("the account has no room for it")


def set_quota(tx: Tx, account_id: int, quota: int | None) -> None:
    """Say how many octets an account may hold; None is any number."""
    if not tx.run("UPDATE account SET quota = ?2 WHERE id = ?1", account_id, quota):
        raise NotFoundError("there is no such account")
    tx.changed("accounts", f"account:{account_id}")


def _is_shown(tx: Tx, account_id: int, item_id: str) -> bool:
    """Whether an arriving item is shown, and so counted, already."""
    found = tx.value(
        """SELECT 1 FROM item
        WHERE id = ?1 AND account_id = ?2 AND library_uid IS NOT NULL""",
        item_id,
        account_id,
    )
    return found is not None


def _interrupted(tx: Tx, account_id: int) -> dict[str, int]:
    """Return the durable octets of uploads that are not shown, by id of the message."""
    rows = tx.all(
        """SELECT message_id, durable FROM checkpoint JOIN blob ON blob.id = blob_id
        WHERE account_id = ?1 AND kind = 'upload'
            AND NOT EXISTS (SELECT 1 FROM item
                WHERE item.id = message_id AND library_uid IS NOT NULL)""",
        account_id,
    )
    return dict(rows)


def _reserved(tx: Tx, account_id: int) -> int:
    """Return what accepted offers reserve; one whose item is shown is counted there.

    A sender may offer any number of octets: sum() would overflow, total() does not.
    """
    return int(
        tx.value(
            """SELECT total(reserved) FROM offer WHERE account_id = ?1 AND reserved > 0
                AND NOT EXISTS (SELECT 1 FROM item WHERE item.id = offer.item_id)""",
            account_id,
        )
    )
