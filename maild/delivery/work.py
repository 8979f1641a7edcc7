# SPDX-License-Identifier: Apache-2.0
"""What an attempt is given, and what it counts while it runs."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field
from time import monotonic

from maild.delivery.client import Client
from maild.delivery.progress import Progress
from maild.delivery.route import Router
from maild.delivery.settings import DeliverySettings
from maild.identity import Identity
from maild.store.house import Store
from maild.turn.callers import Callers


@dataclass(frozen=True, slots=True)
class Means:
    """Made once by the station; the same for every attempt."""

    settings: DeliverySettings
    identity: Identity
    store: Store
    router: Router
    client: Client
    readers: Executor
    """Threads that read blobs."""
    progress: Progress
    callers: Callers = field(default_factory=Callers)
    """Who has called for content, for want of a way to be reached."""


@dataclass(slots=True)
class Tally:
    """One attempt in numbers, for its delivery line (octets, seconds)."""

    clock: float
    """Unix seconds of its beginning."""
    began: float = field(default_factory=monotonic)
    connected: float | None = None
    """When the server had answered EHLO."""
    relay: str = ""
    ways: list[str] = field(default_factory=list)
    """By which the server was reached, in turn: "direct", or a rendezvous."""
    is_away: bool = False
    """Whether no way led to the server."""
    tls: str = "none"
    offset: int = 0
    """Octets of the message that the server had before."""
    sent: int = 0
    """Octets of the message that crossed the wire in this attempt."""
    landed: int = 0
    """Octets of the item that the server has acknowledged, earlier ones included."""

    @property
    def via(self) -> str:
        """The ways as the delivery line names them."""
        return "+".join(self.ways) or "none"

    def start_talking(self) -> None:
        """Note that the server has answered EHLO."""
        self.connected = monotonic()

    @property
    def connecting(self) -> float:
        """Seconds until the server was ready for MAIL, or gave up."""
        return (self.connected or monotonic()) - self.began

    @property
    def transferring(self) -> float:
        """Seconds since then."""
        return monotonic() - self.connected if self.connected else 0.0

    @property
    def rate(self) -> float:
        """Octets a second on the wire."""
        return self.sent / self.transferring if self.transferring > 0 else 0.0
