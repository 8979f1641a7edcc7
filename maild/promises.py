# SPDX-License-Identifier: Apache-2.0
"""Room that is promised to those who bring messages: on the device, and in their quota.

One register for the stations of a process: what one of them has promised, no other
gives away; one in a process of its own has its own.  A promise is made before octets
are written, shrinks as they are, and ends with whatever they become.  It is in memory
only: no connection outlives the daemon, and what has arrived is counted by the store.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from maild.store import forwarding, quota
from maild.store.blobs import INLINE
from maild.store.checkpoints import NOBODY
from maild.store.errors import NeverFitsError, OverQuotaError, StoreFullError
from maild.store.house import Store


class Holder(Protocol):
    """A message that arrives, as long as it does."""

    @property
    def id(self) -> str:
        """What the store will call it, or a name of its own."""

    @property
    def taken(self) -> int:
        """Octets of it that are on the device."""


@dataclass(frozen=True, slots=True)
class _Promise:
    """``size``: octets of the whole message; ``redeems``: an accepted offer.

    ``around``: octets that we add to it.
    """

    holder: Holder
    account_id: int
    size: int
    redeems: bool
    around: int

    @property
    def left(self) -> int:
        """Octets that are not on the device yet."""
        return max(0, self.size - self.holder.taken)


class Promises:
    """The promises of one process; used on its loop.

    ``kept``: octets that may be kept for other servers, in all.
    """

    def __init__(self, store: Store, kept: int = 0) -> None:
        self._store = store
        self._kept = kept
        self._made: dict[int, _Promise] = {}
        """By identity of the holder."""
        self._turn = asyncio.Lock()

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._made)

    async def make(
        self,
        holder: Holder,
        account_id: int,
        size: int,
        *,
        redeems: bool = False,
        around: int = 0,
    ) -> int | None:
        """Promise room for a message of ``size`` octets; it may be made a larger one.

        One that ``redeems`` an accepted offer waits, whatever its account may hold now.
        Returns the most octets that the account could take, if it has a quota; raises
        why there is no room: `StoreFullError`, `OverQuotaError`, `NeverFitsError`.
        """
        new = _Promise(holder, account_id, size, redeems, around)
        async with self._turn:  # or two would be promised the same
            most = None
            if account_id == NOBODY:
                await self._look_at_kept(new)
            else:
                most = await self._look_at_quota(new)
            if await asyncio.to_thread(self._room_for, new) < new.left:
                raise StoreFullError("the device has no room for it")
            self._made[id(holder)] = new
        return most

    def give_back(self, holder: Holder) -> None:
        """End the promise made to a message, if there is one."""
        self._made.pop(id(holder), None)

    async def need_quota(self, account_id: int, size: int) -> None:
        """Raise why a message of ``size`` octets does not fit into an account."""
        found = await self._store.index.read(
            quota.room, account_id, self._coming(account_id)
        )
        if found is not None and found.left < size:
            raise _refusal(found, size)

    def free_space(self, new: _Promise | None = None) -> int:
        """Octets that can be written by who has no promise beside ``new``; blocks."""
        made = self._beside(new)
        return self._store.blobs.free_space(
            sum(each.left for each in made),
            sum(each.size for each in made if each.redeems and each.account_id),
        )

    def _beside(self, new: _Promise | None) -> list[_Promise]:
        """Return the promises made to others."""
        holder = None if new is None else new.holder
        return [each for each in list(self._made.values()) if each.holder is not holder]

    def _coming(self, account_id: int) -> dict[str, int]:
        return {
            each.holder.id: max(each.size, each.holder.taken) + each.around
            for each in self._made.values()
            if each.account_id == account_id
        }

    async def _look_at_kept(self, new: _Promise) -> None:
        """Raise unless there is room left of that for other servers' content."""
        held = await self._store.index.read(forwarding.held)
        held.update(self._coming(NOBODY))
        held[new.holder.id] = new.size
        if sum(held.values()) > self._kept:
            raise StoreFullError("there is no room for it among what is kept")

    async def _look_at_quota(self, new: _Promise) -> int | None:
        needed = new.size if new.redeems else new.size + new.around
        coming = self._coming(new.account_id)
        coming[new.holder.id] = needed
        found = await self._store.index.read(
            quota.room, new.account_id, coming, redeems=new.redeems
        )
        if found is None:
            return None
        if found.left < 0:
            raise _refusal(found, 0 if new.redeems else needed)
        return None if new.redeems else new.size + found.left

    def _room_for(self, new: _Promise) -> int:
        """Return the octets that can be promised; blocks.

        What is small is kept in the index, like ordinary mail.
        """
        if new.left <= INLINE:
            return self.free_space(new)
        promised = sum(each.left for each in self._beside(new))
        room = self._store.blobs.room(promised)
        return room if new.redeems else min(room, self.free_space(new))


def _refusal(found: quota.Room, size: int) -> OverQuotaError:
    """Return why ``size`` octets do not fit: not now, or never."""
    if size > found.quota:
        return NeverFitsError("it is larger than all that the account may hold")
    return OverQuotaError("the account has no room for it")
