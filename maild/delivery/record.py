# SPDX-License-Identifier: Apache-2.0
"""What one attempt leaves behind: its events, its outcome, its line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from secrets import SystemRandom
from typing import Any

from maild import delivery_log
from maild.delivery.outcome import Outcome, content_flows, record
from maild.delivery.parcel import NOT_WHOLE_YET
from maild.delivery.work import Means, Tally
from maild.delivery_log import Delays
from maild.mail.transfer import Event, IllegalTransitionError, retry_delay
from maild.store import trace, transfers
from maild.store.errors import NotFoundError, StoreBrokenError
from maild.store.trace import TraceEvent
from maild.store.transfers import Transfer

_log = logging.getLogger("maild.delivery")
_jitter = SystemRandom().uniform

MEETING_MOST = 300.0
"""Most seconds between two attempts where a rendezvous is the way: the destination that
has come back waits there, and nobody tells us."""
RECORD_AGAIN = 1.0
"""Seconds until an outcome that could not be recorded is recorded again; doubles."""
RECORD_AGAIN_MOST = 60.0
"""Longest such time, in seconds."""


class Record:
    """Of one attempt; ``tally`` goes on counting while it runs."""

    def __init__(self, transfer: Transfer, means: Means, tally: Tally) -> None:
        self._transfer = transfer
        self._means = means
        self._tally = tally
        self.is_kept = False
        """Whether the outcome is on the device."""

    async def content_flows(
        self, offset: int, total: int, *, kept: bool = False
    ) -> None:
        """Record that content flows, from ``offset`` of ``total`` octets, and how."""
        tally = self._tally
        text = f"content flows to {tally.relay} from octet {offset} of {total}"
        if kept:
            text += f", which keeps it for {self._transfer.recipient.domain}"
        elif tally.ways[-1:] == ["atrn"]:
            text += ", which has called us"
        elif tally.ways[-1:] != ["direct"]:
            text += f", joined to {self._transfer.recipient.domain} by {tally.ways[-1]}"
        elif tally.ways[1:]:
            text += ": the direct way is open"
        await self._means.store.index.write(
            content_flows,
            self._transfer,
            tally.via,
            self._now(),
            self._event(text),
            kept=kept,
        )

    def offer_left(self) -> None:
        """Record that the server may have an offer, though its transfer may be over.

        Not waited for: should it get lost, whoever accepts the offer is told then.
        """
        self._means.store.index.submit(
            transfers.withdraw_if_over, self._transfer.id, self._now()
        )

    async def keep(
        self, outcome: Outcome, hang_up: Callable[[], Awaitable[None]]
    ) -> None:
        """Record the outcome, however long the store has no room for it.

        What the peer has taken must not be sent again because our disk is full; while
        that lasts the connection is not kept: ``hang_up`` ends it.
        """
        pause = RECORD_AGAIN
        while True:
            try:
                return await self._outcome(outcome)
            except StoreBrokenError:
                raise
            except Exception:  # noqa: BLE001 - the claim stands until it is recorded
                _log.exception("%s: an outcome is not recorded", self._transfer.id)
            await hang_up()
            await asyncio.sleep(pause)
            pause = min(2 * pause, RECORD_AGAIN_MOST)

    async def _outcome(self, outcome: Outcome) -> None:
        index, now = self._means.store.index, self._now()
        relay = self._tally.relay
        where = f"by {relay}" if relay else "before any server was asked"
        why = delivery_log.clean(str(outcome.reply))
        event = self._event(f"{outcome.word} {where}: {why}")
        settings = self._means.settings
        waits = outcome.reply == NOT_WHOLE_YET  # for us, not for the next hop
        delay = retry_delay(
            1 if waits else self._transfer.attempts + 1,
            first=settings.retry_first,
            most=min(settings.retry_most, MEETING_MOST)
            if self._transfer.via or self._transfer.is_kept
            else settings.retry_most,
        )
        delay *= _jitter(0.9, 1.1)
        if self._tally.is_away and settings.relay_after:
            away = now if self._transfer.away is None else self._transfer.away
            left = away + settings.relay_after - now  # until it may be kept elsewhere
            delay = min(delay, left) if left > 0 else delay
        try:
            await self._written(
                index.write(
                    record,
                    self._transfer,
                    outcome,
                    now,
                    self._tally,
                    now + delay,
                    event,
                )
            )
        except (IllegalTransitionError, NotFoundError):
            # the answer overtook the offer's 250, or the transfer was taken back
            await index.write(trace.note, event)
            if outcome.event is Event.OFFER_TAKEN:
                self.offer_left()

    async def _written(self, writing: Coroutine[Any, Any, None]) -> None:
        """Wait for a job even when cancelled: the line must tell what came of it."""
        task = asyncio.create_task(writing)
        try:
            await asyncio.shield(task)
        finally:
            await asyncio.wait([task])
            self.is_kept = task.exception() is None

    def log_line(self, outcome: Outcome) -> None:
        """Log the delivery line."""
        transfer, tally = self._transfer, self._tally
        delivery_log.attempted(
            transfer.id,
            to=str(transfer.recipient),
            relay=tally.relay,
            delays=Delays(
                before=0.0,
                queued=max(0.0, tally.clock - transfer.created),
                connecting=tally.connecting,
                transferring=tally.transferring,
            ),
            reply=outcome.reply,
            outcome=outcome.word,
            octets=tally.sent,
            offset=tally.offset,
            rate=tally.rate,
            tls=tally.tls,
            trace=transfer.trace,
            via=tally.via,
        )

    def _event(self, text: str) -> TraceEvent:
        transfer = self._transfer
        return TraceEvent(self._now(), transfer.trace, transfer.id, "delivery", text)

    def _now(self) -> float:
        return self._means.store.clock()
