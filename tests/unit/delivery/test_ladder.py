# SPDX-License-Identifier: Apache-2.0
"""By which way content leaves, and what is no reason to look for another one."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from maild.delivery import guard, ladder
from maild.delivery.attempt import Attempt
from maild.delivery.client import Client
from maild.delivery.dialogue import NOT_KNOWN, Credentials
from maild.delivery.progress import Progress
from maild.delivery.record import Record
from maild.delivery.route import Router
from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.delivery.trust import Trust
from maild.delivery.work import Means
from maild.mail.offer import proof
from maild.mail.reply import ReplyError
from maild.mail.transfer import State
from maild.smtpd import turning
from maild.store import transfers
from maild.store.transfers import Transfer
from tests.unit.delivery.meeting import (
    Place,
    calling,
    enter,
)
from tests.unit.delivery.peer import Certificate, Peer, make_certificate
from tests.unit.delivery.post import TICKET, Clock, Post
from tests.unit.delivery.rig import (
    ALICE,
    BOB,
    identity,
    noise,
    open_store,
    put,
    threads,
)
from tests.unit.delivery.test_route import Table

CONTENT = noise(300_000)


@pytest.fixture(scope="module")
def of_another(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(
        tmp_path_factory.mktemp("other"), "rcs.example", "127.0.0.1"
    )


@pytest.fixture
def closed() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class Rig:
    """Alice's server, with one accepted share that knows a rendezvous."""

    def __init__(self, post: Post, place: Place, ca_file: str) -> None:
        self.post = post
        self.place = place
        self.settings = DeliverySettings(idle_timeout=20.0, ca_file=ca_file)

    async def share(self, *, via: str = "rcs.example") -> Transfer:
        item = await self.post.item(put(self.post.store, CONTENT))
        share = await self.post.share(item)
        await self.post.store.index.write(
            lambda tx: tx.run("UPDATE transfer SET state = 'offered', via = ?1", via)
        )
        await self.post.accepted(share)
        return share

    async def attempt(self, port: int, *, plain: bool = False) -> Transfer:
        """Claim what is due and try once; ``port``: of the direct way to b.example."""
        store = self.post.store
        (claimed,) = await store.index.write(transfers.claim, "t", self.post.clock(), 5)
        trust = Trust(self.settings.ca_file)
        trust.load()
        peers = {
            "b.example": PeerSettings(f"127.0.0.1:{port}", plain=plain),
            "rcs.example": PeerSettings(f"127.0.0.1:{self.place.port}"),
        }
        router = Router(
            peers,
            Table({}),
            hostname="mx.a.example",
            port=25,
            private_networks=guard.networks(()),
        )
        with threads() as readers:
            means = Means(
                self.settings,
                identity(),
                store,
                router,
                Client(self.settings, identity(), trust),
                readers,
                Progress(store),
                self.place.callers,
            )
            await Attempt(claimed, means).run()
        return await self.post.now(claimed)


@pytest_asyncio.fixture
async def rig(tmp_path: Path, certificate: Certificate) -> AsyncIterator[Rig]:
    clock = Clock()
    with open_store(tmp_path / "store", clock) as store:
        post = await Post(store, clock).open_account()
        async with Place().serving(tmp_path / "place") as place:
            yield Rig(post, place, certificate.ca_file)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if ": to=<" in r.getMessage()]


async def test_a_closed_way_is_gone_around(
    rig: Rig, certificate: Certificate, closed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "maild.delivery")
    share = await rig.share()
    rig.place.expects(share.id)
    peer = Peer(tls=certificate.context)
    async with calling(rig.place, share.id, peer):
        after = await rig.attempt(closed)
    assert after.state is State.SENT
    assert after.route == "rcs.example"
    assert CONTENT in peer.messages[0]
    (line,) = lines(caplog)
    assert line.endswith("via=rcs.example")
    assert f"relay=rcs.example[127.0.0.1]:{rig.place.port}" not in line  # as configured
    assert f":{rig.place.port}, " in line


async def test_an_open_way_is_taken(
    rig: Rig, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "maild.delivery")
    share = await rig.share()
    rig.place.expects(share.id)
    async with Peer(tls=certificate.context).serving() as direct:
        after = await rig.attempt(direct.port)
    assert (after.state, after.route) == (State.SENT, "direct")
    assert lines(caplog)[0].endswith("via=direct")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_a_refusal_is_the_answer(
    rig: Rig, certificate: Certificate, verb: str
) -> None:
    share = await rig.share()
    rig.place.expects(share.id)
    around = Peer(tls=certificate.context)
    refusing = Peer(tls=certificate.context, answers={verb: ["550 5.7.1 no"] * 2})
    async with calling(rig.place, share.id, around), refusing.serving() as direct:
        after = await rig.attempt(direct.port)
    assert after.state is State.FAILED
    assert around.commands == []


async def test_a_way_that_cannot_be_trusted_is_closed(
    rig: Rig, certificate: Certificate, of_another: Certificate
) -> None:
    share = await rig.share()
    rig.place.expects(share.id)
    peer = Peer(tls=certificate.context)
    async with (
        calling(rig.place, share.id, peer),
        Peer(tls=of_another.context).serving() as direct,
    ):
        after = await rig.attempt(direct.port)
    assert (after.state, after.route) == (State.SENT, "rcs.example")
    assert direct.content == 0


async def test_a_silent_server_does_not_hold_it_up(
    rig: Rig, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "PATIENCE", 0.3)
    share = await rig.share()
    rig.place.expects(share.id)
    peer = Peer(tls=certificate.context)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a kernel that answers
        async with calling(rig.place, share.id, peer):
            after = await rig.attempt(silent.getsockname()[1])
    assert (after.state, after.route) == (State.SENT, "rcs.example")


