# SPDX-License-Identifier: Apache-2.0
"""Where the two ends of an offer meet: who is first waits, the second joins them.

One connection of each end: who comes again has lost its old one, whatever that says.
Nothing is kept here but the connections themselves, and there are only so many: who
comes then may have the place of who has more (`maild.turn.places`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from maild import delivery_log
from maild.mail.reply import Reply, ReplyError
from maild.mail.turn import End
from maild.store import appointments, trace
from maild.store.appointments import Appointment
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.trace import TraceEvent
from maild.turn.gate import Party
from maild.turn.places import Place, who_makes_way
from maild.turn.splice import Half, Splice, Why
from maild.wire.smtp_reply import format_reply

MIB: Final = 2**20
SLACK: Final = 64 * MIB
"""Octets that may pass beyond the content and an eighth of it: what is sent again after
interruptions, TLS, commands and replies."""

TURNED = Reply(250, "0.0", "now reversing the connection")
CONNECTED = Reply(250, "0.0", "connected")
TOO_MANY = Reply(451, "3.2", "too many connections wait here")
DISPLACED = Reply(421, "4.2", "you have come again by another connection")
NOBODY_TO_MEET = Reply(450, "7.1", "there is no offer to meet for")
USED_UP = Reply(450, "7.1", "more has passed than was offered")

_WELCOME = {
    End.SOURCE: format_reply(CONNECTED),
    End.DESTINATION: format_reply(TURNED),
}
_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Waiting:
    place: Place
    half: Half
    met: asyncio.Future[Splice | None]
    """None: the source will not come by another connection."""


@dataclass(slots=True)
class _Joined:
    place: Place
    splice: Splice


def budget(appointment: Appointment) -> int:
    """Return how many octets may still pass between the ends of an offer."""
    size = appointment.size
    return size + size // 8 + SLACK - appointment.octets


class Meeting:
    """All who wait, and all who have met; ``idle`` in seconds, ``most`` connections."""

    def __init__(self, store: Store, *, most: int, idle: float) -> None:
        self._store = store
        self._most = most
        self._idle = idle
        self._waiting: dict[tuple[_Key, End], _Waiting] = {}
        self._joined: dict[_Key, _Joined] = {}

    @property
    def connections(self) -> int:
        """Connections that wait or are joined."""
        return len(self._waiting) + 2 * len(self._joined)

    async def join(self, party: Party, half: Half, patience: float) -> Splice | None:
        """Wait for the other end; None when it does not come for ``patience`` seconds.

        Both are told 250 before the first octet passes.  Raises `ReplyError`, or
        `ConnectionError` when who waits has gone.
        """
        appointment, end = party.appointment, party.end
        if appointment is None:
            raise ReplyError(NOBODY_TO_MEET)
        key = appointment.key
        self._displace(key, end)
        if budget(appointment) <= 0:
            raise ReplyError(USED_UP)
        other = self._waiting.pop((key, end.other), None)
        if other is not None and not other.half.gone.done():
            splice = self._joined_by(appointment, end, half, other.half)
            other.met.set_result(splice)
            return splice
        place = Place(key, appointment.is_accepted)
        if self.connections >= self._most:
            self._make_way(place)
        return await self._wait(place, end, half, patience)

    def accepted(self, key: _Key) -> None:
        """Note that an offer's answer has passed, which may have been overtaken."""
        for place in self._places():
            if place.key == key:
                place.is_accepted = True

    def dismiss(self, key: _Key) -> None:
        """Let a destination ask again: its content is here now."""
        waiting = self._waiting.pop((key, End.DESTINATION), None)
        if waiting is not None:
            waiting.met.set_result(None)

    async def _wait(
        self, place: Place, end: End, half: Half, patience: float
    ) -> Splice | None:
        met = asyncio.get_running_loop().create_future()
        waiting = self._waiting[place.key, end] = _Waiting(place, half, met)
        either: list[asyncio.Future[Any]] = [waiting.met, half.gone]
        try:
            await asyncio.wait(
                either,
                timeout=patience,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            if self._waiting.get((place.key, end)) is waiting:
                del self._waiting[place.key, end]
        if waiting.met.done():
            return waiting.met.result()
        if half.gone.done():
            raise ConnectionResetError
        return None

    def _displace(self, key: _Key, end: End) -> None:
        """Make an older connection of the same end make way: it may be dead."""
        waiting = self._waiting.pop((key, end), None)
        if waiting is not None:
            waiting.met.set_exception(ReplyError(DISPLACED, hang_up=True))
        self._part(key)

    def _part(self, key: _Key) -> None:
        joined = self._joined.pop(key, None)
        if joined is not None:
            joined.splice.end(Why.DISPLACED)

    def _places(self) -> list[Place]:
        """Return all places: those of who waits and of who is joined, oldest first."""
        waiting = [each.place for each in self._waiting.values()]
        return waiting + [each.place for each in self._joined.values()]

    def _make_way(self, newcomer: Place) -> None:
        """Let somebody who has more make way; raise if nobody has."""
        place = who_makes_way(self._places(), newcomer)
        if place is None:
            raise ReplyError(TOO_MANY)
        if place.is_joined:
            self._part(place.key)
            return
        for end in End:
            waiting = self._waiting.get((place.key, end))
            if waiting is not None and waiting.place is place:
                del self._waiting[place.key, end]
                waiting.met.set_exception(ReplyError(TOO_MANY))

    def _joined_by(
        self, appointment: Appointment, end: End, half: Half, other: Half
    ) -> Splice:
        index = self._store.index
        splice = Splice(
            half,
            other,
            budget=budget(appointment),
            idle=self._idle,
            note=lambda count: void(
                index.submit(appointments.passed, appointment, count)
            ),
        )
        place = Place(appointment.key, appointment.is_accepted, is_joined=True)
        self._joined[appointment.key] = _Joined(place, splice)
        splice.done.add_done_callback(self._over(appointment, splice))
        half.transport.write(_WELCOME[end])
        other.transport.write(_WELCOME[end.other])
        return splice

    def _over(
        self, appointment: Appointment, splice: Splice
    ) -> Callable[[asyncio.Future[Why]], None]:
        def over(done: asyncio.Future[Why]) -> None:
            joined = self._joined.get(appointment.key)
            if joined is not None and joined.splice is splice:
                del self._joined[appointment.key]
            delivery_log.spliced(
                appointment.offer_id,
                clients=splice.clients,
                octets=splice.octets,
                seconds=splice.seconds,
                why=done.result(),
                trace=appointment.trace,
            )
            self._store.index.submit(
                _note, appointment, splice.octets, done.result(), self._store.clock()
            )

        return over


def void(_: object) -> None:
    """Forget what a job submitted for later returns."""


def _note(tx: Tx, appointment: Appointment, octets: int, why: Why, now: float) -> None:
    text = f"two connections were joined, {octets} octets passed unread ({why})"
    trace.note(
        tx,
        TraceEvent(now, appointment.trace, appointment.offer_id, "rendezvous", text),
    )
