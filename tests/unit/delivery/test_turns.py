# SPDX-License-Identifier: Apache-2.0
"""Several recipients on one server: one push at a time, the next one where it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from maild.ids import nonce, queue_id
from maild.mail.address import Address, parse_address
from maild.mail.offer import Offer, parse_facts
from maild.mail.transfer import FINAL, State
from maild.store import accounts, consent, items, mailboxes, messages
from maild.store.consent import Randomness
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.transfers import Transfer
from tests.unit.delivery.peer import Peer, make_certificate
from tests.unit.delivery.post import KEYS, Post
from tests.unit.delivery.rig import ALICE, BOB, noise, put
from tests.unit.delivery.test_delivery_station import (
    post,  # noqa: F401 - a fixture
    until_state,
)
from tests.unit.delivery.test_delivery_station import running as station_running
from tests.unit.delivery.test_two_servers import (
    Cutter,
    Server,
    delivery,
    octets_of,
    running,
    server,
    until,
)

MIB = 2**20
CAROL = parse_address("carol@b.example")
DAVE = parse_address("dave@b.example")
LEG = 64 * 1024
"""Octets that a second recipient may cost."""


# What leaves, at a server that a test scripts


def offers_in(peer: Peer) -> list[Offer]:
    found = []
    for message in peer.messages:
        start = message.index(b'{\r\n "maild"')
        facts = parse_facts(message[start : message.index(b"\r\n}", start) + 3])
        assert isinstance(facts, Offer)
        found.append(facts)
    return found


async def test_offers_of_one_item_name_one_rendering(post: Post) -> None:  # noqa: F811
    item = await post.item(put(post.store, noise(1000)))
    other = await post.item(put(post.store, noise(1001)), "other.mov")
    async with Peer().serving() as peer, station_running(post, peer.port, peer.port):
        for to, what in ((BOB, item), (CAROL, item), (BOB, other)):
            share = await post.share(what, to)
            await until_state(post, share, State.OFFERED)
        elsewhere = await post.share(item, parse_address("bob@b1.example"))
        await until_state(post, elsewhere, State.OFFERED)
    names = [offer.rendering for offer in offers_in(peer)]
    assert names[0] is not None
    assert names[0] == names[1]
    assert len(set(names)) == 3


async def test_pushes_of_one_item_go_one_after_the_other(post: Post) -> None:  # noqa: F811
    plan = Peer(hold_last=asyncio.Event())
    item = await post.item(put(post.store, noise(MIB)))
    shares = [await post.share(item, to) for to in (BOB, CAROL, DAVE)]
    other = await post.share(await post.item(put(post.store, noise(10)), "x"), BOB)
    await post.store.index.write(_offered, [share.id for share in [*shares, other]])
    for share in [*shares, other]:
        await post.accepted(share)
    async with plan.serving() as peer, station_running(post, peer.port):
        await plan.held.wait()
        states = [(await post.now(share)).state for share in shares]
        assert states.count(State.ACCEPTED) >= 2
        assert plan.hold_last is not None
        plan.hold_last.set()
        for share in [*shares, other]:
            after = await until_state(post, share, *FINAL)
            assert (after.state, after.attempts) == (State.SENT, 0)
    assert peer.most_at_once == 2


def _offered(tx: Tx, names: list[str]) -> None:
    for name in names:
        tx.run("UPDATE transfer SET state = 'offered' WHERE id = ?1", name)


# Two whole servers


@dataclass
class Pair:
    """alice's server, and one with three accounts behind a leg that counts."""

    a: Server
    b: Server
    post: Post
    leg: Cutter
    proxy: int
    people: dict[Address, int]

    async def accept(self, to: Address) -> None:
        """Accept the newest offer made to an account of b."""
        fresh = Randomness(nonce(), queue_id())
        await self.b.store.index.write(
            _accept, self.people[to], fresh, self.b.store.clock()
        )

    async def sent(self, share: Transfer) -> Transfer:
        after = await until(self.a.store, share.id, *FINAL)
        assert after.state is State.SENT, after
        assert after.octets == share.size
        return after

    async def received(self, to: Address) -> Item:
        (item,) = await self.b.store.index.read(items.everything, self.people[to])
        return item

    @property
    def carried(self) -> int:
        """Octets that have gone towards b."""
        return sum(self.leg.carried)