@pytest.mark.parametrize("plain", [False, True])
async def test_who_is_met_must_be_the_destination(
    rig: Rig, of_another: Certificate, closed: int, *, plain: bool
) -> None:
    """Nor is the rendezvous' own name or address good enough, nor clear text."""
    share = await rig.share()
    rig.place.expects(share.id)
    peer = Peer(tls=None if plain else of_another.context)
    async with calling(rig.place, share.id, peer):
        after = await rig.attempt(closed, plain=plain)
    assert after.state is State.DEFERRED
    assert peer.content == 0
    assert "MAIL" not in peer.verbs


async def test_nobody_is_there(
    rig: Rig, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turning, "SOURCE_WAITS", 0.01)
    share = await rig.share()
    rig.place.expects(share.id)
    after = await rig.attempt(closed)
    assert after.state is State.DEFERRED
    assert "refused; by way of rcs.example: " in after.reply
    assert "not here" in after.reply


async def test_a_rendezvous_that_knows_nothing_of_it(rig: Rig, closed: int) -> None:
    await rig.share()
    after = await rig.attempt(closed)
    assert after.state is State.DEFERRED  # whatever it says, it refuses nothing
    assert "does not know the offer" in after.reply


async def test_without_a_rendezvous_nobody_else_is_asked(rig: Rig, closed: int) -> None:
    share = await rig.share(via="")
    rig.place.expects(share.id)
    after = await rig.attempt(closed)
    assert after.state is State.DEFERRED
    assert after.reply.endswith("refused")


async def test_the_direct_way_is_taken_once_it_opens(
    rig: Rig, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for while content goes around; the rest goes there, by 355."""
    monkeypatch.setattr(ladder, "LOOK_EVERY", 0.01)
    share = await rig.share()
    rig.place.expects(share.id)
    around = Peer(tls=certificate.context)
    direct = Peer(tls=certificate.context, offset=100)
    is_open, flows = ladder.Lookout.is_open, Record.content_flows
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    lookouts: list[ladder.Lookout] = []
    begin = ladder.Lookout.begin

    def begun(lookout: ladder.Lookout) -> None:
        lookouts.append(lookout)
        begin(lookout)

    async def opens(
        record: Record, offset: int, total: int, *, kept: bool = False
    ) -> None:
        await flows(record, offset, total, kept=kept)
        if not opened:
            opened.append(await stack.enter_async_context(direct.serving(port)))
            async with asyncio.timeout(30):
                while not is_open(lookouts[0]):  # noqa: ASYNC110 - nothing tells it
                    await asyncio.sleep(0.01)

    opened: list[Peer] = []
    monkeypatch.setattr(ladder.Lookout, "begin", begun)
    monkeypatch.setattr(Record, "content_flows", opens)
    async with AsyncExitStack() as stack, calling(rig.place, share.id, around):
        after = await rig.attempt(port)
    assert (after.state, after.route) == (State.SENT, "rcs.example+direct")
    assert around.content == 0
    assert around.verbs[-1] == "QUIT"
    assert direct.messages


async def test_who_called_us_is_served(
    rig: Rig, certificate: Certificate, closed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any rendezvous: the destination has logged in here, and turned."""
    caplog.set_level(logging.INFO, "maild.delivery")
    share = await rig.share(via="")
    secret = proof(TICKET, share.id, ALICE, BOB)
    known = rig.place.expects(share.id, secret)
    rig.place.known[:] = [dataclasses.replace(known, brought_by=known.offer_id)]
    peer = Peer(tls=certificate.context)
    async with calling(rig.place, share.id, peer, secret):
        await waiting(rig.place, share.id)
        after = await rig.attempt(closed)
    assert (after.state, after.route) == (State.SENT, "atrn")
    assert CONTENT in peer.messages[0]
    assert lines(caplog)[0].endswith("via=atrn")


async def test_who_called_us_must_be_the_destination(
    rig: Rig, of_another: Certificate, closed: int
) -> None:
    share = await rig.share(via="")
    secret = proof(TICKET, share.id, ALICE, BOB)
    known = rig.place.expects(share.id, secret)
    rig.place.known[:] = [dataclasses.replace(known, brought_by=known.offer_id)]
    peer = Peer(tls=of_another.context)
    async with calling(rig.place, share.id, peer, secret):
        await waiting(rig.place, share.id)
        after = await rig.attempt(closed)
    assert after.state is State.DEFERRED
    assert peer.content == 0


async def waiting(place: Place, name: str) -> None:
    """Wait until a call waits under that name."""
    async with asyncio.timeout(30):
        while not place.callers.is_waiting(name):  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.005)


async def test_a_server_that_our_operator_knows_is_called_back(
    rig: Rig, certificate: Certificate, closed: int
) -> None:
    """For any mail: offers and answers reach who nobody can connect to."""
    rig.place.secrets["b.example"] = "a secret of both of us"
    mail = await rig.post.mail(b"Subject: hello\r\n\r\nhello\r\n")
    peer = Peer(tls=certificate.context)
    who = Credentials("b.example", "a secret of both of us")
    async with calling(rig.place, who, peer):
        await waiting(rig.place, "@b.example")
        after = await rig.attempt(closed)
    assert after.id == mail.id
    assert after.state is State.SENT
    assert len(peer.messages) == 1


async def test_a_wrong_secret(rig: Rig) -> None:
    rig.place.secrets["b.example"] = "a secret of both of us"
    for who in (
        Credentials("b.example", "a guess of somebody else"),
        Credentials("c.example", "a secret of both of us"),
    ):
        with pytest.raises(ReplyError) as refused:
            await enter(rig.place.stop, who)
        assert refused.value.reply == NOT_KNOWN
