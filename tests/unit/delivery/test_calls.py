# SPDX-License-Identifier: Apache-2.0
"""Calling for what was accepted, where nobody can connect to us."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maild.delivery import calls
from maild.delivery.calls import CallStation
from maild.delivery.dialogue import Dialogue
from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.identity import Identity
from maild.mail.offer import Offer, proof
from maild.mail.turn import End
from maild.store import accounts, appointments, consent, messages
from maild.store.appointments import Appointment
from maild.store.house import Store
from maild.store.index import Tx
from maild.turn.visitors import Visitors
from maild.wire import smtp_turn
from tests.unit.delivery.meeting import NONCE, Place, credentials, enter
from tests.unit.delivery.post import KEYS, structure
from tests.unit.delivery.rig import ALICE, BOB, open_store

NOW = 1_000_000.0
TICKET = "cd" * 16
LIMIT = 30.0
OURS = Identity("mx.b.example", frozenset({"b.example"}), None, b"")


def accept(tx: Tx, offer_id: str, via: str) -> None:
    """Let bob have accepted an offer of alice's."""
    bob = accounts.find(tx, BOB)
    account = accounts.create(tx, BOB, KEYS, NOW) if bob is None else bob.id
    octets = offer_id.encode()
    content = messages.add_small(tx, octets, structure(len(octets)), "trace")
    offer = Offer(
        id=offer_id,
        nonce=NONCE,
        sender=ALICE,
        recipient=BOB,
        name="film.mov",
        type="video/quicktime",
        size=1000,
        sha256=None,
        created=int(NOW),
        expires=int(NOW) + 1000,
        home="a.example",
        trace="t" * 16,
    )
    assert consent.received(tx, account, offer, content, NOW)
    fresh = consent.Randomness(TICKET, f"answer-{offer_id}")
    assert consent.decide(tx, account, content, fresh, NOW, accepted=True)
    tx.run("UPDATE offer SET via = ?2 WHERE id = ?1", offer_id, via)
    tx.changed("queue")


