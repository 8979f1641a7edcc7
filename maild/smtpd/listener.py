# SPDX-License-Identifier: Apache-2.0
"""What a session is given by the listener that took its connection."""

from __future__ import annotations

import ipaddress
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from maild.backoff import network
from maild.identity import Identity
from maild.login import Gate
from maild.mail.transfer import Lifetimes
from maild.promises import Promises
from maild.smtpd.known import Residents, Room
from maild.smtpd.monitoring import Monitor
from maild.smtpd.restart import Checkpoints
from maild.store.address_verdict import USUAL, Bounds
from maild.store.forwarding import NOTHING, Keeping
from maild.store.house import Store
from maild.store.sharing import Shared
from maild.turn.callers import Callers
from maild.turn.gate import OfferGate
from maild.turn.meeting import Meeting

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True)
class Guests:
    """Who is connected: ``most`` in all, ``most_each`` from one address or IPv6 /64."""

    most: int
    most_each: int
    _clients: Counter[str] = field(default_factory=Counter)

    def enter(self, client: str) -> bool:
        """Count a connection in; False when there are too many already."""
        client = network(client)
        if self._clients.total() >= self.most:
            return False
        if self._clients[client] >= self.most_each:
            return False
        self._clients[client] += 1
        return True

    def leave(self, client: str) -> None:
        """Count a connection out."""
        client = network(client)
        self._clients[client] -= 1
        if self._clients[client] <= 0:
            del self._clients[client]


@dataclass(frozen=True, slots=True)
class Turns:
    """Where the ends of offers log in, and meet."""

    gate: OfferGate
    meeting: Meeting
    callers: Callers


@dataclass(frozen=True, slots=True)
class Listener:
    """One kind of listener: what it is for, its limits, and what it works with.

    Sizes in octets, ``idle_timeout`` in seconds.
    """

    station: str
    """Name in the log: smtpd or submission."""
    is_submission: bool
    size_limit: int
    ordinary_limit: int
    """Largest message without an accepted offer."""
    idle_timeout: float
    guests: Guests
    plain_networks: tuple[Network, ...]
    """From where ticketed content is taken without TLS."""
    identity: Identity
    store: Store
    gate: Gate
    lifetimes: Lifetimes
    checkpoints: Checkpoints
    residents: Residents
    room: Room
    promises: Promises
    monitor: Monitor
    threads: ThreadPoolExecutor
    """Where octets are hashed and written, which waits for the device only."""
    socket_threads: ThreadPoolExecutor
    """Where chunks are read from sockets in clear; a thread for each."""
    pieces: Shared
    """Of all chunks that arrive, whatever the listener."""
    asking: Bounds = USUAL
    """What numbers may ask for here."""
    keeping: Keeping = NOTHING
    """What may be kept for servers that stay away."""
    turns: Turns | None = None
    """None where nobody may turn a connection."""

    def may_be_plain(self, client: str) -> bool:
        """Whether ticketed content may come from IP ``client`` without TLS."""
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self.plain_networks)
