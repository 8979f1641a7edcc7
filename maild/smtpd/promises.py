# SPDX-License-Identifier: Apache-2.0
"""Room that is promised to those who are sending: on the device, and in their quota.

A promise is made when the envelope is accepted, shrinks as octets are written, and ends
with the transaction.  It is in memory only: a connection does not outlive the daemon,
and what has arrived is counted by the store.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from maild.mail.reply import Reply, ReplyError
from maild.smtpd import replies
from maild.smtpd.transaction import Ticket, Transaction
from maild.store import forwarding, quota
from maild.store.blobs import INLINE
from maild.store.checkpoints import NOBODY
from maild.store.house import Store

AROUND = 16 * 1024
"""Octets that we add to an upload: trace fields, and the stub that stands for it."""


@dataclass(frozen=True, slots=True)
class _Promise:
    """``size``: octets of the whole message; ``redeems``: an accepted offer."""

    transaction: Transaction
    account_id: int
    size: int
    redeems: bool

    @property
    def taken(self) -> int:
        """Octets that are on the device."""
        intake = self.transaction.intake
        return 0 if intake is None else intake.taken

    @property
    def left(self) -> int:
        """Octets that are not on the device yet."""
        return max(0, self.size - self.taken)


class Promises:
    """The promises of one station; used on its loop."""

    def __init__(self, store: Store, kept: int = 0) -> None:
        self._store = store
        self._kept = kept
        """Octets that may be kept for other servers, in all."""
        self._made: dict[int, _Promise] = {}
        """By identity of the transaction."""
        self._turn = asyncio.Lock()

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._made)

    async def make(
        self, transaction: Transaction, account_id: int, ticket: Ticket | None
    ) -> None:
        """Promise room for a message, or raise why there is none.

        One that redeems an accepted offer waits, whatever its account may hold now.
        """
        size = _needed(transaction.mail.size or 0, account_id, ticket)
        new = _Promise(transaction, account_id, size, ticket is not None)
        async with self._turn:  # or two would be promised the same
            if account_id == NOBODY:
                await self._look_at_kept(new)
            else:
                await self._look_at_quota(new)
            if await asyncio.to_thread(self._room_for, new) < new.left:
                raise ReplyError(replies.STORE_FULL)
            self._made[id(transaction)] = new
            transaction.promised = size

    def give_back(self, transaction: Transaction) -> None:
        """End the promise made to a transaction, if there is one."""
        self._made.pop(id(transaction), None)

    async def need_quota(self, account_id: int, size: int) -> None:
        """Raise why a message of ``size`` octets does not fit into an account."""
        found = await self._store.index.read(
            quota.room, account_id, self._coming(account_id)
        )
        if found is not None and found.left < size:
            raise ReplyError(_refusal(found, size))

    def free_space(self) -> int:
        """Octets that can be written by whom nothing is promised; blocks."""
        made = list(self._made.values())
        return self._store.blobs.free_space(
            sum(each.left for each in made),
            sum(each.size for each in made if each.redeems and each.account_id),
        )

    def _coming(self, account_id: int) -> dict[str, int]:
        return {
            each.transaction.id: max(each.size, each.taken) + AROUND
            for each in self._made.values()
            if each.account_id == account_id
        }

    async def _look_at_kept(self, new: _Promise) -> None:
        """Raise unless there is room left of that for other servers' content."""
        held = await self._store.index.read(forwarding.held)
        held.update(self._coming(NOBODY))
        held[new.transaction.id] = new.size
        if sum(held.values()) > self._kept:
            raise ReplyError(replies.STORE_FULL)

    async def _look_at_quota(self, new: _Promise) -> None:
        needed = new.size if new.redeems else new.size + AROUND
        coming = self._coming(new.account_id)
        coming[new.transaction.id] = needed
        found = await self._store.index.read(
            quota.room, new.account_id, coming, redeems=new.redeems
        )
        if found is None:
            return
        if found.left < 0:
            raise ReplyError(_refusal(found, 0 if new.redeems else needed))
        if not new.redeems:
            new.transaction.quota_limit = new.size + found.left

    def _room_for(self, new: _Promise) -> int:
        """Return the octets that can be promised; blocks.

        What is small is kept in the index, like ordinary mail.
        """
        if new.left <= INLINE:
            return self.free_space()
        promised = sum(each.left for each in list(self._made.values()))
        room = self._store.blobs.room(promised)
        return room if new.redeems else min(room, self.free_space())


def _needed(declared: int, account_id: int, ticket: Ticket | None) -> int:
    """Return the octets to promise to a message that SIZE ``declared`` so large.

    It may turn out larger (RFC 1870 §6.3), up to what was accepted, so that SIZE can
    only raise this.  What is kept for others is counted to the last octet, its frame
    included; for our own, the frame is small, like ordinary mail.
    """
    if ticket is None:
        return declared
    accepted = ticket.limit if account_id == NOBODY else ticket.accepted.size
    return max(declared, accepted)


def _refusal(found: quota.Room, size: int) -> Reply:
    """Return why ``size`` octets do not fit: not now, or never."""
    return replies.NEVER_FITS if size > found.quota else replies.OVER_QUOTA
