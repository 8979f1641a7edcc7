# SPDX-License-Identifier: Apache-2.0
"""The station of time: what expires, who is told, what is forgotten and collected.

Sleeps until the next transfer expires or the queue changes.  A notice is put into the
sender's own INBOX in the job that records that it was given: told once, never twice,
and never to an address that neither logged in here nor showed a ticket: that would be
backscatter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from maild import delivery_log
from maild.identity import Identity
from maild.queue import notices
from maild.queue.leap import Leaps
from maild.queue.settings import QueueSettings
from maild.store import address_requests, parting, passages, trace, transfers
from maild.store.errors import StoreBrokenError
from maild.store.house import Store
from maild.store.parting import Ended

_log = logging.getLogger("maild.queue")

HOUSEKEEPING: Final = 3600.0
"""Seconds between two rounds of forgetting and collecting."""
LONGEST_SLEEP: Final = 60.0
"""Seconds after which the queue is looked at without a reason."""
SHORTEST_SLEEP: Final = 0.2
"""Seconds between two looks, however often the queue changes."""


class QueueStation:
    """Moves nothing itself: it only lets time pass over the queue.

    ``steady``: seconds that pass, whoever sets the store's clock.
    """

    def __init__(
        self,
        settings: QueueSettings,
        identity: Identity,
        store: Store,
        steady: Callable[[], float] = monotonic,
    ) -> None:
        self._settings = settings
        self._hostname = identity.hostname
        self._store = store
        self._kept_house = 0.0
        self._looked_at_offers = 0.0
        self._leaps = Leaps(HOUSEKEEPING, steady)

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until cancelled."""
        with self._store.changes.watch("queue") as watch:
            started()
            while not self._store.broken:
                try:
                    pause = await self.look()
                except Exception:  # noqa: BLE001 - the next look may go well
                    _log.exception("a look at the queue failed")
                    pause = LONGEST_SLEEP
                await asyncio.sleep(SHORTEST_SLEEP)
                await watch.wait(pause)
        raise StoreBrokenError("the device refused a sync")  # it is never retried

    async def look(self) -> float:
        """Do what is due now and return the seconds until something else may be."""
        now = self._store.clock()
        leapt = self._leaps.seen(now)
        if leapt is not None:
            _log.warning(
                "the clock has leapt %.0f s ahead: nothing ends by time for %.0f s",
                leapt,
                HOUSEKEEPING,
            )
        if self._leaps.is_trusted:
            await self._expire(now)
            await self._expire_offers(now)
        await self._tell(now)
        if self._leaps.is_trusted and abs(now - self._kept_house) >= HOUSEKEEPING:
            self._kept_house = now
            await self._keep_house(now)
        return await self._pause(now)

    async def _pause(self, now: float) -> float:
        """Return the seconds to sleep unless the queue changes.

        A delay needs no exact warning: a quarter of its time is near enough.
        """
        soonest = await self._store.index.read(transfers.next_expiry)
        pause = LONGEST_SLEEP
        if soonest is not None and soonest > now:
            pause = min(pause, soonest - now)
        if self._settings.delay_warning:
            pause = min(pause, max(self._settings.delay_warning / 4, SHORTEST_SLEEP))
        return pause

    async def _expire(self, now: float) -> None:
        index = self._store.index
        soonest = await index.read(transfers.next_expiry)
        if soonest is None or soonest > now:
            return
        for transfer in await index.write(transfers.expire_due, now):
            delivery_log.finished(
                transfer.id,
                state=str(transfer.state),
                reason=f"{transfer.status} {transfer.reply}",
                trace=transfer.trace,
            )

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
        await self._store.index.write(passages.forget, before)
        await self._store.index.write(address_requests.forget, before)
        patience, hostname = self._settings.lifetime, self._hostname
        self._log_parted(
            await asyncio.to_thread(
                parting.sweep, self._store.index, patience, hostname, now
            )
        )
        await asyncio.to_thread(self._store.blobs.collect, now)

    async def _expire_offers(self, now: float) -> None:
        """Close offers made to us: nobody waits for that, so once a minute will do."""
        if abs(now - self._looked_at_offers) >= LONGEST_SLEEP:
            self._looked_at_offers = now
            if await self._store.index.read(address_requests.is_one_due, now):
                await self._store.index.write(address_requests.expire, now)
            self._log_parted(
                await self._store.index.write(parting.expire, self._hostname, now)
            )

    def _log_parted(self, ended: Iterable[Ended]) -> None:
        for one in ended:
            delivery_log.parted(
                one.id,
                to=str(one.to),
                why=str(one.parting.cause),
                octets=one.parting.landed,
                size=one.parting.size,
                trace=one.trace,
            )
