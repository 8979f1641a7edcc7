# SPDX-License-Identifier: GPL-3.0-only
"""Whether the network is metered, as NetworkManager says (D-Bus, dbus-fast).

Where there is no NetworkManager the network counts as unmetered.  Only what the owner
of its name says is believed: anybody may send a signal on the system's bus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dbus_fast import BusType, Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

NAME = "org.freedesktop.NetworkManager"
PATH = "/org/freedesktop/NetworkManager"
BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"
METERED = frozenset({1, 3})
"""NMMetered: yes, and guess-yes."""
LIMITED = 3
"""NMConnectivityState: from here on something can be reached."""
PATIENCE = 5.0
"""Seconds to wait for the bus, and for an answer."""
GRACE = 15.0
"""Seconds that the last word counts when NetworkManager goes: it may be restarted."""
AGAIN = 5.0
"""Seconds until a bus that was lost is looked for again, at first."""
AGAIN_LATER = 60.0
"""The same, once it counts as absent."""

ABSENT = "there is no NetworkManager here: the network counts as unmetered"


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of the network."""

    metered: bool = False
    reachable: bool = True
    """Whether anything can be reached; only a hint when to try again."""


class NetworkManager:
    """Listens to it; ``heard`` is told each state, ``tell`` once that there is none."""

    def __init__(
        self,
        heard: Callable[[Network], None],
        tell: Callable[[str], None],
        grace: float = GRACE,
    ) -> None:
        self._heard = heard
        self._tell = tell
        self._grace = grace
        self._facts: dict[str, Any] = {}
        self._owner = ""
        self._leaving: asyncio.TimerHandle | None = None
        self._was_absent = False
        self._fresh: dict[str, Any] = {}
        """What was signalled since everything was asked for."""
        self._turn = 0
        """Counts the owners of the name."""
        self._meeting: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Listen without end; a bus that is lost is looked for again."""
        while True:
            bus = None
            try:
                async with asyncio.timeout(PATIENCE):
                    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
                    await self._begin(bus)
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call] # not typed there
            except Exception:  # noqa: BLE001, S110 # whatever a bus, or the library, does: there is none
                pass
            finally:
                if bus is not None:
                    bus.disconnect()
            self._left()
            await asyncio.sleep(AGAIN if self._facts else AGAIN_LATER)

    async def _begin(self, bus: MessageBus) -> None:
        def take(message: Message) -> None:
            self._take(bus, message)

        bus.add_message_handler(take)
        for rule in (
            f"type='signal',sender='{NAME}',path='{PATH}',interface='{PROPERTIES}'",
            f"type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{NAME}'",
        ):
            await _call(bus, BUS, BUS_PATH, BUS, "AddMatch", "s", rule)
        self._turn += 1
        turn = self._turn
        try:
            owner = await _call(bus, BUS, BUS_PATH, BUS, "GetNameOwner", "s", NAME)
        except DBusError:
            owner = ""
        if turn == self._turn:  # a signal that came meanwhile is newer
            self._owner = str(owner)
            await self._meet(bus)

    async def _meet(self, bus: MessageBus) -> None:
        """Ask the owner of the name for everything at once, if there is one."""
        if not self._owner:
            self._left()
            return
        self._fresh = {}
        facts = await _call(bus, self._owner, PATH, PROPERTIES, "GetAll", "s", NAME)
        if isinstance(facts, dict):  # what was signalled meanwhile is newer
            self._note({**facts, **self._fresh})
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _take(self, bus: MessageBus, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        match (message.sender, message.member, message.body):
            case (sender, "PropertiesChanged", [str(interface), dict(facts), *_]):
                if sender == self._owner and interface == NAME:
                    self._fresh.update(facts)
                    self._note(facts)
            case (sender, "NameOwnerChanged", [str(name), str(_), str(owner)]):
                if sender == BUS and name == NAME:
                    self._change_owner(bus, owner)
            case _:
                pass

    def _change_owner(self, bus: MessageBus, owner: str) -> None:
        self._turn += 1
        self._owner = owner

        async def meet() -> None:
            with suppress(DBusError, OSError):
                async with asyncio.timeout(PATIENCE):
                    await self._meet(bus)

        task = asyncio.ensure_future(meet())
        self._meeting.add(task)
        task.add_done_callback(self._meeting.discard)

    def _note(self, facts: dict[str, Any]) -> None:
        for name in ("Metered", "Connectivity"):
            value = getattr(facts.get(name), "value", None)
            if isinstance(value, int):
                self._facts[name] = value
        self._heard(
            Network(
                metered=self._facts.get("Metered", 0) in METERED,
                reachable=self._facts.get("Connectivity", 4) >= LIMITED
                or self._facts.get("Connectivity") == 0,
            )
        )

    def _left(self) -> None:
        """Take it that there is none; but not at once when there was one."""
        self._owner = ""
        if not self._facts:
            self._absent()
        elif self._leaving is None:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(self._grace, self._absent)

    def _absent(self) -> None:
        self._facts, self._leaving = {}, None
        if not self._was_absent:
            self._tell(ABSENT)
        self._was_absent = True
        self._heard(Network())


async def _call(
    bus: MessageBus, to: str, path: str, interface: str, member: str, *what: str
) -> Any:
    """Call a method; return the first value of its answer.  It starts no service."""
    signature, *body = what
    reply = await bus.call(
        Message(
            destination=to,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body,
            flags=MessageFlag.NO_AUTOSTART,
        )
    )
    if reply.message_type is MessageType.ERROR:
        raise DBusError(reply.error_name or f"{BUS}.Error.Failed", "no answer")
    return reply.body[0] if reply.body else None
