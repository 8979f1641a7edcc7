# SPDX-License-Identifier: Apache-2.0
"""A share that waits for go: the whole way up to its first octet, and not further."""

from __future__ import annotations

import logging

import pytest

from maild.mail.transfer import State
from maild.store import transfers
from maild.store.transfers import Transfer
from tests.unit.delivery.attempts import Rig, only_line
from tests.unit.delivery.peer import POSTFIX, Certificate, Peer
from tests.unit.delivery.rig import noise, put

WITHIN = 3600.0
CONTENT = noise(300_000)


async def offered(rig: Rig, peer: Peer) -> Transfer:
    item = await rig.post.item(put(rig.store, CONTENT))
    peer.final = lambda _: f"250 2.0.0 Q1 {len(CONTENT)} octets sha-256 {item.sha256}"
    share = await rig.post.share(item, confirm=WITHIN)
    await rig.attempt(peer)
    await rig.post.accepted(share)
    peer.commands.clear()
    peer.content = 0
    return share


@pytest.fixture
def plan(certificate: Certificate) -> Peer:
    return Peer(tls=certificate.context)


async def test_it_gets_to_the_envelope(
    rig: Rig, plan: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    async with plan.serving() as peer:
        await offered(rig, peer)
        caplog.set_level(logging.INFO, "maild.delivery")
        caplog.clear()
        after = await rig.attempt(peer)
    assert after.state is State.PREPARED
    assert peer.verbs == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "QUIT"]
    assert peer.content == 0
    assert (after.status, after.reply) == ("2.1.5", "the server would take it")
    assert after.expires == rig.clock() + WITHIN
    (mail,) = (c for c in peer.commands if c.startswith("MAIL"))
    assert "TRANSID=" in mail
    assert "BODY=BINARYMIME" not in mail  # nothing is lent for it
    line = only_line(caplog)
    assert (line["status"], line["dsn"]) == ("prepared", "2.1.5")


async def test_after_go_the_content_follows(rig: Rig, plan: Peer) -> None:
    async with plan.serving() as peer:
        share = await offered(rig, peer)
        await rig.attempt(peer)
        assert await rig.store.index.write(transfers.go, share.id, rig.clock())
        after = await rig.attempt(peer)
    assert after.state is State.SENT
    assert CONTENT in peer.messages[-1]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize(
    ("reply", "state"), [("550 5.7.1 no", "failed"), ("452 4.3.1 full", "deferred")]
)
async def test_a_refusal_is_told_at_once(
    rig: Rig, plan: Peer, verb: str, reply: str, state: str
) -> None:
    async with plan.serving() as peer:
        await offered(rig, peer)
        peer.answers[verb] = [reply]
        after = await rig.attempt(peer)
    assert (after.state.value, f"{after.status} {after.reply}") == (state, reply[4:])
    assert after.confirm == WITHIN
    assert peer.content == 0


async def test_nobody_at_home_is_tried_again(rig: Rig, plan: Peer) -> None:
    async with plan.serving() as peer:
        await offered(rig, peer)
    after = await rig.attempt(peer)
    assert (after.state, after.status) == (State.DEFERRED, "4.4.1")
    assert after.confirm == WITHIN


async def test_an_ordinary_server_is_asked_too(rig: Rig) -> None:
    item = await rig.post.item(put(rig.store, CONTENT))
    share = await rig.post.share(item, confirm=WITHIN)
    async with Peer(keywords=POSTFIX).serving() as peer:
        ready = await rig.attempt(peer)
        assert ready.state is State.PREPARED
        assert peer.verbs[-4:] == ["EHLO", "MAIL", "RCPT", "QUIT"]
        assert peer.content == 0
        assert await rig.store.index.write(transfers.go, share.id, rig.clock())
        after = await rig.attempt(peer)
    assert after.state is State.SENT
    assert len(peer.messages) == 1


async def test_one_too_large_for_an_ordinary_server_fails_at_once(rig: Rig) -> None:
    item = await rig.post.item(put(rig.store, CONTENT))
    await rig.post.share(item, confirm=WITHIN)
    async with Peer(keywords=("SIZE 100000",)).serving() as peer:
        after = await rig.attempt(peer)
    assert (after.state, after.status) == (State.FAILED, "5.3.4")
