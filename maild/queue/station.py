# SPDX-License-Identifier: Apache-2.0
"""The station of time: what expires, who is told, what is forgotten and collected.

Sleeps until the next transfer expires or the queue changes.  A notice is put into the
sender's own INBOX in the job that records that it was given: told once, never twice,
and never to an address that did not log in here (no backscatter).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from maild import delivery_log
from maild.identity import Identity
from maild.queue import notices
from maild.queue.settings import QueueSettings
from maild.store import consent, trace, transfers
from maild.store.errors import StoreBrokenError, StoreError
from maild.store.house import Store
from maild.store.index import Tx

_log = logging.getLogger("maild.queue")

HOUSEKEEPING: Final = 3600.0
"""Seconds between two rounds of forgetting and collecting."""
LONGEST_SLEEP: Final = 60.0
"""Seconds after which the queue is looked at without a reason."""
SHORTEST_SLEEP: Final = 0.2
"""Seconds between two looks, however often the queue changes."""


class QueueStation:
    """Moves nothing itself: it only lets time pass over the queue."""

    def __init__(
        self, settings: QueueSettings, identity: Identity, store: Store
    ) -> None:
        self._settings = settings
        self._hostname = identity.hostname
        self._store = store
        self._kept_house = 0.0

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until cancelled."""
        with self._store.changes.watch("queue") as watch:
            started()
            while True:
                try:
                    pause = await self.look()
                except StoreBrokenError:
                    raise  # a failed sync is never retried: the process ends
                except StoreError:
                    _log.exception("the store failed a look at the queue")
                    pause = LONGEST_SLEEP
                await asyncio.sleep(SHORTEST_SLEEP)
                await watch.wait(pause)

    async def look(self) -> float:
        """Do what is due now and return the seconds until something else may be."""
        now = self._store.clock()
        await self._expire(now)
        await self._tell(now)
        if now - self._kept_house >= HOUSEKEEPING or now < self._kept_house:
            self._kept_house = now
            await self._keep_house(now)
        soonest = await self._store.index.read(_soonest, self._settings.delay_warning)
        if soonest is None:
            return LONGEST_SLEEP
        return min(max(soonest - now, 0.0), LONGEST_SLEEP)

    async def _expire(self, now: float) -> None:
        index = self._store.index
        if await index.read(_anything_expired, now):
            for transfer in await index.write(transfers.expire_due, now):
                delivery_log.finished(
                    transfer.id,
                    state=str(transfer.state),
                    reason=f"{transfer.status} {transfer.reply}".strip() or "no answer",
                    trace=transfer.trace,
                )
        await index.write(consent.expire, now)

    async def _tell(self, now: float) -> None:
        index, warning = self._store.index, self._settings.delay_warning
        if not await index.read(transfers.notices_due, now, warning):
            return
        told = await index.write(notices.file_due, now, warning, self._hostname)
        for notice in told:
            delivery_log.notified(
                notice.transfer.id,
                to=str(notice.transfer.sender or ""),
                delayed=notice.delayed,
                trace=notice.transfer.trace,
            )

    async def _keep_house(self, now: float) -> None:
        before = now - self._settings.keep_finished
        await self._store.index.write(transfers.forget_finished, before)
        await self._store.index.write(trace.forget, before)
        await asyncio.to_thread(self._store.blobs.collect, now)


def _anything_expired(tx: Tx, now: float) -> bool:
    return any(t.expires <= now for t in transfers.everything(tx, final=False))


def _soonest(tx: Tx, delay_warning: float) -> float | None:
    """Return when the next transfer expires, or its sender is told of a delay."""
    found: list[float] = []
    for transfer in transfers.everything(tx, final=False):
        found.append(transfer.expires)
        if delay_warning and not transfer.warned:
            found.append(transfer.created + delay_warning)
    return min(found, default=None)
