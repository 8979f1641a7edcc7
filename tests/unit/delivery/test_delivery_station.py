# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.delivery.station import OWNER, DeliveryStation
from maild.mail.address import parse_address
from maild.mail.transfer import ACTIVE, FINAL, Event, State
from maild.store import transfers
from maild.store.transfers import Transfer
from tests.unit.delivery.peer import Peer
from tests.unit.delivery.post import Clock, Post
from tests.unit.delivery.rig import identity, noise, open_store, put
from tests.unit.delivery.test_route import Table

PLAIN_MAIL = b"Subject: hello\r\n\r\nhello\r\n"


@pytest_asyncio.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    with open_store(tmp_path, Clock()) as store:
        yield await Post(store, store.clock).open_account()


@asynccontextmanager
async def running(
    post: Post,
    *ports: int,
    per_next_hop: int = 4,
    attempts: int = 20,
    plain: bool = True,
) -> AsyncIterator[None]:
    """Run the station; the ports are those of b.example, b1.example, ..."""
    peers = {
        f"b{n or ''}.example": PeerSettings(f"127.0.0.1:{port}", plain=plain)
        for n, port in enumerate(ports)
    }
    settings = DeliverySettings(
        attempts=attempts, per_next_hop=per_next_hop, idle_timeout=5.0
    )
    station = DeliveryStation(settings, peers, identity(), post.store, names=Table({}))
    started = asyncio.Event()
    task = asyncio.create_task(station.run(started.set))
    try:
        async with asyncio.timeout(20):
            begun = asyncio.create_task(started.wait())
            await asyncio.wait([begun, task], return_when=asyncio.FIRST_COMPLETED)
            begun.cancel()
            if task.done():
                task.result()
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def until(
    post: Post, transfer: Transfer, wanted: Callable[[Transfer], bool]
) -> Transfer:
    with post.store.changes.watch(f"transfer:{transfer.id}", "queue") as watch:
        while True:
            found = await post.now(transfer)
            if wanted(found):
                return found
            await watch.wait(5.0)


async def until_state(post: Post, transfer: Transfer, *states: State) -> Transfer:
    return await until(post, transfer, lambda t: t.state in states)


async def test_what_is_queued_leaves_at_once(post: Post) -> None:
    async with Peer().serving() as peer, running(post, peer.port):
        mail = await post.mail(PLAIN_MAIL)
        await until_state(post, mail, State.SENT)
        again = await post.mail(PLAIN_MAIL)
        await until_state(post, again, State.SENT)
    assert peer.messages == [PLAIN_MAIL, PLAIN_MAIL]


async def test_an_accepted_share_goes_all_the_way(post: Post) -> None:
    content = noise(2**20)
    share = await post.share(await post.item(put(post.store, content)))
    async with Peer().serving() as peer, running(post, peer.port):
        await until_state(post, share, State.OFFERED)
        assert peer.content < 64 * 1024
        await post.accepted(share)
        after = await until_state(post, share, *FINAL)
    assert after.state is State.SENT
    assert content in peer.messages[1]


async def test_a_dead_owner_s_claims_are_taken_up(post: Post) -> None:
    mail = await post.mail(PLAIN_MAIL)
    await post.store.index.write(transfers.claim, OWNER, post.clock(), 5)
    assert (await post.now(mail)).state in ACTIVE
    async with Peer().serving() as peer, running(post, peer.port):
        await until_state(post, mail, State.SENT)


async def test_what_is_under_way_at_the_end_is_due_again(post: Post) -> None:
    plan = Peer(hold_last=asyncio.Event())
    async with plan.serving() as peer:
        async with running(post, peer.port):
            mail = await post.mail(PLAIN_MAIL)
            await plan.held.wait()
        after = await until_state(post, mail, State.DEFERRED)
    assert after.due <= post.clock()
    assert after.attempts == 0


