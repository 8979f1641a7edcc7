# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from maild.delivery import guard
from maild.delivery.attempt import Attempt
from maild.delivery.client import Client
from maild.delivery.names import Mx
from maild.delivery.progress import Progress
from maild.delivery.route import Router
from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.delivery.trust import Trust
from maild.delivery.work import Means
from maild.mail.address import parse_address
from maild.mail.offer import MEDIA_TYPE, Offer, parse_facts, proof
from maild.mail.transfer import Kind, State
from maild.store import trace, transfers
from maild.store.errors import StoreBrokenError
from maild.store.transfers import Transfer
from tests.unit.delivery.peer import (
    OURS,
    POSTFIX,
    Certificate,
    Peer,
    make_certificate,
)
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
from tests.unit.test_delivery_log import POSTFIX as LINE

PLAIN_MAIL = b"Subject: hello\r\n\r\nhello\r\n"


class Rig:
    """One store with one account, and attempts at what is queued in it."""

    def __init__(self, post: Post, clock: Clock, certificate: Certificate) -> None:
        self.post = post
        self.store = post.store
        self.clock = clock
        self.certificate = certificate
        self.names = Table({})

    async def attempt(
        self, peer: Peer | None, *, fingerprint: str = "", plain: bool = False
    ) -> Transfer:
        """Claim the one transfer that is due and make one attempt."""
        (claimed,) = await self.store.index.write(
            transfers.claim, "test", self.clock(), 5
        )
        peers = {}
        if peer is not None:
            address = f"127.0.0.1:{peer.port}"
            peers["b.example"] = PeerSettings(address, fingerprint, plain)
        settings = DeliverySettings(idle_timeout=5.0, ca_file=self.certificate.ca_file)
        trust = Trust(settings.ca_file)
        trust.load()
        router = Router(
            peers,
            self.names,
            hostname="mx.a.example",
            port=25,
            private_networks=guard.networks(()),
        )
        client = Client(settings, identity(), trust)
        with threads() as readers:
            means = Means(
                settings,
                identity(),
                self.store,
                router,
                client,
                readers,
                Progress(self.store),
            )
            await Attempt(claimed, means).run()
        return await self.post.now(claimed)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("ca"), "b.example")


@pytest_asyncio.fixture
async def rig(tmp_path: Path, certificate: Certificate) -> AsyncIterator[Rig]:
    clock = Clock()
    with open_store(tmp_path / "store", clock) as store:
        post = await Post(store, clock).open_account()
        yield Rig(post, clock, certificate)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "maild.delivery")
    return caplog


def only_line(caplog: pytest.LogCaptureFixture) -> re.Match[str]:
    """There is exactly one delivery line for an attempt, in Postfix grammar."""
    found = [r.getMessage() for r in caplog.records if r.name == "maild.delivery"]
    assert len(found) == 1, found
    match = LINE.fullmatch(found[0])
    assert match, found[0]
    return match


def facts_of(message: bytes) -> Offer:
    for part in message_from_bytes(message).walk():
        if part.get_content_type() == MEDIA_TYPE:
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            offer = parse_facts(payload)
            assert isinstance(offer, Offer)
            return offer
    raise AssertionError("no facts")