def _accept(tx: Tx, account: int, fresh: Randomness, now: float) -> None:
    inbox = mailboxes.must_find(tx, account, "INBOX")
    lines, _, _ = messages.lines(tx, inbox.id)
    (offer,) = [line for line in lines if "$Offer" in line.flags]
    assert consent.decide(tx, account, offer.content_id, fresh, now, accepted=True)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    certificate = make_certificate(tmp_path, "a.example", "b.example")
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        enter = stack.enter_async_context
        a = await enter(server(tmp_path / "a", "a.example", ALICE, certificate))
        b = await enter(server(tmp_path / "b", "b.example", BOB, certificate))
        people = {BOB: b.account}
        for who in (CAROL, DAVE):
            people[who] = await b.store.index.write(
                accounts.create, who, KEYS, b.store.clock()
            )
        leg = Cutter(b.port)
        proxy = await enter(leg.serving())
        yield Pair(a, b, Post(a.store, a.store.clock, a.account), leg, proxy, people)


@asynccontextmanager
async def delivering(pair: Pair) -> AsyncIterator[None]:
    async with (
        running(delivery(pair.a, "b.example", pair.proxy)),
        running(delivery(pair.b, "a.example", pair.a.port)),
    ):
        yield


async def offered(pair: Pair, item: Item, *people: Address) -> list[Transfer]:
    shares = [await pair.post.share(item, to) for to in people]
    for share in shares:
        await until(pair.a.store, share.id, State.OFFERED)
    return shares


@pytest.mark.parametrize("size", [1000, 700_000, 5 * MIB + 1])
async def test_the_next_recipients_cost_nothing(pair: Pair, size: int) -> None:
    content = noise(size)
    async with delivering(pair):
        item = await pair.post.item(put(pair.a.store, content))
        shares = await offered(pair, item, BOB, CAROL, DAVE)
        costs = []
        for share in shares:
            before = pair.carried
            await pair.accept(share.recipient)
            await pair.sent(share)
            costs.append(pair.carried - before)
    assert costs[0] > size
    assert max(costs[1:]) < LEG
    found = [await pair.received(share.recipient) for share in shares]
    assert {each.sha256 for each in found} == {item.sha256}
    assert len({each.id for each in found}) == 3
    for each in found:
        assert octets_of(pair.b.store, each) == content


async def test_all_at_once_cost_one(pair: Pair) -> None:
    content = noise(30 * MIB)
    async with delivering(pair):
        item = await pair.post.item(put(pair.a.store, content))
        shares = await offered(pair, item, BOB, CAROL, DAVE)
        before = pair.carried
        for share in shares:
            await pair.accept(share.recipient)
        for share in shares:
            after = await pair.sent(share)
            assert after.attempts == 0
    assert pair.carried - before < len(content) * 1.02 + 3 * LEG
    for share in shares:
        assert (await pair.received(share.recipient)).sha256 == item.sha256


async def test_cut_in_the_middle_the_next_one_goes_on(pair: Pair) -> None:
    content = noise(60 * MIB)
    async with delivering(pair):
        item = await pair.post.item(put(pair.a.store, content))
        shares = await offered(pair, item, BOB, CAROL)
        before = pair.carried
        pair.leg.cut_at = [20 * MIB, 25 * MIB]
        for share in shares:
            await pair.accept(share.recipient)
        for share in shares:
            await pair.sent(share)
    assert pair.carried - before < len(content) * 1.02 + 2 * 16 * MIB + 4 * LEG
    for share in shares:
        each = await pair.received(share.recipient)
        assert octets_of(pair.b.store, each) == content


async def test_what_has_been_removed_is_sent_anew(pair: Pair) -> None:
    content = noise(3 * MIB)
    async with delivering(pair):
        item = await pair.post.item(put(pair.a.store, content))
        first, second = await offered(pair, item, BOB, CAROL)
        await pair.accept(BOB)
        await pair.sent(first)
        removed = await pair.received(BOB)
        store = pair.b.store
        await store.index.write(
            items.remove, pair.people[BOB], removed.id, store.clock()
        )
        before = pair.carried
        await pair.accept(CAROL)
        await pair.sent(second)
    assert pair.carried - before > len(content)
    assert (await pair.received(CAROL)).sha256 == item.sha256
