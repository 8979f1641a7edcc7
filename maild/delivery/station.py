# SPDX-License-Identifier: Apache-2.0
"""The outgoing station: claims what is due and keeps attempts running, so many at once.

Sleeps until the next transfer is due or the queue has changed.  A transfer that is
taken back or held while its attempt runs stops that attempt.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from maild.delivery import guard
from maild.delivery.attempt import Attempt
from maild.delivery.client import Client
from maild.delivery.names import Resolver
from maild.delivery.progress import Progress
from maild.delivery.route import Names, Router
from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.delivery.trust import Trust
from maild.delivery.work import Means
from maild.identity import Identity
from maild.mail.transfer import ACTIVE, Event, State
from maild.store import transfers
from maild.store.errors import NotFoundError, StoreBrokenError, StoreError
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.transfers import Lanes, Slots, Transfer
from maild.turn.callers import Callers

_log = logging.getLogger("maild.delivery")

OWNER: Final = "delivery"
"""Who claims: one delivery process serves one store."""
READERS: Final = 4
"""Threads that read blobs for all attempts."""
BACKLOG: Final = 4
"""Transfers claimed for one domain at once, in multiples of ``per_next_hop``."""
LONGEST_SLEEP: Final = 60.0
"""Seconds after which the queue is looked at without a reason."""
LONGEST_WAIT: Final = 1.2
"""Times ``retry_most``: what is due later was put off by a clock that went ahead."""
AFTER_ERROR: Final = 1.0
"""Seconds until the next look when the store could not answer (it may be full)."""
_STOPPED = frozenset({State.CANCELLED, State.EXPIRED, State.FAILED})


class DeliveryStation:
    """Everything that leaves this server passes here."""

    def __init__(
        self,
        settings: DeliverySettings,
        peers: Mapping[str, PeerSettings],
        identity: Identity,
        store: Store,
        *,
        names: Names | None = None,
        callers: Callers | None = None,
    ) -> None:
        self._callers = callers or Callers()
        self._settings = settings
        self._store = store
        self._trust = Trust(settings.ca_file)
        self._router = Router(
            peers,
            names or Resolver(settings.nameservers),
            hostname=identity.hostname,
            port=settings.port,
            private_networks=guard.networks(settings.private_networks),
        )
        self._identity = identity
        self._client = Client(settings, identity, self._trust)
        self._running: dict[str, tuple[Attempt, asyncio.Task[None]]] = {}
        self._waiting: deque[Transfer] = deque()
        self._busy: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        """Attempts of each domain: small mail, and pushes."""

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until cancelled; what is under way then is due again at once.

        A second process would take what this one is sending for abandoned.
        """
        await asyncio.to_thread(self._trust.load)
        with self._store.alone(OWNER):
            await self._deliver(started)

    async def _deliver(self, started: Callable[[], None]) -> None:
        index = self._store.index
        await index.write(transfers.abandon_claims, OWNER, self._store.clock())
        with ThreadPoolExecutor(READERS, "delivery-reader") as readers:
            means = Means(
                self._settings,
                self._identity,
                self._store,
                self._router,
                self._client,
                readers,
                Progress(self._store),
                self._callers,
            )
            started()
            try:
                async with asyncio.TaskGroup() as group:
                    await self._serve(group, means)
            finally:
                with suppress(StoreError):  # the next start does the same
                    await index.write(
                        transfers.abandon_claims, OWNER, self._store.clock()
                    )

    async def _serve(self, group: asyncio.TaskGroup, means: Means) -> None:
        with self._store.changes.watch("queue") as watch:
            while not self._store.broken:
                try:
                    await self._stop_unwanted()
                    await self._claim()
                    self._start(group, means, watch.wake)
                    pause = await self._pause()
                except Exception:  # noqa: BLE001 - the next look may go well
                    _log.exception("a look at the queue failed")
                    await asyncio.sleep(AFTER_ERROR)
                    pause = AFTER_ERROR
                await watch.wait(pause)
        raise StoreBrokenError("the device refused a sync")

    @property
    def _room(self) -> int:
        """Transfers that may be claimed now."""
        return self._settings.attempts - len(self._running)

    @property
    def _lanes(self) -> Lanes:
        """What may be claimed for each domain: a slow one holds up no other.

        A push is claimed when it can begin: it may take long, and says so until then.
        """
        each = self._settings.per_next_hop
        waiting: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        for transfer in self._waiting:
            waiting[_is_push(transfer)][transfer.recipient.domain] += 1
        pushes = sum(waiting[True].values()) + self._busy[True].total()
        return Lanes(
            Slots(each * BACKLOG, self._busy[False] + waiting[False]),
            Slots(each, self._busy[True] + waiting[True]),
            _most_pushes(self._settings.attempts) - pushes,
        )

    async def _claim(self) -> None:
        """Take what is due, as much as there may be under way or waiting."""
        now, most, lanes = self._store.clock(), self._room, self._lanes
        due, last = await self._store.index.read(_dues, lanes)
        latest = now + self._settings.retry_most * LONGEST_WAIT
        if last is not None and last > latest:
            await self._store.index.write(transfers.bring_forward, latest, now)
        if most > 0 and due is not None and due <= now:
            self._waiting += await self._store.index.write(
                transfers.claim, OWNER, now, most, lanes
            )

    def _start(
        self, group: asyncio.TaskGroup, means: Means, wake: Callable[[], None]
    ) -> None:
        """Begin attempts; what finds its next hop busy waits, others pass it."""
        passed: deque[Transfer] = deque()
        while self._waiting and len(self._running) < self._settings.attempts:
            transfer = self._waiting.popleft()
            domain, lane = transfer.recipient.domain, self._busy[_is_push(transfer)]
            busy = lane[domain] >= self._settings.per_next_hop
            if busy or transfer.id in self._running:
                passed.append(transfer)
                continue
            lane[domain] += 1
            attempt = Attempt(transfer, means)
            task = group.create_task(attempt.run(), name=transfer.id)
            self._running[transfer.id] = attempt, task
            task.add_done_callback(self._ended(transfer, wake))
        passed.extend(self._waiting)
        self._waiting = passed

    def _ended(
        self, transfer: Transfer, wake: Callable[[], None]
    ) -> Callable[[asyncio.Task[None]], None]:
        def ended(_: asyncio.Task[None]) -> None:
            self._running.pop(transfer.id, None)
            lane = self._busy[_is_push(transfer)]
            lane[transfer.recipient.domain] -= 1
            if not lane[transfer.recipient.domain]:
                del lane[transfer.recipient.domain]
            wake()

        return ended

    async def _pause(self) -> float:
        """Return the seconds to sleep unless the queue changes."""
        if self._room <= 0:
            return LONGEST_SLEEP  # an attempt that ends wakes us
        due = await self._store.index.read(transfers.next_due, self._lanes)
        if due is None:
            return LONGEST_SLEEP
        return min(max(due - self._store.clock(), 0.05), LONGEST_SLEEP)

    async def _stop_unwanted(self) -> None:
        """Stop attempts whose transfer was taken back or is held."""
        names = [t.id for t in self._waiting]
        names += [name for name, (a, _) in self._running.items() if not a.is_decided]
        if not names:
            return
        unwanted = await self._store.index.read(_unwanted, names)
        self._waiting = deque(t for t in self._waiting if t.id not in unwanted)
        for transfer_id in unwanted & self._running.keys():
            self._running[transfer_id][1].cancel()
        for transfer_id in unwanted:
            await self._store.index.write(_release, transfer_id, self._store.clock())


def _is_push(transfer: Transfer) -> bool:
    return transfer.ticket is not None


def _most_pushes(attempts: int) -> int:
    """Return how many attempts may be pushes: some are always left for small mail."""
    return max(1, attempts - max(1, attempts // 4))


def _dues(tx: Tx, lanes: Lanes) -> tuple[float | None, float | None]:
    """Return when the next and the last transfer that waits is due."""
    return transfers.next_due(tx, lanes), transfers.last_due(tx)


def _unwanted(tx: Tx, names: list[str]) -> set[str]:
    """Return which of these transfers must not go on."""
    found: set[str] = set()
    for name in names:
        try:
            transfer = transfers.get(tx, name)
        except NotFoundError:
            found.add(name)
            continue
        if transfer.state in _STOPPED or (transfer.held and transfer.state in ACTIVE):
            found.add(name)
    return found


def _release(tx: Tx, transfer_id: str, now: float) -> None:
    """Defer a held transfer that was active; change nothing else."""
    try:
        transfer = transfers.get(tx, transfer_id)
    except NotFoundError:
        return
    if transfer.state in ACTIVE:
        transfers.advance(tx, transfer_id, Event.RELEASE_CLAIM, now, due=now)
