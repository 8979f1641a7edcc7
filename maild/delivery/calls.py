# SPDX-License-Identifier: Apache-2.0
"""The station that calls for what was accepted: where nobody can connect to us, we do.

For each accepted offer that came by a rendezvous one connection waits there, as long
as its content has not arrived; for any other one, at its sender's own server, once
nothing of it has come for a while; and one for all mail, where the operators of both
servers have agreed on that.  Who comes finds us there as the server (ATRN, RFC 2645);
whoever receives in this process takes it from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import SystemRandom
from time import monotonic

from maild import delivery_log
from maild.delivery import guard
from maild.delivery.dialogue import NOT_KNOWN, Credentials, Dialogue
from maild.delivery.names import Resolver
from maild.delivery.route import Names, Router
from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.delivery.sockets import UnreachableError
from maild.identity import Identity
from maild.mail.reply import Reply, ReplyError
from maild.mail.turn import End
from maild.store import appointments
from maild.store.appointments import Appointment
from maild.store.errors import StoreBrokenError
from maild.store.house import Store
from maild.turn.visitors import Visitors
from maild.wire import smtp_turn

_log = logging.getLogger("maild.delivery")
_jitter = SystemRandom().uniform

Key = tuple[str, ...]

LONGEST_WAIT = 600.0
"""Seconds that ATRN may take (RFC 2645 §5.2.1: at least ten minutes)."""
AGAIN = 1.0
"""Seconds until the next call; doubled each time that it was for nothing."""
AGAIN_MOST = 300.0
"""Most seconds between two calls."""
LOOK = 60.0
"""Seconds after which the offers are looked at without a reason."""
AFTER_ERROR = 1.0
"""Seconds until the next look when the store could not answer."""
WORTH = 5.0
"""Seconds that a call must have lasted to be followed by the next one at once."""
UNKNOWN = 3
"""Refusals of who we are after which an offer is taken for one that did not pass there,
whatever it says; each one makes us wait there for all the others (`maild.backoff`)."""
AGAIN_UNKNOWN = 3600.0
"""Seconds between two calls for such a one: until then failures are forgotten."""
NO_STOP = Reply(451, "4.4", "no server to call")
NOBODY_CAME = 453
"""What ATRN is answered while there is nothing (RFC 2645 §7)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One reason to call somewhere."""

    key: Key
    name: str
    """For the log: an offer's id, or the domain of who is called."""
    where: str
    """Domain of the server that is called."""
    domain: str
    """Ours, for which we are called back."""
    who: Credentials
    appointment: Appointment | None = None
    """None when it is for whatever there is."""

    @property
    def trace(self) -> str:
        """Of the content that is called for, if it is for any."""
        return "none" if self.appointment is None else self.appointment.trace


def _for_content(found: Appointment) -> Call:
    who = Credentials.of(
        found.secret, found.offer_id, found.sender, found.recipient, End.DESTINATION
    )
    domain = found.recipient.domain
    return Call(found.key, found.offer_id, found.where, domain, who, found)


def next_pause(pause: float, lasted: float, refusals: int) -> float:
    """Return the seconds until the next call; ``pause`` were those until the last one.

    ``lasted``: seconds of that one; ``refusals`` of who we are, so many in a row.
    """
    if refusals >= UNKNOWN:
        return AGAIN_UNKNOWN
    if lasted > WORTH or not pause:
        return AGAIN
    return min(2 * pause, AGAIN_MOST)


