# SPDX-License-Identifier: Apache-2.0
"""Attempts that push: behind the proof, over proven TLS, the same octets each time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from maild.delivery.ladder import Ladder
from maild.delivery.route import Route
from maild.mail.offer import proof
from maild.mail.transfer import State
from maild.store import trace
from maild.store.items import Item
from tests.unit.delivery.attempts import Rig, facts_of, only_line
from tests.unit.delivery.peer import (
    Peer,
    make_certificate,
)
from tests.unit.delivery.post import TICKET
from tests.unit.delivery.rig import (
    ALICE,
    BOB,
    noise,
    put,
)


async def test_an_accepted_share_is_pushed_behind_its_proof(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    content = noise(2 * 2**20 + 1)
    item = await rig.post.item(put(rig.store, content))
    share = await rig.post.share(item)
    plan = Peer(tls=rig.certificate.context)
    plan.final = lambda _: f"250 2.0.0 Q1 {len(content)} octets sha-256 {item.sha256}"
    async with plan.serving() as peer:
        await rig.attempt(peer)
        await rig.post.accepted(share)
        lines.clear()
        after = await rig.attempt(peer)
    assert after.state is State.SENT
    assert after.octets == len(content)
    pushed = peer.messages[1]
    assert content in pushed
    assert (item.sha256 or "-").encode() in pushed
    assert b"bob@" not in pushed  # no recipient is named in it
    mail = [c for c in peer.commands if c.startswith("MAIL")][1]
    expected = proof(TICKET, share.id, ALICE, BOB)
    assert f"TRANSID=<{expected}@a.example>" in mail
    assert "BODY=BINARYMIME" in mail
    assert f"SIZE={len(pushed)}" in mail
    assert TICKET not in "".join(peer.commands)
    line = only_line(lines)
    assert line["status"] == "sent"
    assert f"octets={len(pushed)}, offset=0" in line["more"]
    assert "tls=TLSv1.3" in line["more"]
    assert TICKET not in line.string


async def test_a_proof_that_is_repeated_is_not_shown(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    share = await rig.post.share(await rig.post.item(put(rig.store, noise(9999))))
    secret = proof(TICKET, share.id, ALICE, BOB)
    async with Peer(tls=rig.certificate.context).serving() as peer:
        await rig.attempt(peer)
        await rig.post.accepted(share)
        peer.answers["MAIL"] = [f"501 5.5.4 what is {secret.upper()}?"]
        after = await rig.attempt(peer)
    assert (after.state, after.status) == (State.FAILED, "5.5.4")
    story = await rig.store.index.read(trace.story, share.id)
    for shown in (after.reply, lines.text, *(event.text for event in story)):
        assert secret not in shown.lower()


async def test_a_push_without_tls_is_put_off(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    share = await rig.post.share(await rig.post.item(put(rig.store, noise(9999))))
    async with Peer().serving() as peer:
        await rig.attempt(peer, plain=True)
        before = peer.content
        await rig.post.accepted(share)
        lines.clear()
        after = await rig.attempt(peer)
        assert peer.content == before
        assert after.state is State.DEFERRED
        assert after.status == "4.7.4"
        assert only_line(lines)["status"] == "deferred"
        rig.clock.now = after.due
        assert (await rig.attempt(peer, plain=True)).state is State.SENT


async def test_a_push_to_an_untrusted_certificate_is_put_off(
    rig: Rig, lines: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path, "b.example")
    share = await rig.post.share(await rig.post.item(put(rig.store, noise(9999))))
    pinned = hashlib.sha256(other.der).hexdigest()
    async with Peer(tls=other.context).serving() as peer:
        await rig.attempt(peer, fingerprint=pinned)
        before = peer.content
        await rig.post.accepted(share)
        after = await rig.attempt(peer)
        assert (after.state, after.status) == (State.DEFERRED, "4.7.5")
        assert "cannot be trusted" in after.reply
        assert peer.content == before
        rig.clock.now = after.due
        assert (await rig.attempt(peer, fingerprint=pinned)).state is State.SENT


async def test_interrupted_pushes_render_the_same_octets(rig: Rig) -> None:
    content = noise(5 * 2**20)
    share = await rig.post.share(await rig.post.item(put(rig.store, content)))
    have = b""
    async with Peer(tls=rig.certificate.context).serving() as peer:
        await rig.attempt(peer)
        await rig.post.accepted(share)
        peer.drop_at = 2 * 2**20
        for _ in range(3):
            after = await rig.attempt(peer)
            assert after.state is State.DEFERRED
            assert after.status == "4.4.2"
            have += peer.partial
            peer.offset = len(have)
            rig.clock.now = after.due
            if len(have) > 3 * 2**20:
                peer.drop_at = None
                break
        after = await rig.attempt(peer)
    assert after.state is State.SENT
    whole = have + peer.messages[-1]
    assert content in whole
    assert len(whole) == len(whole.rstrip(b"\0"))
    digest = json.dumps(hashlib.sha256(content).hexdigest()).encode()
    assert digest in whole[-400:]


async def test_what_the_server_holds_is_compared(rig: Rig) -> None:
    share = await rig.post.share(await rig.post.item(put(rig.store, b"content")))
    plan = Peer(tls=rig.certificate.context)
    async with plan.serving() as peer:
        await rig.attempt(peer)
        await rig.post.accepted(share)
        plan.final = lambda _: f"250 2.0.0 Q1 7 octets sha-256 {'0' * 64}"
        after = await rig.attempt(peer)
    assert (after.state, after.status) == (State.FAILED, "5.6.0")


async def test_more_than_was_accepted_is_never_sent(rig: Rig) -> None:
    share = await rig.post.share(await rig.post.item(put(rig.store, b"content")))
    async with Peer(tls=rig.certificate.context).serving() as peer:
        await rig.attempt(peer)
        await rig.post.accepted(share, size=3)
        peer.connections = 0
        after = await rig.attempt(peer)
    assert (after.state, after.status) == (State.FAILED, "5.7.1")
    assert peer.connections == 0


@pytest.mark.parametrize("cut", [False, True])
async def test_what_was_offered_is_pushed_though_it_is_replaced_meanwhile(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, *, cut: bool
) -> None:
    """In the time between claim and connection; by the same octets, if it goes on."""
    old, new = noise(3 * 2**20), b"new" * 2**20
    item = await rig.post.item(put(rig.store, old))
    share = await rig.post.share(item)
    have = b""
    async with Peer(tls=rig.certificate.context).serving() as peer:
        await rig.attempt(peer)
        await rig.post.accepted(share)
        if cut:
            peer.drop_at = 2**20
            rig.clock.now = (await rig.attempt(peer)).due
            have, peer.drop_at = bytes(peer.partial), None
            peer.offset = len(have)
        monkeypatch.setattr(Ladder, "find", replacing(rig, item, new))
        after = await rig.attempt(peer)
    assert (after.state, after.item_id) == (State.SENT, f"{item.id}.1")
    whole = have + peer.messages[1]
    assert old in whole
    assert (item.sha256 or "-").encode() in whole[-400:]


async def test_the_offer_is_of_what_was_shared_though_it_is_replaced_meanwhile(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = noise(300_000), b"new" * 2**20
    item = await rig.post.item(put(rig.store, old))
    share = await rig.post.share(item)
    monkeypatch.setattr(Ladder, "find", replacing(rig, item, new))
    async with Peer(tls=rig.certificate.context).serving() as peer:
        await rig.attempt(peer)
        offer = facts_of(peer.messages[0])
        assert (offer.size, offer.sha256) == (len(old), item.sha256)
        await rig.post.accepted(share, offer.size)
        after = await rig.attempt(peer)
    assert after.state is State.SENT
    assert old in peer.messages[1]


def replacing(
    rig: Rig, item: Item, octets: bytes
) -> Callable[[Ladder], Awaitable[Route]]:
    """Return what finds a route while somebody replaces the item, the first time."""
    find = Ladder.find
    left = [item]

    async def found(ladder: Ladder) -> Route:
        while left:
            await rig.post.replace(left.pop(), put(rig.store, octets))
        return await find(ladder)

    return found