async def test_an_unanswered_share_sends_an_offer_and_no_content(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    content = noise(3 * 2**20)
    item = await rig.post.item(put(rig.store, content))
    share = await rig.post.share(item)
    async with Peer().serving() as peer:
        after = await rig.attempt(peer, plain=True)
    assert after.state is State.OFFERED
    (message,) = peer.messages
    assert peer.content == len(message) < 64 * 1024  # the offer is all that left
    assert base64.b64encode(content[:60]) not in message
    assert content[:60] not in message
    offer = facts_of(message)
    assert (offer.id, offer.nonce) == (share.id, share.nonce)
    assert (offer.sender, offer.recipient) == (ALICE, BOB)
    assert (offer.size, offer.sha256) == (len(content), item.sha256)
    assert message_from_bytes(message)["Maild-Trace"] == share.trace
    line = only_line(lines)
    assert line["status"] == "offered"
    assert line["to"] == "bob@b.example"
    assert line["relay"] == f"127.0.0.1[127.0.0.1]:{peer.port}"
    assert f"trace={share.trace}" in line["more"]


async def test_a_refused_offer_is_final(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    await rig.post.share(await rig.post.item(put(rig.store, b"content")))
    async with Peer(answers={"RCPT": ["550 5.1.1 no bob"]}).serving() as peer:
        after = await rig.attempt(peer, plain=True)
    assert after.state is State.FAILED
    assert (after.status, after.reply) == ("5.1.1", "no bob")
    assert only_line(lines)["status"] == "bounced"


async def test_an_ordinary_server_gets_an_attachment(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    content = noise(200_001)
    name = "Übersicht \u202e../x\r\n.mov"
    await rig.post.share(await rig.post.item(put(rig.store, content), name))
    async with Peer(keywords=POSTFIX).serving() as peer:
        after = await rig.attempt(peer)
    assert after.state is State.SENT
    message = message_from_bytes(peer.messages[0])
    (attached,) = (p for p in message.walk() if p.get_filename())
    assert attached.get_payload(decode=True) == content
    assert (attached.get_filename() or "").startswith("Übersicht")
    assert message["To"] == str(BOB)
    assert only_line(lines)["status"] == "sent"


async def test_an_attachment_too_large_is_not_begun(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    await rig.post.share(await rig.post.item(put(rig.store, noise(100_000))))
    async with Peer(keywords=("SIZE 100000",)).serving() as peer:
        after = await rig.attempt(peer)
    assert after.state is State.FAILED
    assert after.status == "5.3.4"
    assert peer.content == 0
    assert only_line(lines)["dsn"] == "5.3.4"


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


@pytest.mark.parametrize(("tls", "status"), [(True, "4.7.5"), (False, "4.7.4")])
async def test_no_offer_is_made_where_the_content_could_not_follow(
    rig: Rig,
    lines: pytest.LogCaptureFixture,
    tmp_path: Path,
    *,
    tls: bool,
    status: str,
) -> None:
    other = make_certificate(tmp_path, "b.example")
    await rig.post.share(await rig.post.item(put(rig.store, noise(9999))))
    async with Peer(tls=other.context if tls else None).serving() as peer:
        after = await rig.attempt(peer)
    assert (after.state, after.status) == (State.DEFERRED, status)
    assert peer.content == 0
    assert only_line(lines)["status"] == "deferred"


async def test_an_ordinary_server_may_have_any_certificate(
    rig: Rig, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path, "elsewhere.example")
    await rig.post.share(await rig.post.item(put(rig.store, noise(9999))))
    async with Peer(tls=other.context, keywords=POSTFIX).serving() as peer:
        assert (await rig.attempt(peer)).state is State.SENT


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


@pytest.mark.parametrize("keywords", [OURS, POSTFIX])
async def test_mail_goes_as_it_is(
    rig: Rig, lines: pytest.LogCaptureFixture, keywords: tuple[str, ...]
) -> None:
    await rig.post.mail(PLAIN_MAIL)
    async with Peer(keywords=keywords).serving() as peer:
        after = await rig.attempt(peer)
    assert after.state is State.SENT
    assert peer.messages == [PLAIN_MAIL]
    assert only_line(lines)["status"] == "sent"


async def test_an_answer_may_have_the_null_path(rig: Rig) -> None:
    await rig.post.mail(PLAIN_MAIL, kind=Kind.ANSWER, sender=None)
    async with Peer().serving() as peer:
        assert (await rig.attempt(peer)).state is State.SENT
    assert peer.commands[1].startswith("MAIL FROM:<> ")


async def test_failures_come_back_later_and_later(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    after = await rig.post.mail(PLAIN_MAIL)
    waits = []
    for _ in range(4):
        async with Peer(answers={"MAIL": ["451 4.3.0 not now"]}).serving() as peer:
            after = await rig.attempt(peer)
        assert after.state is State.DEFERRED
        waits.append(after.due - rig.clock.now)
        rig.clock.now = after.due
    assert after.attempts == 4
    for wait, plan in zip(waits, (60, 120, 240, 480), strict=True):
        assert 0.9 * plan <= wait <= 1.1 * plan
    assert len(lines.records) == 4


@pytest.mark.parametrize(
    "address", ["bob@[127.0.0.1]", "bob@[IPv6:::1]", "bob@meta.example"]
)
async def test_no_packet_goes_where_it_must_not(
    rig: Rig, lines: pytest.LogCaptureFixture, address: str
) -> None:
    rig.names = Table(
        {"meta.example": [Mx(1, "m.example")]}, {"m.example": ["169.254.169.254"]}
    )
    await rig.post.mail(PLAIN_MAIL, parse_address(address))
    after = await rig.attempt(None)
    assert (after.state, after.status) == (State.FAILED, "5.7.1")
    assert only_line(lines)["relay"] == "none"
    story = await rig.store.index.read(trace.story, after.id)
    assert story[-1].text.startswith("bounced before any server was asked: 5")


async def test_a_trace_tells_the_story(rig: Rig) -> None:
    share = await rig.post.share(await rig.post.item(put(rig.store, b"content")))
    async with Peer(tls=rig.certificate.context).serving() as peer:
        await rig.attempt(peer)
        await rig.post.accepted(share)
        await rig.attempt(peer)
    story = await rig.store.index.read(trace.story, share.id)
    said = [event.text for event in story if event.station == "delivery"]
    relay = f"127.0.0.1[127.0.0.1]:{peer.port}"
    assert said[0].startswith(f"offered by {relay}: 250 2.0.0")
    assert said[1].startswith(f"content flows to {relay} from octet 0 of ")
    assert said[2].startswith(f"sent by {relay}: 250 2.0.0")


async def test_an_answer_may_overtake_the_reply_to_its_offer(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    share = await rig.post.share(await rig.post.item(put(rig.store, b"content")))
    plan = Peer(hold_last=asyncio.Event(), tls=rig.certificate.context)
    async with plan.serving() as peer:
        assert plan.hold_last is not None
        offering = asyncio.create_task(rig.attempt(peer))
        async with asyncio.timeout(10):
            await plan.held.wait()
        await rig.post.accepted(share)
        plan.hold_last.set()
        assert (await offering).state is State.ACCEPTED
        assert only_line(lines)["status"] == "offered"
        plan.hold_last = None
        assert (await rig.attempt(peer)).state is State.SENT


async def test_a_stopped_attempt_drops_the_connection(
    rig: Rig, lines: pytest.LogCaptureFixture
) -> None:
    await rig.post.mail(PLAIN_MAIL)
    plan = Peer(hold_last=asyncio.Event())
    async with plan.serving() as peer:
        attempt = asyncio.create_task(rig.attempt(peer))
        async with asyncio.timeout(10):
            await plan.held.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
    assert only_line(lines)["reply"] == "451 4.3.2 the attempt was stopped"
    assert "QUIT" not in peer.verbs


async def test_an_item_that_is_gone_is_an_end(rig: Rig) -> None:
    item = await rig.post.item(put(rig.store, b"content"))
    share = await rig.post.share(item)
    await rig.store.index.write(
        lambda tx: tx.run("UPDATE transfer SET item_id = NULL WHERE id = ?1", share.id)
    )
    async with Peer().serving() as peer:
        after = await rig.attempt(peer)
    assert (after.state, after.status) == (State.FAILED, "5.6.0")
    assert peer.connections == 0


@pytest.mark.parametrize("is_kept", [False, True])
async def test_the_line_tells_what_is_recorded(
    rig: Rig, lines: pytest.LogCaptureFixture, monkeypatch: Any, *, is_kept: bool
) -> None:
    """Even when it is stopped meanwhile: what is not kept is told another time."""
    write, asked, go_on = rig.store.index.write, asyncio.Event(), asyncio.Event()

    async def slow(what: Any, *args: Any) -> Any:
        if what.__name__ == "record":
            asked.set()
            await go_on.wait()
            if not is_kept:
                raise StoreBrokenError("the device refused a sync")
        return await write(what, *args)

    monkeypatch.setattr(rig.store.index, "write", slow)
    mail = await rig.post.mail(PLAIN_MAIL)
    async with Peer().serving() as peer:
        attempt = asyncio.create_task(rig.attempt(peer))
        await asked.wait()
        attempt.cancel()
        go_on.set()
        await asyncio.wait([attempt])
    assert only_line(lines)["status"] == ("sent" if is_kept else "deferred")
    assert ((await rig.post.now(mail)).state is State.SENT) == is_kept
