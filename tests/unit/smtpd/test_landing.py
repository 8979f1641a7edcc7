# SPDX-License-Identifier: Apache-2.0
"""What messages from other servers leave behind."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.mail.address import Address
from maild.mail.compose import Facts, answer_message, offer_message
from maild.mail.offer import Answer, Offer
from maild.mail.transfer import Event, State
from maild.store import accounts, transfers
from maild.store.index import Tx
from tests.unit.smtpd.live import BOB, NOW, STRANGER, Live, an_offer, live
from tests.unit.smtpd.speaker import Speaker, content, push_of, upload_of

FACTS = Facts("made@b.example", NOW, "0123456789abcdef")


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


async def deliver(station: Live, message: bytes, sender: Address, to: str) -> str:
    speaker = await Speaker.hello(station)
    await speaker.envelope(to, str(sender), "BODY=8BITMIME")
    reply = await speaker.chunk(message, 250)
    await speaker.close()
    return reply.text


async def test_mail_lands_with_its_trace(station: Live) -> None:
    await deliver(station, b"Subject: hi\r\n\r\nhello\r\n", STRANGER, "bob@a.example")
    (line,) = await station.lines(station.bob, "INBOX")
    octets = await station.octets(line.content_id)
    assert octets.startswith(
        b"Return-Path: <carol@b.example>\r\nReceived: from peer.example ([127.0.0.1])"
    )
    assert b"for <bob@a.example>; Fri, 15 Jan 2027 08:00:00 -0000\r\n" in octets
    assert octets.endswith(b"Subject: hi\r\n\r\nhello\r\n")
    assert line.flags == ()


async def test_one_account_named_twice_gets_one_message(station: Live) -> None:
    speaker = await Speaker.hello(station)
    await speaker.envelope("bob@a.example")
    await speaker.says("RCPT TO:<bob+x@a.example>", 250)
    await speaker.says("RCPT TO:<alice@a.example>", 250)
    await speaker.chunk(b"Subject: x\r\n\r\n", 250)
    assert len(await station.lines(station.bob, "INBOX")) == 1
    assert len(await station.lines(station.alice, "INBOX")) == 1
    await speaker.close()


async def test_a_loop_is_cut(station: Live) -> None:
    speaker = await Speaker.hello(station)
    await speaker.envelope("bob@a.example")
    hops = b"".join(b"Received: from %d\r\n" % n for n in range(50))
    reply = await speaker.chunk(hops + b"\r\nround\r\n", 554)
    assert reply.status == "5.4.6"
    assert await station.lines(station.bob, "INBOX") == []
    await speaker.close()


def offered(offer: Offer) -> bytes:
    return offer_message(offer, FACTS, None).octets


async def test_an_offer_waits_in_the_inbox(station: Live) -> None:
    message = offered(an_offer(10**9, None, "offer-0001"))
    await deliver(station, message, STRANGER, "bob@a.example")
    (line,) = await station.lines(station.bob, "INBOX")
    assert line.flags == ("$Offer",)
    assert await station.lines(station.bob, "Accepted") == []


async def test_a_forwarded_offer_offers_nothing(station: Live) -> None:
    message = offered(an_offer(10**9, None, "offer-0001"))
    await deliver(station, message, STRANGER, "alice@a.example")
    (line,) = await station.lines(station.alice, "INBOX")
    assert line.flags == ()


@pytest.mark.parametrize(
    ("policy", "known", "size", "accepts"),
    [
        ("ask", True, 10, False),
        ("contacts", True, 10, True),
        ("contacts", False, 10, False),
        ("contacts", True, 2000, False),
        ("anyone", False, 1000, True),
        ("anyone", False, 1001, False),
    ],
)
async def test_the_policy_decides(
    station: Live, policy: str, *, known: bool, size: int, accepts: bool
) -> None:
    def prepare(tx: Tx) -> None:
        accounts.set_policy(tx, station.bob, policy, 1000)
        if known:
            accounts.add_contact(tx, station.bob, STRANGER)

    await station.store.index.write(prepare)
    message = offered(an_offer(size, None, "offer-0001"))
    await deliver(station, message, STRANGER, "bob@a.example")
    waiting = [line.flags for line in await station.lines(station.bob, "INBOX")]
    assert waiting == ([] if accepts else [("$Offer",)])
    filed = [line.flags for line in await station.lines(station.bob, "Accepted")]
    assert filed == ([("$Offer", "\\Seen")] if accepts else [])
    queued = await station.store.index.read(transfers.everything)
    assert [t.recipient for t in queued] == ([STRANGER] if accepts else [])


async def shared(station: Live) -> transfers.Transfer:
    """Let alice upload and share with carol, and the offer be taken."""
    speaker = await Speaker.alice(station)
    await speaker.envelope(
        "alice+library@a.example", "alice@a.example", "BODY=BINARYMIME"
    )
    await speaker.chunk(upload_of(b"x" * 100), 250)
    await speaker.says("MAIL FROM:<alice@a.example>", 250)
    await speaker.says("RCPT TO:<carol@b.example>", 250)
    (line,) = await station.lines(station.alice, "Library")
    url = f"imap://alice%40a.example@a.example/Library/;UID={line.uid}"
    await speaker.says(f"BURL {url} LAST", 250)
    await speaker.close()
    (transfer,) = await station.transfers(station.alice)

    def offer_taken(tx: Tx) -> None:
        transfers.claim(tx, "test", NOW, 1)
        transfers.advance(tx, transfer.id, Event.OFFER_TAKEN, NOW)

    await station.store.index.write(offer_taken)
    return transfer


async def test_an_answer_counts_only_from_whom_it_was_offered_to(station: Live) -> None:
    transfer = await shared(station)
    assert transfer.nonce
    answer = Answer(
        offer_id=transfer.id,
        nonce=transfer.nonce,
        sender=Address("alice", "a.example"),
        recipient=STRANGER,
        accepted=True,
        ticket="cd" * 16,
        size=100,
        expires=int(NOW) + 1000,
        trace="0123456789abcdef",
    )
    message = answer_message(answer, FACTS).octets
    await deliver(station, message, BOB, "alice@a.example")
    (found,) = await station.transfers(station.alice)
    assert found.state is State.OFFERED
    await deliver(station, message, STRANGER, "alice@a.example")
    (found,) = await station.transfers(station.alice)
    assert (found.state, found.ticket) == (State.ACCEPTED, "cd" * 16)
    assert await station.lines(station.alice, "INBOX") == []


async def test_a_push_lands_once(station: Live) -> None:
    octets = content(300_000)
    proof = await station.accepted_offer(len(octets))
    message = push_of(octets, digest(octets))
    speaker = await Speaker.secure(station)
    mail = f"BODY=BINARYMIME SIZE={len(message)} TRANSID=<{proof}@b.example>"
    await speaker.envelope("bob@a.example", parameters=mail)
    await speaker.says("RCPT TO:<alice@a.example>", 452)
    reply = await speaker.chunk(message, 250)
    (item,) = await station.items(station.bob)
    assert reply.text == f"{item.id} {len(octets)} octets sha-256 {digest(octets)}"
    assert (item.name, item.type, item.section) == ("film.mov", "video/quicktime", "2")
    assert (item.own, item.sender) == (False, STRANGER)
    assert len(await station.lines(station.bob, "Library")) == 1
    assert len(await station.lines(station.bob, "Items")) == 1
    _, received = await station.lines(station.bob, "INBOX")
    assert octets in await station.octets(received.content_id)
    # The 250 was lost: the same again is told its end, and gets the same reply.
    again = await speaker.says(f"MAIL FROM:<carol@b.example> {mail}", 355)
    assert again.text.startswith(f"{len(message)} ")
    assert await speaker.chunk(b"", 250) == reply
    assert len(await station.items(station.bob)) == 1
    await speaker.close()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_push_goes_on_where_it_was_cut(station: Live, *, tls: bool) -> None:
    octets = content(3_000_000)
    proof = await station.accepted_offer(len(octets), digest(octets))
    message = push_of(octets, digest(octets))
    mail = (
        f"MAIL FROM:<carol@b.example> BODY=BINARYMIME SIZE={len(message)}"
        f" TRANSID=<{proof}@b.example>"
    )
    speaker = await Speaker.secure(station)
    await speaker.says(mail, 250)
    await speaker.says("RCPT TO:<bob@a.example>", 250)
    await speaker.chunk(message[:1_000_000], 250, last=False)
    speaker.send(b"BDAT %d LAST\r\n" % (len(message) - 1_000_000))
    speaker.send(message[1_000_000:2_000_000])
    await speaker.writer.drain()
    if tls:
        await speaker.close()
    second = await Speaker.secure(station)  # the old one may not be known to be dead
    reply = await second.says(mail, 355)
    offset = int(reply.text.split()[0])
    assert 1_000_000 <= offset <= 2_000_000
    await second.chunk(message[offset:], 250)
    (item,) = await station.items(station.bob)
    assert item.sha256 == digest(octets)
    await second.close()
    await speaker.close()


async def test_another_rendering_begins_anew(station: Live) -> None:
    octets = content(1000)
    proof = await station.accepted_offer(len(octets))
    mail = f"MAIL FROM:<carol@b.example> TRANSID=<{proof}@b.example> BODY=BINARYMIME"
    speaker = await Speaker.secure(station)
    await speaker.says(f"{mail} SIZE=2000", 250)
    await speaker.says("RCPT TO:<bob@a.example>", 250)
    await speaker.chunk(b"Subject: x\r\n", 250, last=False)
    await speaker.close()
    speaker = await Speaker.secure(station)
    await speaker.says(f"{mail} SIZE=1999", 250)
    await speaker.close()


async def push(
    station: Live,
    message: bytes,
    proof: str,
    code: int,
    sender: str = "carol@b.example",
) -> str:
    speaker = await Speaker.secure(station)
    await speaker.envelope(
        "bob@a.example", sender, f"BODY=BINARYMIME TRANSID=<{proof}@b.example>"
    )
    reply = await speaker.chunk(message, code)
    await speaker.close()
    return reply.status


async def test_a_wrong_digest_is_not_kept(station: Live) -> None:
    octets = content(100_000)
    proof = await station.accepted_offer(len(octets))
    wrong = push_of(octets, digest(b"something else"))
    assert await push(station, wrong, proof, 451) == "4.6.0"
    assert await station.items(station.bob) == []
    await push(station, push_of(octets, digest(octets)), proof, 250)


async def test_not_one_octet_more_than_was_accepted(station: Live) -> None:
    octets = content(100_001)
    proof = await station.accepted_offer(100_000)
    message = push_of(octets, digest(octets))
    assert await push(station, message, proof, 552) == "5.3.4"
    short = content(99_999)
    assert await push(station, push_of(short, digest(short)), proof, 554) == "5.6.0"
    assert await station.items(station.bob) == []


async def test_what_was_offered_by_digest_is_what_comes(station: Live) -> None:
    proof = await station.accepted_offer(1000, digest(b"the offered one"))
    octets = content(1000)
    message = push_of(octets, digest(octets))
    assert await push(station, message, proof, 554) == "5.6.0"


async def test_a_proof_is_good_for_its_sender_alone(station: Live) -> None:
    octets = content(1000)
    proof = await station.accepted_offer(1000)
    message = push_of(octets, digest(octets))
    await push(station, message, proof, 250, sender="mallory@b.example")
    assert await station.items(station.bob) == []  # ordinary mail, small as it is
    assert len(await station.lines(station.bob, "INBOX")) == 2


async def test_content_comes_by_tls(station: Live) -> None:
    proof = await station.accepted_offer(1000)
    speaker = await Speaker.hello(station)
    mail = f"MAIL FROM:<carol@b.example> TRANSID=<{proof}@b.example>"
    await speaker.says(mail, 530)
    await speaker.close()


async def test_a_private_network_may_be_plain(tmp_path: Path) -> None:
    async with live(tmp_path, plain_networks=("127.0.0.0/8",)) as station:
        octets = content(5_000_000)
        proof = await station.accepted_offer(len(octets))
        speaker = await Speaker.hello(station)
        await speaker.envelope(
            "bob@a.example", parameters=f"BODY=BINARYMIME TRANSID=<{proof}@b.example>"
        )
        await speaker.chunk(push_of(octets, digest(octets)), 250)
        (item,) = await station.items(station.bob)
        assert item.sha256 == digest(octets)
        await speaker.close()


async def test_facts_about_something_else_are_mail(station: Live) -> None:
    odd = json.dumps({"maild": 1, "kind": "poem", "id": "x"})
    message = (f"Content-Type: application/vnd.maild+json\r\n\r\n{odd}\r\n").encode()
    await deliver(station, message, STRANGER, "bob@a.example")
    assert len(await station.lines(station.bob, "INBOX")) == 1


async def test_the_store_may_be_full(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station.store.blobs, "free_space", lambda *_: 0)
    speaker = await Speaker.hello(station)
    await speaker.says("MAIL FROM:<carol@b.example> SIZE=1000", 250)
    reply = await speaker.says("RCPT TO:<bob@a.example>", 452)
    assert reply.status == "4.3.1"
    await speaker.close()


async def test_an_error_of_ours_is_temporary_and_keeps_step(
    station: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_expected: int | None) -> None:
        raise RuntimeError("a path /and/a/secret")

    octets = content(400_000)
    message = (
        b"Content-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n" + octets
    )
    speaker = await Speaker.hello(station)
    await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
    with monkeypatch.context() as patch:
        patch.setattr(station.store.blobs, "create", broken)
        reply = await speaker.chunk(message, 451)
    assert str(reply) == "451 4.3.0 an error on our side; try again later"
    assert "a path /and/a/secret" in caplog.text
    await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
    await speaker.chunk(message, 250)
    await speaker.close()


async def test_the_peer_leaves_inside_a_chunk(station: Live) -> None:
    for size in (10_000, 10_000_000):
        speaker = await Speaker.hello(station)
        await speaker.envelope("bob@a.example", parameters="BODY=BINARYMIME")
        speaker.send(b"BDAT %d LAST\r\nSubject: x\r\n\r\nQUIT\r\n" % size)
        speaker.writer.write_eof()
        assert await asyncio.wait_for(speaker.reader.read(), 20) == b""
        await speaker.close()
    assert await station.lines(station.bob, "INBOX") == []
