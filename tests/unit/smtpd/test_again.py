# SPDX-License-Identifier: Apache-2.0
"""What comes a second time because its 250 was lost, or was said twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from maild.mail.address import Address
from maild.mail.compose import Facts, answer_message, offer_message
from maild.mail.offer import Answer
from maild.mail.transfer import State
from maild.store import messages
from maild.store.errors import NotFoundError
from tests.unit.smtpd.live import BOB, NOW, STRANGER, Live, an_offer, live
from tests.unit.smtpd.speaker import Speaker, content, push_of, upload_of
from tests.unit.smtpd.test_landing import deliver, digest, push, shared

FACTS = Facts("made@b.example", NOW, "0123456789abcdef")


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def test_an_offer_that_comes_again_is_filed_once(station: Live) -> None:
    """A second message could be moved to Accepted, and nothing would happen."""
    message = offer_message(an_offer(10, None, "offer-0001"), FACTS, None).octets
    for _ in range(2):
        await deliver(station, message, STRANGER, "bob@a.example")
    (line,) = await station.lines(station.bob, "INBOX")
    assert line.flags == ("$Offer",)


async def test_an_answer_to_nothing_of_ours_is_mail(station: Live) -> None:
    """Nothing that was answered 250 vanishes."""
    answer = Answer(
        "unknown-1",
        "nonce-1234",
        BOB,
        STRANGER,
        False,
        None,
        0,
        int(NOW) + 9,
        "trace-01",
    )
    message = answer_message(answer, FACTS).octets
    await deliver(station, message, STRANGER, "bob@a.example")
    assert len(await station.lines(station.bob, "INBOX")) == 1


async def test_a_second_answer_is_no_mail(station: Live) -> None:
    transfer = await shared(station)
    alice = Address("alice", "a.example")
    for accepted in (False, True):
        answer = Answer(
            transfer.id,
            transfer.nonce or "",
            alice,
            STRANGER,
            accepted,
            "cd" * 16 if accepted else None,
            100,
            int(NOW) + 1000,
            "0123456789abcdef",
        )
        message = answer_message(answer, FACTS).octets
        await deliver(station, message, STRANGER, "alice@a.example")
    assert await station.lines(station.alice, "INBOX") == []
    (after,) = await station.transfers(station.alice)
    assert after.state is State.DECLINED


async def test_a_push_that_is_landing_is_not_sent_again(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is lost before the 250; the next one is told that all is here."""
    octets = content(300_000)
    proof = await station.accepted_offer(len(octets))
    message = push_of(octets, digest(octets))
    mail = (
        f"MAIL FROM:<carol@b.example> BODY=BINARYMIME SIZE={len(message)}"
        f" TRANSID=<{proof}@b.example>"
    )
    lands, landing, write = asyncio.Event(), asyncio.Event(), station.store.index.write

    async def slow(job: Any, *args: Any, **kwargs: Any) -> Any:
        landing.set()
        await lands.wait()
        return await write(job, *args, **kwargs)

    first = await Speaker.secure(station)
    await first.says(mail, 250)
    await first.says("RCPT TO:<bob@a.example>", 250)
    monkeypatch.setattr(station.store.index, "write", slow)
    first.send(b"BDAT %d LAST\r\n" % len(message) + message)
    async with asyncio.timeout(20):
        await landing.wait()
    await first.close()
    second = await Speaker.secure(station)
    second.send(mail.encode() + b"\r\n")
    await second.writer.drain()
    asyncio.get_running_loop().call_later(0.2, lands.set)
    again = await second.reply()
    assert (again.code, again.text.split()[0]) == (355, str(len(message)))
    reply = await second.chunk(b"", 250)
    (item,) = await station.items(station.bob)
    assert reply.text.startswith(f"{item.id} {len(octets)} octets")
    await second.close()


async def test_what_is_missing_besides_the_offer_is_temporary(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = content(1000)
    proof = await station.accepted_offer(len(octets))
    message = push_of(octets, digest(octets))

    def gone(*_: object) -> int:
        raise NotFoundError("there is no such blob")

    with monkeypatch.context() as patch:
        patch.setattr(messages, "add_content", gone)
        assert await push(station, message, proof, 451) == "4.3.0"
    assert await push(station, message, proof, 250) == "2.0.0"


async def test_a_push_that_cannot_fit_is_not_begun(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = await station.accepted_offer(10**6)
    monkeypatch.setattr(station.store.blobs, "room", lambda taken: 10**6 - taken)
    speaker = await Speaker.secure(station)
    mail = f"MAIL FROM:<carol@b.example> TRANSID=<{proof}@b.example> SIZE=1000500"
    await speaker.says(mail, 250)
    reply = await speaker.says("RCPT TO:<bob@a.example>", 452)
    assert reply.status == "4.3.1"
    await speaker.close()


async def test_a_recipient_named_twice_is_written_to_once(station: Live) -> None:
    speaker = await Speaker.alice(station)
    await speaker.envelope("carol@b.example", "alice@a.example")
    await speaker.says("RCPT TO:<carol@B.example>", 250)
    await speaker.says("RCPT TO:<dave@b.example>", 250)
    await speaker.chunk(b"Subject: x\r\n\r\n", 250)
    queued = await station.transfers(station.alice)
    assert sorted(t.recipient.local for t in queued) == ["carol", "dave"]
    await speaker.close()


async def test_the_log_tells_what_came(
    station: Live, caplog: pytest.LogCaptureFixture
) -> None:
    """Octets of the message as it came, or of the item that a BURL names."""
    caplog.set_level(logging.INFO, "maild.queue")
    octets = content(100_000)
    upload = upload_of(octets)
    speaker = await Speaker.alice(station)
    await speaker.envelope(
        "alice+library@a.example", "alice@a.example", "BODY=BINARYMIME"
    )
    await speaker.chunk(upload, 250)
    await speaker.envelope("carol@b.example", "alice@a.example")
    (line,) = await station.lines(station.alice, "Library")
    url = f"imap://alice%40a.example@a.example/Library/;UID={line.uid}"
    await speaker.says(f"BURL {url} LAST", 250)
    await speaker.close()
    said = [r.getMessage() for r in caplog.records if "from=<" in r.getMessage()]
    assert f" size={len(upload)}," in said[0]
    assert f" size={len(octets)}," in said[1]