class Home:
    """Bob's server; ``received`` counts the connections that were turned to it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.received = 0
        self.visitors = Visitors()

    async def receive(self, connection: socket.socket) -> None:
        """Greet, and let the visitor go again."""
        self.received += 1
        with connection:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(connection, b"220 mx.b.example\r\n")
            await loop.sock_recv(connection, 1)

    @asynccontextmanager
    async def calling(
        self, place: Place, clock: Callable[[], float] = lambda: NOW, **settings: float
    ) -> AsyncIterator[None]:
        """Run the station; both a.example and the rendezvous are at ``place``."""
        there = PeerSettings(f"127.0.0.1:{place.port}")
        station = CallStation(
            dataclasses.replace(DeliverySettings(), **settings),  # type: ignore[arg-type]
            {"rcs.example": there, "a.example": there},
            OURS,
            self.store,
            self.visitors,
        )
        task = asyncio.create_task(station.run(lambda: None))
        try:
            with self.visitors.received_by(self.receive):
                yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    with open_store(tmp_path / "home", lambda: NOW) as store:
        yield Home(store)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with Place().serving(tmp_path / "place") as found:
        yield found


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "AGAIN", 0.01)


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not look():  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.005)


async def come(place: Place, offer_id: str) -> None:
    """Meet who waits for an offer; hear its greeting, and hang up."""
    source = await enter(
        place.stop, credentials(offer_id, End.SOURCE), keyword="XCONNECT"
    )
    await source.ask_for(250, smtp_turn.xconnect("b.example"))
    await heard(source)


async def heard(source: Dialogue) -> None:
    with source.give() as connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(LIMIT):
            assert (await loop.sock_recv(connection, 100)).startswith(b"220 mx.b.")


def connections(place: Place) -> int:
    """Return how many wait or are joined at the place."""
    assert place.live is not None
    turned = place.live.station._turns
    assert turned is not None
    return turned.meeting.connections


async def test_it_calls_as_long_as_the_content_is_missing(
    home: Home, place: Place
) -> None:
    place.expects("offer-0001")
    async with home.calling(place):
        await home.store.index.write(accept, "offer-0001", "rcs.example")
        await come(place, "offer-0001")
        await come(place, "offer-0001")  # the next call follows
        assert home.received == 2
        await until(lambda: connections(place) == 1)
        proven = proof(TICKET, "offer-0001", ALICE, BOB)

        def arrives(tx: Tx) -> None:
            consent.arrived(tx, proven, "item", "250 2.0.0 ok", NOW)
            tx.changed("queue")

        await home.store.index.write(arrives)
        await until(lambda: connections(place) == 0)


async def test_only_so_many_calls_the_newest_first(home: Home, place: Place) -> None:
    for number in range(4):
        place.expects(f"offer-000{number}")
        await home.store.index.write(accept, f"offer-000{number}", "rcs.example")
    async with home.calling(place, calls=2):
        await until(lambda: connections(place) == 2)


async def test_without_a_rendezvous_the_sender_is_called_after_a_while(
    home: Home, place: Place
) -> None:
    known = place.expects("offer-0001", proof(TICKET, "offer-0001", ALICE, BOB))
    place.known[:] = [dataclasses.replace(known, brought_by=known.offer_id)]
    await home.store.index.write(accept, "offer-0001", "")
    async with home.calling(place, call_after=3600.0):
        other = place.expects("offer-0002")
        await home.store.index.write(accept, other.offer_id, "rcs.example")
        await until(lambda: connections(place) == 1)
        assert not place.callers.is_waiting("offer-0001")
    await home.store.index.write(
        lambda tx: tx.run("UPDATE offer SET decided = ?1", NOW - 60)
    )
    async with home.calling(place, call_after=0.05):
        await until(lambda: place.callers.is_waiting("offer-0001"))


async def test_nobody_is_called_where_nobody_receives(
    home: Home, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "maild.delivery")
    place.expects("offer-0001")
    await home.store.index.write(accept, "offer-0001", "rcs.example")
    async with home.calling(place):
        pass
    async with home.calling(place):
        home.visitors = Visitors()
    station = CallStation(
        DeliverySettings(),
        {"rcs.example": PeerSettings(f"127.0.0.1:{place.port}")},
        OURS,
        home.store,
        Visitors(),
    )
    task = asyncio.create_task(station.run(lambda: None))
    await until(lambda: "nobody receives" in caplog.text)
    task.cancel()
    await asyncio.wait([task])
    assert connections(place) == 0


def test_an_offer_that_is_not_known_there_is_left_alone_for_long() -> None:
    """Each refusal would count against all the calls that come from our address."""
    pause = calls.next_pause(0.0, 0.0, 1)
    assert pause == calls.AGAIN
    pause = calls.next_pause(pause, 0.0, 2)
    assert pause == 2 * calls.AGAIN
    assert calls.next_pause(pause, 0.0, 3) == calls.AGAIN_UNKNOWN
    assert calls.next_pause(calls.AGAIN_UNKNOWN, 60.0, 0) == calls.AGAIN


async def test_an_offer_that_the_rendezvous_forgot_is_called_for_again(
    home: Home,
    place: Place,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", "maild.delivery")
    monkeypatch.setattr(calls, "AGAIN_UNKNOWN", 0.01)
    await home.store.index.write(accept, "offer-0001", "rcs.example")
    async with home.calling(place):
        await until(lambda: "in vain" in caplog.text)
        place.expects("offer-0001")
        await until(lambda: connections(place) == 1)
    assert "trace=tttttttttttttttt" in caplog.text


async def test_a_standing_call(home: Home, place: Place) -> None:
    """For all mail, by the secret of both operators."""
    secret = "one secret for both operators"
    place.secrets["b.example"] = secret
    station = CallStation(
        DeliverySettings(),
        {
            "rcs.example": PeerSettings(
                f"127.0.0.1:{place.port}", secret=secret, call=True
            )
        },
        OURS,
        home.store,
        home.visitors,
    )
    with home.visitors.received_by(home.receive):
        task = asyncio.create_task(station.run(lambda: None))
        await until(lambda: place.callers.is_waiting("@b.example"))
        taken = place.callers.take("@b.example")
        assert taken is not None
        with taken:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(LIMIT):
                assert (await loop.sock_recv(taken, 100)).startswith(b"220 mx.b.")
        await until(lambda: place.callers.is_waiting("@b.example"))
        task.cancel()
        await asyncio.wait([task])
    assert home.received == 1


async def test_a_store_that_cannot_answer_for_once_ends_nothing(
    home: Home, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unforeseen errors are temporary; one of a call must not end the daemon."""
    is_awaited, failed = appointments.is_awaited, list[int]()

    def failing(tx: Tx, found: Appointment, now: float) -> bool:
        if not failed:
            failed.append(1)
            raise OSError("the device does not answer")
        return is_awaited(tx, found, now)

    monkeypatch.setattr(appointments, "is_awaited", failing)
    place.expects("offer-0001")
    async with home.calling(place):
        await home.store.index.write(accept, "offer-0001", "rcs.example")
        await come(place, "offer-0001")
    assert failed