async def test_taking_a_transfer_back_stops_its_attempt(post: Post) -> None:
    plan = Peer(hold_last=asyncio.Event())
    async with plan.serving() as peer, running(post, peer.port):
        mail = await post.mail(PLAIN_MAIL)
        await plan.held.wait()
        await post.store.index.write(
            transfers.advance, mail.id, Event.CANCEL, post.clock()
        )
        other = await post.mail(PLAIN_MAIL)
        plan.hold_last = None
        await until_state(post, other, State.SENT)
        assert (await post.now(mail)).state is State.CANCELLED
    assert len(peer.messages) <= 2


async def test_holding_a_transfer_stops_its_attempt(post: Post) -> None:
    plan = Peer(hold_last=asyncio.Event())
    async with plan.serving() as peer, running(post, peer.port):
        mail = await post.mail(PLAIN_MAIL)
        await plan.held.wait()
        await post.store.index.write(transfers.hold, mail.id, post.clock(), held=True)
        await until_state(post, mail, State.DEFERRED)
        plan.hold_last = None
        await post.store.index.write(transfers.hold, mail.id, post.clock(), held=False)
        await until_state(post, mail, State.SENT)


async def test_a_slow_next_hop_holds_up_nobody_else(post: Post) -> None:
    slow, quick = Peer(hold_last=asyncio.Event()), Peer()
    async with (
        slow.serving(),
        quick.serving(),
        running(post, slow.port, quick.port, per_next_hop=1, attempts=3),
    ):
        waiting = [await post.mail(PLAIN_MAIL) for _ in range(5)]
        await slow.held.wait()
        other = await post.mail(PLAIN_MAIL, parse_address("bob@b1.example"))
        await until_state(post, other, State.SENT)
        assert slow.connections == 1
        assert slow.hold_last is not None
        slow.hold_last.set()
        for mail in waiting:
            await until_state(post, mail, State.SENT)
    assert len(slow.messages) == 5


async def test_pushes_that_stand_still_hold_up_no_small_mail(post: Post) -> None:
    plan = Peer(hold_last=asyncio.Event())
    async with (
        plan.serving() as peer,
        running(post, peer.port, per_next_hop=1, attempts=2),
    ):
        shares = []
        for octets in (b"one" * 30_000, b"two" * 30_000):
            share = await post.share(await post.item(put(post.store, octets)))
            plan.hold_last = None
            await until_state(post, share, State.OFFERED)
            shares.append(share)
        plan.hold_last = asyncio.Event()
        for share in shares:
            await post.accepted(share)
        await plan.held.wait()
        plan.hold_last = None
        mail = await post.mail(PLAIN_MAIL)
        await until_state(post, mail, State.SENT)
        states = sorted([(await post.now(share)).state for share in shares])
        assert states == [State.ACCEPTED, State.TRANSFERRING]


async def test_no_more_attempts_than_allowed(post: Post) -> None:
    plan = Peer(hold_last=asyncio.Event())
    async with plan.serving() as peer, running(post, peer.port, attempts=2):
        mails = [await post.mail(PLAIN_MAIL) for _ in range(6)]
        await plan.held.wait()
        assert plan.hold_last is not None
        plan.hold_last.set()
        for mail in mails:
            await until_state(post, mail, State.SENT)
        assert peer.most_at_once <= 2


async def test_an_error_nobody_foresaw_is_temporary(
    post: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("maild.delivery.letter.send", broken)
    async with Peer().serving() as peer, running(post, peer.port):
        mail = await post.mail(PLAIN_MAIL)
        after = await until_state(post, mail, State.DEFERRED)
    assert after.status == "4.3.0"
    assert "a bug" not in after.reply
    assert "RuntimeError: a bug" in caplog.text


async def test_what_a_wrong_clock_has_put_off_goes_on(post: Post) -> None:
    """Put off until tomorrow, by a clock that was a day ahead and is right again."""
    clock = post.clock
    assert isinstance(clock, Clock)
    plan = Peer(answers={"MAIL": ["451 4.3.0 later"]})
    async with plan.serving() as peer:
        clock.now += 86_400.0
        async with running(post, peer.port):
            mail = await post.mail(PLAIN_MAIL)
            put_off = await until_state(post, mail, State.DEFERRED)
            assert put_off.due > clock.now
            clock.now -= 86_400.0
            await post.mail(PLAIN_MAIL)  # it looks at the queue again
            await until_state(post, mail, State.SENT)
