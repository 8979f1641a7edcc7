# SPDX-License-Identifier: Apache-2.0
"""Two attempts at one transfer, and a store that has no room for an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from maild.mail.address import parse_address
from maild.mail.transfer import Kind, State
from maild.store import transfers
from maild.store.errors import StoreError, StoreFullError
from tests.unit.delivery.peer import Peer
from tests.unit.delivery.post import Clock, Post
from tests.unit.delivery.rig import noise, open_store, put
from tests.unit.delivery.test_delivery_station import (
    PLAIN_MAIL,
    running,
    until,
    until_state,
)


@pytest_asyncio.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    with open_store(tmp_path, Clock()) as store:
        yield await Post(store, store.clock).open_account()


async def test_an_old_attempt_changes_nothing_for_the_next(post: Post) -> None:
    """The answer overtakes the 250, and the push is claimed before it comes."""
    content = noise(2**20)
    share = await post.share(await post.item(put(post.store, content)))
    plan = Peer(hold_last=asyncio.Event())
    async with plan.serving() as peer, running(post, peer.port):
        await plan.held.wait()
        await post.accepted(share)
        await until(post, share, lambda t: t.state is State.CONNECTING)
        assert plan.hold_last is not None
        plan.hold_last.set()
        plan.hold_last = None
        after = await until_state(post, share, State.SENT, State.OFFERED)
    assert after.state is State.SENT
    assert content in peer.messages[1]


@pytest.mark.parametrize("job", ["record", "claim"])
async def test_a_full_store_puts_off_what_is_recorded(
    post: Post, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    """No outcome is lost by it, and the station goes on when there is room."""
    write, refused = post.store.index.write, 0

    async def full(what: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal refused
        if what.__name__ == job and refused < 2:
            refused += 1
            raise StoreFullError("no room")
        return await write(what, *args, **kwargs)

    monkeypatch.setattr(post.store.index, "write", full)
    monkeypatch.setattr("maild.delivery.station.AFTER_ERROR", 0.01)
    monkeypatch.setattr("maild.delivery.record.RECORD_AGAIN", 0.01)
    async with Peer().serving() as peer, running(post, peer.port):
        mail = await post.mail(PLAIN_MAIL)
        await until_state(post, mail, State.SENT)
    assert refused == 2
    assert peer.messages == [PLAIN_MAIL]


async def test_one_process_delivers_from_a_store(post: Post) -> None:
    """A second one would send again what the first one is sending."""
    plan = Peer(hold_last=asyncio.Event())
    async with plan.serving() as peer, running(post, peer.port):
        mail = await post.mail(PLAIN_MAIL)
        await plan.held.wait()
        with pytest.raises(StoreError, match="another process"):
            async with running(post, peer.port):
                raise AssertionError("it has started")
        assert plan.hold_last is not None
        plan.hold_last.set()
        await until_state(post, mail, State.SENT)
    assert peer.messages == [PLAIN_MAIL]


@pytest.mark.parametrize("plain", [False, True])
async def test_a_ticket_travels_by_trusted_tls_only(post: Post, plain: bool) -> None:
    answer = await post.mail(PLAIN_MAIL, kind=Kind.ANSWER)
    await post.store.index.write(
        lambda tx: tx.run(
            "UPDATE transfer SET ticket_size = 9 WHERE id = ?1", answer.id
        )
    )
    async with Peer().serving() as peer, running(post, peer.port, plain=plain):
        after = await until_state(post, answer, State.DEFERRED, State.SENT)
    assert after.state is (State.SENT if plain else State.DEFERRED)
    assert after.status == ("2.0.0" if plain else "4.7.4")
    assert bool(peer.messages) is plain


async def test_a_silent_domain_holds_up_no_other(post: Post) -> None:
    """However many transfers wait for it."""
    silent, quick = Peer(hold_last=asyncio.Event()), Peer()
    async with (
        silent.serving(),
        quick.serving(),
        running(post, silent.port, quick.port, per_next_hop=1, attempts=2),
    ):
        for _ in range(20):
            await post.mail(PLAIN_MAIL)
        await silent.held.wait()
        other = await post.mail(PLAIN_MAIL, parse_address("bob@b1.example"))
        await until_state(post, other, State.SENT)
        assert silent.connections == 1
        assert await post.store.index.read(transfers.next_due) is not None
