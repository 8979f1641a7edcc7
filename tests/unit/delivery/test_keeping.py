# SPDX-License-Identifier: Apache-2.0
"""When content may be kept at the rendezvous, and that what it says is never final."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio

from maild.delivery import ladder
from maild.delivery.route import Route, Stop
from maild.delivery.settings import PeerSettings
from maild.mail.transfer import State
from maild.store import transfers
from maild.store.transfers import Transfer
from tests.unit.delivery.meeting import Place
from tests.unit.delivery.peer import Certificate, Peer, make_certificate
from tests.unit.delivery.post import Clock, Post
from tests.unit.delivery.rig import open_store
from tests.unit.delivery.test_ladder import CONTENT, Rig
from tests.unit.delivery.test_ladder import closed as closed

AFTER = 900.0
"""Seconds: the default of relay_after."""


class Keeper(Place):
    """A rendezvous that does what a test says."""

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self.peer = peer

    @property
    def port(self) -> int:
        return self.peer.port


class Away(Rig):
    """Bob's server is away; alice's tries again and again."""

    clock: Clock
    peer: Peer

    async def again(self, port: int, seconds: float) -> Transfer:
        """Let time pass, and try once more."""
        self.clock.now += seconds
        (found,) = await self.post.store.index.read(transfers.everything)
        await self.post.store.index.write(transfers.hasten, found.id, self.clock.now)
        return await self.attempt(port)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("both")
    return make_certificate(folder, "b.example", "rcs.example", "127.0.0.1")


@pytest_asyncio.fixture
async def away(tmp_path: Path, both: Certificate) -> AsyncIterator[Away]:
    clock = Clock()
    with open_store(tmp_path / "store", clock) as store:
        post = await Post(store, clock).open_account()
        async with Peer(tls=both.context).serving() as peer:
            rig = Away(post, Keeper(peer), both.ca_file)
            rig.clock, rig.peer = clock, peer
            await rig.share()
            yield rig


@pytest.fixture
def dropped() -> Iterator[int]:
    """Return a port where the kernel drops what would connect: its queue is full."""
    with ExitStack() as stack:
        held = stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(held.getsockname())
        yield held.getsockname()[1]


@pytest.fixture
def impatience(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for long."""
    monkeypatch.setattr(ladder, "PATIENCE", 0.1)
    away.settings = replace(away.settings, connect_timeout=0.3)


async def test_it_is_kept_after_a_while_and_not_before(away: Away, closed: int) -> None:
    first = await away.attempt(closed)
    assert (first.state, first.away) == (State.DEFERRED, away.clock.now)
    soon = await away.again(closed, AFTER - 1)
    assert soon.state is State.DEFERRED
    assert soon.due == pytest.approx(away.clock.now + 1)
    assert "MAIL" not in away.peer.verbs
    after = await away.again(closed, 1)
    assert (after.state, after.route) == (State.SENT, "kept@rcs.example")
    assert CONTENT in away.peer.messages[0]


async def test_it_is_kept_for_a_server_that_drops_packets(
    away: Away, dropped: int, impatience: None
) -> None:
    first = await away.attempt(dropped)
    assert (first.state, first.away) == (State.DEFERRED, away.clock.now)
    assert "timed out; by way of rcs.example: " in first.reply
    after = await away.again(dropped, AFTER)
    assert (after.state, after.route) == (State.SENT, "kept@rcs.example")


async def test_one_of_several_drops_packets(
    away: Away,
    dropped: int,
    closed: int,
    both: Certificate,
    impatience: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Away are all of them, or none."""
    ports = [dropped, closed]

    async def find(_: ladder.Ladder) -> Route:
        local = ip_address("127.0.0.1")
        stops = tuple(Stop("b.example", local, port) for port in ports)
        return Route("b.example", stops, PeerSettings())

    monkeypatch.setattr(ladder.Ladder, "find", find)
    first = await away.attempt(closed)
    assert (first.state, first.away) == (State.DEFERRED, away.clock.now)
    async with Peer(tls=both.context).serving() as direct:
        ports[1] = direct.port
        after = await away.again(closed, AFTER)
    assert (after.state, after.route) == (State.SENT, "direct")
    assert "MAIL" not in away.peer.verbs


async def test_who_is_slow_without_the_right_tls_is_there(
    away: Away, impatience: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "PATIENCE", 0.0)
    async with Peer().serving() as direct:
        after = await away.attempt(direct.port)
    assert (after.state, after.status, after.away) == (State.DEFERRED, "4.7.4", None)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_its_refusal_is_no_answer(away: Away, closed: int, verb: str) -> None:
    away.peer.answers[verb] = ["550 5.7.1 relaying denied"]
    await away.attempt(closed)
    refused = await away.again(closed, AFTER)
    assert refused.state is State.DEFERRED
    assert refused.reply == "rcs.example does not keep it: relaying denied"
    after = await away.again(closed, 100)
    assert after.state is State.SENT


async def test_a_server_that_is_there_ends_the_wait(
    away: Away, closed: int, both: Certificate
) -> None:
    await away.attempt(closed)
    async with Peer(tls=both.context, drop_at=200_000).serving() as direct:
        cut = await away.again(direct.port, AFTER)
    assert (cut.state, cut.route, cut.away) == (State.DEFERRED, "direct", None)
    again = await away.again(closed, AFTER)
    assert again.state is State.DEFERRED
    assert "MAIL" not in away.peer.verbs


async def test_nothing_is_kept_before_go(away: Away, closed: int) -> None:
    await away.post.store.index.write(
        lambda tx: tx.run("UPDATE transfer SET confirm = 1000")
    )
    await away.attempt(closed)
    after = await away.again(closed, AFTER)
    assert after.state is State.DEFERRED
    assert "MAIL" not in away.peer.verbs
