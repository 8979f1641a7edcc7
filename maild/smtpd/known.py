# SPDX-License-Identifier: Apache-2.0
"""What RCPT asks for every message, remembered: who lives here, whether there is room.

Neither memory decides: the job that keeps a message looks for its account again, and a
device that is full refuses it.  They only spare a thread for each recipient.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from maild.mail.address import Address
from maild.smtpd.thread import in_thread
from maild.store import accounts
from maild.store.accounts import Account
from maild.store.changes import Watch
from maild.store.house import Store

MOST_KNOWN = 10_000
"""Accounts remembered at once."""
PLENTY = 2**30
"""Octets that have to be free beyond what is asked for, to be sure without a look."""
WHILE = 1.0
"""Seconds for which plenty of room is believed in."""


class Residents:
    """The accounts here by address, until any account changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[str, Account] = {}
        self._watch: Watch | None = None
        self._age = 0
        """How many times everything has been forgotten."""

    async def find(self, address: Address) -> Account | None:
        """Return the account that receives mail for ``address``.

        Who does not live here is always looked for: he may have moved in.
        """
        self._forget_what_changed()
        known = self._found.get(address.key)
        if known is not None:
            return known
        age = self._age
        account = await self._store.index.read(accounts.find, address)
        self._forget_what_changed()
        if account is not None and age == self._age:
            if len(self._found) >= MOST_KNOWN:
                self._found.clear()
            self._found[address.key] = account
        return account

    def _forget_what_changed(self) -> None:
        if self._watch is None:
            self._watch = self._store.changes.watch(accounts.TOPIC)
            self._watch.__enter__()
        if self._watch.woken():
            self._found.clear()
            self._age += 1

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.__exit__(None, None, None)
            self._watch = None


class Room:
    """How much can be written: ``look`` tells, in a thread; ``clock`` in seconds."""

    def __init__(
        self,
        look: Callable[[], int],
        threads: ThreadPoolExecutor,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._look = look
        self._threads = threads
        self._clock = clock
        self._free = 0
        self._until = clock()

    async def has(self, size: int) -> bool:
        """Whether ``size`` octets fit."""
        if self._free < size + PLENTY or self._clock() >= self._until:
            self._free = await in_thread(self._threads, self._look)
            self._until = self._clock() + WHILE
        return self._free >= size
