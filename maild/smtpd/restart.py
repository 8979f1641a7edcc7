# SPDX-License-Identifier: Apache-2.0
"""Pushes that were interrupted, and go on where they were (RFC 1845, CHECKPOINT).

A transaction is kept under the proof that opened it, which only its sender can know,
and never under a name or address of the peer's (docs/protocol.md says why).  It is
kept in memory: after a restart of the daemon a push begins anew.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from maild.mail.envelope import MailFrom
from maild.smtpd.transaction import Transaction

LIFETIME = 45 * 60.0
"""Seconds an interrupted push is kept; gc leaves growing blobs alone for an hour."""
MOST = 1000
"""Interrupted pushes at once; each holds a header block and an open file."""


@dataclass(frozen=True, slots=True)
class _Interrupted:
    transaction: Transaction
    since: float


class Checkpoints:
    """The interrupted pushes of one listener, and who is pushing now."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._kept: dict[str, _Interrupted] = {}
        self._active: dict[str, asyncio.Task[None]] = {}

    def begin(self, proof: str, task: asyncio.Task[None]) -> None:
        """Remember which connection a push comes by."""
        self._active[proof] = task

    async def interrupt(self, proof: str, task: asyncio.Task[None]) -> None:
        """End the connection by which the push came so far: the peer has a new one.

        The old one may be dead without having said so; what it brought is kept.
        """
        old = self._active.get(proof)
        if old is not None and old is not task and not old.done():
            old.cancel()
            await asyncio.wait([old])

    def keep(self, transaction: Transaction, now: float) -> bool:
        """Keep a push that was cut short; False when there is nothing to go on with."""
        ticket, intake = transaction.ticket, transaction.intake
        if ticket is None or intake is None or not intake.taken or transaction.failed:
            return False
        self.forget(now - LIFETIME)
        while len(self._kept) >= MOST:
            self._drop(next(iter(self._kept)))
        self._drop(ticket.proof)
        self._kept[ticket.proof] = _Interrupted(transaction, now)
        return True

    def resume(self, proof: str, mail: MailFrom, now: float) -> Transaction | None:
        """Return the interrupted push that ``mail`` goes on with, if it is the same."""
        self.forget(now - LIFETIME)
        found = self._kept.get(proof)
        if found is None:
            return None
        before = found.transaction
        if (before.mail.sender, before.mail.size, before.mail.body) != (
            mail.sender,
            mail.size,
            mail.body,
        ):
            self._drop(proof)  # another rendering: its offsets mean something else
            return None
        del self._kept[proof]
        assert before.intake is not None
        before.received = before.intake.taken
        return before

    def forget(self, before: float) -> None:
        """Forget pushes interrupted before ``before`` (Unix seconds)."""
        for proof, interrupted in list(self._kept.items()):
            if interrupted.since < before:
                self._drop(proof)
        for proof, task in list(self._active.items()):
            if task.done():
                del self._active[proof]

    def _drop(self, proof: str) -> None:
        interrupted = self._kept.pop(proof, None)
        if interrupted is not None and interrupted.transaction.intake is not None:
            self._threads.submit(interrupted.transaction.intake.abandon)

    def close(self) -> None:
        """Forget all of them: the daemon stops."""
        for proof in list(self._kept):
            self._drop(proof)
