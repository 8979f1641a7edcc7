# SPDX-License-Identifier: Apache-2.0
"""A real meeting place on loopback, and ends of an offer that come to it; for tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from maild.backoff import NO_DELAYS
from maild.delivery.dialogue import Credentials, Dialogue
from maild.delivery.route import Stop
from maild.mail.turn import End
from maild.smtpd.listener import Turns
from maild.store.appointments import Appointment
from maild.store.house import Store
from maild.turn.callers import Callers
from maild.turn.gate import OfferGate
from maild.turn.meeting import Meeting
from maild.wire import smtp_turn
from tests.unit.delivery.peer import Peer
from tests.unit.delivery.rig import ALICE, BOB
from tests.unit.smtpd.live import Live, live

NONCE = "ab" * 16


@dataclass
class Place:
    """Where ends meet; ``known`` are the offers that may."""

    known: list[Appointment] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    callers: Callers = field(default_factory=Callers)
    live: Live | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.live is not None
        return self.live.ports["smtp"]

    @property
    def stop(self) -> Stop:
        """The same, as a route has it."""
        return Stop("rcs.example", ip_address("127.0.0.1"), self.port)

    def turns(self, store: Store) -> Turns:
        async def known(offer_id: str) -> list[Appointment]:
            return [each for each in self.known if each.offer_id == offer_id]

        return Turns(
            OfferGate(known, store.clock, NO_DELAYS, peers=self.secrets),
            Meeting(store, most=10, idle=60.0),
            self.callers,
        )

    @asynccontextmanager
    async def serving(self, root: Path) -> AsyncIterator[Place]:
        async with live(root, turns=self.turns) as self.live:
            yield self

    def expects(self, offer_id: str, secret: str = NONCE) -> Appointment:
        """Let an offer of alice's to bob have passed."""
        found = Appointment(offer_id, ALICE, BOB, secret, 10_000_000, 0, "t" * 16)
        self.known.append(found)
        return found


def credentials(offer_id: str, end: End, secret: str = NONCE) -> Credentials:
    return Credentials.of(secret, offer_id, ALICE, BOB, end)


async def enter(stop: Stop, who: Credentials, keyword: str = "ATRN") -> Dialogue:
    return await Dialogue.begin(
        stop, "mx.b.example", who, keyword=keyword, connect=20.0, idle=20.0
    )


@asynccontextmanager
async def calling(
    place: Place, offer: str | Credentials, peer: Peer, secret: str = NONCE
) -> AsyncIterator[None]:
    """Let a server wait at the place for an offer, and serve whoever comes."""
    who = offer
    if isinstance(who, str):
        who = credentials(who, End.DESTINATION, secret)

    async def call() -> None:
        dialogue = await enter(place.stop, who)
        ready.set()
        try:
            await dialogue.ask_for(250, smtp_turn.atrn(["b.example"]))
        except BaseException:
            dialogue.close()
            raise
        await served(dialogue.give(), peer)

    ready = asyncio.Event()
    task = asyncio.create_task(call())
    await ready.wait()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def served(connection: socket.socket, peer: Peer) -> None:
    """Be the server on a connection, until it ends."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer.serve(reader, writer)
        finally:
            ended.set()

    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_accepted_socket(
        lambda: asyncio.StreamReaderProtocol(reader, serve), connection
    )
    await ended.wait()