class CallStation:
    """Keeps one call for each offer that is awaited, and a bounded number of them."""

    def __init__(
        self,
        settings: DeliverySettings,
        peers: Mapping[str, PeerSettings],
        identity: Identity,
        store: Store,
        visitors: Visitors,
        *,
        names: Names | None = None,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._store = store
        self._visitors = visitors
        self._router = Router(
            peers,
            names or Resolver(settings.nameservers),
            hostname=identity.hostname,
            port=settings.port,
            private_networks=guard.networks(settings.private_networks),
        )
        own = min(identity.domains - identity.rendezvous, default="")
        self._standing = [
            Call((domain,), domain, domain, own, Credentials(own, peer.secret))
            for domain, peer in peers.items()
            if peer.call and own
        ]
        self._calls: dict[Key, asyncio.Task[None]] = {}
        self._answered: set[Key] = set()
        """Those by which somebody is bringing something now."""

    async def run(self, started: Callable[[], None]) -> None:
        """Call until cancelled."""
        started()
        with self._store.changes.watch("queue") as watch:  # an answer is queued there
            async with asyncio.TaskGroup() as group:
                while not self._store.broken:
                    pause = min(LOOK, self._settings.call_after)
                    try:
                        await self._look(group, watch.wake)
                    except Exception:  # noqa: BLE001 - the next look may go well
                        _log.exception("a look at what is awaited failed")
                        await asyncio.sleep(AFTER_ERROR)
                    await watch.wait(pause)
        raise StoreBrokenError("the device refused a sync")

    async def _look(self, group: asyncio.TaskGroup, wake: Callable[[], None]) -> None:
        """Call for what is awaited, and for nothing else."""
        store, most = self._store, self._settings.calls
        found = await store.index.read(
            appointments.awaited, store.clock(), self._settings.call_after, most
        )
        away = [each for each in found if each.where not in self._identity.domains]
        wanted = [*self._standing, *map(_for_content, away)]
        awaited = {call.key: call for call in wanted[:most]}
        for key in self._calls.keys() - awaited.keys() - self._answered:
            self._calls[key].cancel()
        for key, call in awaited.items():
            if key not in self._calls and len(self._calls) < most:
                task = group.create_task(self._call(call))
                self._calls[key] = task
                task.add_done_callback(self._ended(key, wake))

    def _ended(
        self, key: Key, wake: Callable[[], None]
    ) -> Callable[[asyncio.Task[None]], None]:
        def ended(_: asyncio.Task[None]) -> None:
            del self._calls[key]
            self._answered.discard(key)
            wake()

        return ended

    async def _call(self, call: Call) -> None:
        """Call again and again, until there is nothing to call for any more."""
        pause, refusals = 0.0, 0
        while True:
            began = monotonic()
            try:
                if not await self._is_awaited(call):
                    return
                await self._once(call)
            except (ReplyError, OSError) as error:
                delivery_log.called_in_vain(
                    call.name, at=call.where, why=str(error), trace=call.trace
                )
                is_refusal = isinstance(error, ReplyError) and error.reply == NOT_KNOWN
                refusals = refusals + 1 if is_refusal else 0
            except Exception:  # noqa: BLE001 - the next call may go well
                _log.exception("a call failed")
            pause = next_pause(pause, monotonic() - began, refusals)
            await asyncio.sleep(pause * _jitter(0.9, 1.1))

    async def _once(self, call: Call) -> None:
        """Call, wait until somebody comes, and let them be received."""
        if not self._visitors.are_received:
            raise ConnectionError("nobody receives in this process")
        dialogue = await self._log_in(call)
        try:
            await self._turn(dialogue, call)
        except BaseException:
            dialogue.close()
            raise
        self._answered.add(call.key)
        try:
            delivery_log.turned(call.name, at=str(dialogue), trace=call.trace)
            await self._visitors.bring(dialogue.give())
        finally:
            self._answered.discard(call.key)

    async def _turn(self, dialogue: Dialogue, call: Call) -> None:
        """Wait until somebody comes, however often we are told that nobody has."""
        command = smtp_turn.atrn([call.domain])
        patience = max(1.0, LONGEST_WAIT / self._settings.idle_timeout)
        reply = await dialogue.ask(command, patience=patience)
        while reply.code == NOBODY_CAME and await self._is_awaited(call):
            reply = await dialogue.ask(command, patience=patience)
        if reply.code != 250:
            raise ReplyError(reply)

    async def _log_in(self, call: Call) -> Dialogue:
        """Connect to the first address of the meeting place that answers."""
        route = await self._router.find(call.where)
        last = UnreachableError(NO_STOP)
        for stop in route.stops:
            try:
                return await Dialogue.begin(
                    stop,
                    self._identity.hostname,
                    call.who,
                    keyword="ATRN",
                    connect=self._settings.connect_timeout,
                    idle=self._settings.idle_timeout,
                )
            except UnreachableError as error:
                last = error
        raise last

    async def _is_awaited(self, call: Call) -> bool:
        store, found = self._store, call.appointment
        return found is None or await store.index.read(
            appointments.is_awaited, found, store.clock()
        )
