# SPDX-License-Identifier: Apache-2.0
"""Withdrawals leave promptly, and only for servers that have taken an offer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from maild.mail.transfer import Event, Kind, State
from maild.store import transfers
from maild.store.transfers import Transfer
from tests.unit.delivery.peer import POSTFIX, Peer
from tests.unit.delivery.post import Clock, Post
from tests.unit.delivery.rig import noise, open_store, put
from tests.unit.delivery.test_delivery_station import running, until_state


@pytest_asyncio.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    with open_store(tmp_path, Clock()) as store:
        yield await Post(store, store.clock).open_account()


async def a_share(post: Post) -> Transfer:
    return await post.share(await post.item(put(post.store, noise(2**20))))


async def cancel(post: Post, transfer: Transfer) -> None:
    await post.store.index.write(
        transfers.advance, transfer.id, Event.CANCEL, post.clock()
    )


async def withdrawal_of(post: Post, share: Transfer) -> Transfer:
    """Wait until a withdrawal is queued."""
    with post.store.changes.watch("queue") as watch:
        while True:
            every = await post.store.index.read(transfers.everything)
            for found in every:
                if found.kind is Kind.WITHDRAWAL and found.trace == share.trace:
                    return found
            await watch.wait(5.0)


async def test_an_offer_taken_back_is_told_at_once(post: Post) -> None:
    share = await a_share(post)
    async with Peer().serving() as peer, running(post, peer.port):
        await until_state(post, share, State.OFFERED)
        await cancel(post, share)
        told = await withdrawal_of(post, share)
        await until_state(post, told, State.SENT)
    _, withdrawal = peer.messages
    assert b'"kind": "withdrawal"' in withdrawal
    assert f'"offer": "{share.id}"'.encode() in withdrawal
    assert (share.nonce or "").encode() in withdrawal
    assert b"Auto-Submitted: auto-generated" in withdrawal


async def test_a_push_that_is_stopped_is_told_at_once(post: Post) -> None:
    share = await a_share(post)
    plan = Peer(silent_after="")
    async with plan.serving() as peer, running(post, peer.port):
        await until_state(post, share, State.OFFERED)
        plan.hold_last = asyncio.Event()
        await post.accepted(share)
        await plan.held.wait()
        plan.hold_last = None
        await cancel(post, share)
        await until_state(post, await withdrawal_of(post, share), State.SENT)
    assert b'"kind": "withdrawal"' in peer.messages[-1]


async def test_an_offer_that_was_on_its_way_is_told(post: Post) -> None:
    """The server may have it, or not: its 250 was not waited for."""
    share = await a_share(post)
    plan = Peer(hold_last=asyncio.Event())
    async with plan.serving() as peer, running(post, peer.port):
        await plan.held.wait()
        plan.hold_last = None
        await cancel(post, share)
        await until_state(post, await withdrawal_of(post, share), State.SENT)
    assert b'"kind": "withdrawal"' in peer.messages[-1]


async def test_what_a_foreign_server_gets_is_not_withdrawn(post: Post) -> None:
    share = await a_share(post)
    plan = Peer(keywords=POSTFIX, hold_last=asyncio.Event())
    async with plan.serving() as peer, running(post, peer.port):
        await plan.held.wait()
        plan.hold_last = None
        await cancel(post, share)
        other = await a_share(post)
        await until_state(post, other, State.SENT)
        every = await post.store.index.read(transfers.everything)
    assert [t.kind for t in every] == [Kind.SHARE, Kind.SHARE]
    assert all(b'"withdrawal"' not in message for message in peer.messages)


@pytest.mark.parametrize("plain", [True, False])
async def test_it_goes_where_an_offer_may_go(post: Post, plain: bool) -> None:
    share = await a_share(post)
    now = post.clock()
    for event in (Event.CLAIM, Event.OFFER_TAKEN, Event.CANCEL):
        await post.store.index.write(transfers.advance, share.id, event, now)
    told = await withdrawal_of(post, share)
    plan = Peer(keywords=POSTFIX) if plain else Peer()
    async with plan.serving() as peer, running(post, peer.port, plain=plain):
        after = await until_state(post, told, State.DEFERRED)
    assert after.status == "4.7.4"
    assert peer.messages == []
