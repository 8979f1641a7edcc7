# SPDX-License-Identifier: Apache-2.0
"""Attempts at offers, ordinary mail and answers, and how they end."""

from __future__ import annotations

import asyncio
import base64
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from maild.delivery.names import Mx
from maild.mail.address import parse_address
from maild.mail.transfer import Kind, State
from maild.store import trace
from maild.store.errors import StoreBrokenError
from tests.unit.delivery.attempts import Rig, facts_of, only_line
from tests.unit.delivery.peer import (
    OURS,
    POSTFIX,
    Peer,
    make_certificate,
)
from tests.unit.delivery.rig import (
    ALICE,
    BOB,
    noise,
    put,
)
from tests.unit.delivery.test_route import Table

PLAIN_MAIL = b"Subject: hello\r\n\r\nhello\r\n"


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
