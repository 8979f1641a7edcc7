# SPDX-License-Identifier: Apache-2.0
"""By a rendezvous goes what is no content, as long as it can and will pass it on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path

import pytest
import pytest_asyncio

from maild.mail import thumbnail
from maild.mail.offer import MEDIA_TYPE, Offer, parse_facts
from maild.mail.transfer import Kind, State
from maild.store import messages, transfers
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.rope import Constant, Raw, Rope
from maild.store.transfers import FreshShare, Transfer
from tests.unit.delivery.peer import POSTFIX, Answer, Peer
from tests.unit.delivery.post import LIFETIMES, Clock, Post, structure
from tests.unit.delivery.rig import BOB, noise, open_store, put
from tests.unit.delivery.test_delivery_station import PLAIN_MAIL, running, until_state
from tests.unit.delivery.test_withdrawing import cancel, withdrawal_of
from tests.unit.mail.test_thumbnail import picture

VIA = "b1.example"
"""The second port of `running`."""


@pytest_asyncio.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    with open_store(tmp_path, Clock()) as store:
        yield await Post(store, store.clock).open_account()


async def share(post: Post, item: Item | None = None) -> Transfer:
    if item is None:
        item = await post.item(put(post.store, noise(2**20)))
    return await post.store.index.write(
        transfers.share,
        post.account,
        item.id,
        BOB,
        FreshShare("T-by-rendezvous", "ab" * 16),
        LIFETIMES,
        post.clock(),
        via=VIA,
    )


def offer_in(octets: bytes) -> Offer:
    (part,) = [
        p for p in message_from_bytes(octets).walk()
        if p.get_content_type() == MEDIA_TYPE
    ]  # fmt: skip
    said = part.get_payload(decode=True)
    assert isinstance(said, bytes)
    offer = parse_facts(said)
    assert isinstance(offer, Offer)
    return offer


async def test_offer_and_withdrawal_go_by_it_and_content_does_not(post: Post) -> None:
    transfer = await share(post)
    async with (
        Peer().serving() as b,
        Peer().serving() as r,
        running(post, b.port, r.port),
    ):
        await until_state(post, transfer, State.OFFERED)
        assert (len(b.messages), len(r.messages)) == (0, 1)
        assert f"RCPT TO:<{BOB}>" in r.commands
        assert offer_in(r.messages[0]).rendezvous == VIA
        await post.accepted(transfer)
        await until_state(post, transfer, State.SENT)
        assert (len(b.messages), len(r.messages)) == (1, 1)


async def test_what_is_taken_back_is_told_by_it(post: Post) -> None:
    transfer = await share(post)
    async with (
        Peer().serving() as b,
        Peer().serving() as r,
        running(post, b.port, r.port),
    ):
        await until_state(post, transfer, State.OFFERED)
        await cancel(post, transfer)
        told = await withdrawal_of(post, transfer)
        await until_state(post, told, State.SENT)
    assert b.messages == []
    assert b'"kind": "withdrawal"' in r.messages[1]


async def test_an_answer_goes_by_it(post: Post) -> None:
    answer = await queued(post, Kind.ANSWER, via=VIA)
    async with (
        Peer().serving() as b,
        Peer().serving() as r,
        running(post, b.port, r.port),
    ):
        await until_state(post, answer, State.SENT)
    assert (b.messages, r.messages) == ([], [PLAIN_MAIL])


async def queued(post: Post, kind: Kind, *, via: str) -> Transfer:
    """Queue a small message of a kind."""

    def job(tx: Tx) -> Transfer:
        now = post.clock()
        content = messages.add_small(tx, PLAIN_MAIL, structure(len(PLAIN_MAIL)), "t")
        new = transfers.newly_queued(
            kind, f"{kind}-by-hand", None, BOB, BOB, size=len(PLAIN_MAIL),
            trace="0123456789abcdef", now=now, expires=now + 1000,
        )  # fmt: skip
        new = replace(
            new, content_id=content, via=via, name="offer-0001", note="answer"
        )
        assert transfers.add(tx, new, now)
        return new

    return await post.store.index.write(job)


@pytest.mark.parametrize("there", ["nobody", "foreign", "gone", "unwilling"])
async def test_what_it_does_not_pass_goes_directly(post: Post, there: str) -> None:
    answers: dict[str, list[Answer]] = {}
    if there == "unwilling":
        answers = {"RCPT": ["550 5.7.1 relaying denied"]}
    peer = Peer(keywords=POSTFIX if there == "foreign" else Peer().keywords)
    peer.answers = answers
    if there == "gone":
        peer.greeting = None
    transfer = await share(post)
    async with Peer().serving() as b, peer.serving() as r:
        port = 1 if there == "nobody" else r.port
        async with running(post, b.port, port):
            await until_state(post, transfer, State.OFFERED)
    assert offer_in(b.messages[0]).rendezvous == VIA
    assert len(b.messages) == 1


@pytest.mark.parametrize(
    ("answer", "state", "status"),
    [
        ("552 5.2.3 too large to offer", State.FAILED, "5.2.3"),
        ("450 4.7.28 too many", State.DEFERRED, "4.7.28"),
    ],
)
async def test_what_it_refuses_is_refused(
    post: Post, answer: str, state: State, status: str
) -> None:
    """Going round it would make its judgement worth nothing."""
    transfer = await share(post)
    plan = Peer(answers={"LAST": [answer]})
    async with (
        Peer().serving() as b,
        plan.serving() as r,
        running(post, b.port, r.port),
    ):
        after = await until_state(post, transfer, state)
    assert after.status == status
    assert b.commands == []


@pytest.mark.parametrize("plain", [True, False])
async def test_a_relay_goes_to_servers_of_ours_only(post: Post, plain: bool) -> None:
    relay = await queued(post, Kind.RELAY, via="")
    plan = Peer(keywords=POSTFIX) if plain else Peer()
    async with plan.serving() as b, running(post, b.port, plain=plain):
        after = await until_state(post, relay, State.DEFERRED)
    assert after.status == "4.7.4"
    assert b.messages == []


async def test_a_relay_is_delivered_as_it_came(post: Post) -> None:
    relay = await queued(post, Kind.RELAY, via="")
    async with Peer().serving() as b, running(post, b.port):
        await until_state(post, relay, State.SENT)
    assert b.messages == [PLAIN_MAIL]
    assert (
        await post.store.index.read(lambda tx: tx.value("SELECT count(*) FROM content"))
        == 0
    )


async def test_an_offer_shows_what_the_upload_brought(post: Post) -> None:
    shown = picture(100, 50, "PNG")
    item = await post.item(put(post.store, noise(1000)))

    def bring(tx: Tx) -> None:
        head = b"From: a\r\n" + thumbnail.field(shown) + b"\r\n"
        rope = Rope((Constant(head), Raw(item.blob_id, 0, item.size)))
        content = messages.add_content(tx, rope, structure(rope.size), "t")
        messages.hold_content(tx, content)
        tx.run("UPDATE item SET content_id = ?2 WHERE id = ?1", item.id, content)

    await post.store.index.write(bring)
    transfer = await post.share(item)
    async with Peer().serving() as b, running(post, b.port):
        await until_state(post, transfer, State.OFFERED)
    mail = message_from_bytes(b.messages[0])
    (image,) = [p for p in mail.walk() if p.get_content_type() == "image/png"]
    assert image.get_payload(decode=True) == shown
    assert offer_in(b.messages[0]).rendezvous is None
