# SPDX-License-Identifier: Apache-2.0
"""Who is sending what now, and what was cut short and is still in memory.

A lane is what only one connection at a time can bring (`Envelope.lane`): a second push
of one rendering goes on where the first one is.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from maild.smtpd.thread import in_thread
from maild.smtpd.transaction import Transaction
from maild.store.checkpoints import Envelope

LIFETIME = 45 * 60.0
"""Seconds an interrupted transaction is kept in memory; then only in the store."""
MOST = 100
"""Interrupted ones in memory at once; each holds a header block and an open file.
Going on with another one reads four MiB at most."""


@dataclass(frozen=True, slots=True)
class _Interrupted:
    transaction: Transaction
    since: float


@dataclass(frozen=True, slots=True)
class _Sending:
    """Which connection a transaction comes by."""

    bound: Envelope
    task: asyncio.Task[None]

    async def cut(self) -> None:
        """End it, if it has not ended; what it brought is kept."""
        if not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])


class Lanes:
    """Of one listener; what it keeps is open, and closed in ``threads``."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._kept: dict[str, _Interrupted] = {}
        self._active: dict[str, _Sending] = {}

    async def begin(self, bound: Envelope, task: asyncio.Task[None]) -> None:
        """Remember which connection a transaction comes by.

        That by which it came so far is ended: the peer has a new one.  The old one may
        be dead without having said so; what it brought is kept.  Of several that come
        meanwhile the last one stays.
        """
        old = self._active.get(bound.lane)
        while old is not None and old.task is not task and not old.task.done():
            await old.cut()
            old = self._active.get(bound.lane)
        self._active[bound.lane] = _Sending(bound, task)

    def over(self, task: asyncio.Task[None] | None, bound: Envelope | None) -> None:
        """Forget that a transaction comes by a connection, which may bring another.

        ``bound``: None for all that it has begun.
        """
        for lane, sending in list(self._active.items()):
            if sending.task is task and bound in (None, sending.bound):
                del self._active[lane]

    def keep(self, transaction: Transaction, now: float) -> bool:
        """Keep what was cut short; False when there is nothing to go on with."""
        bound, intake = transaction.bound, transaction.intake
        if bound is None or intake is None or not intake.taken or transaction.failed:
            return False
        if intake.failure is not None:
            return False  # what is left of it, if anything, is in the store
        self.forget(now - LIFETIME)
        while len(self._kept) >= MOST:
            self.let_go(next(iter(self._kept)))
        self.let_go(bound.lane)
        self._kept[bound.lane] = _Interrupted(transaction, now)
        return True

    def take(self, lane: str, now: float) -> Transaction | None:
        """Return what is kept in memory in a lane; it is kept no longer."""
        found = self._kept.pop(lane, None)
        self.forget(now - LIFETIME)
        return None if found is None else found.transaction

    def forget(self, before: float) -> None:
        """Let go of what was interrupted before ``before`` (Unix seconds)."""
        for lane, interrupted in list(self._kept.items()):
            if interrupted.since < before:
                self.let_go(lane)
        for lane, sending in list(self._active.items()):
            if sending.task.done():
                del self._active[lane]

    def let_go(self, lane: str) -> None:
        """Close what is open: the store has all that is needed to go on."""
        interrupted = self._kept.pop(lane, None)
        if interrupted is not None and interrupted.transaction.intake is not None:
            self._threads.submit(interrupted.transaction.intake.suspend)

    async def end(self, key: str) -> None:
        """Let go of what its sender has given up; cut who still sends it."""
        for sending in list(self._active.values()):
            if sending.bound.key == key:
                await sending.cut()
        for lane, found in list(self._kept.items()):
            transaction = found.transaction
            if transaction.bound is not None and transaction.bound.key == key:
                del self._kept[lane]
                assert transaction.intake is not None
                await in_thread(self._threads, transaction.intake.abandon)

    def close(self) -> None:
        """Let go of all of them: the daemon stops."""
        for lane in list(self._kept):
            self.let_go(lane)
