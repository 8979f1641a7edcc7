# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
import pytest_asyncio

from maild.mail.offer import Answer
from maild.mail.reply import Reply
from maild.mail.transfer import Event, Kind, State
from maild.queue.settings import QueueSettings
from maild.queue.station import HOUSEKEEPING, QueueStation
from maild.store import checkpoints, mailboxes, messages, trace, transfers
from maild.store.checkpoints import Checkpoint, Envelope
from maild.store.checkpoints import Kind as Up
from maild.store.index import Tx
from maild.store.rope import Constant
from maild.store.trace import TraceEvent
from maild.store.transfers import Transfer
from tests.unit.delivery.post import LIFETIMES, Clock, Post
from tests.unit.delivery.rig import ALICE, BOB, identity, open_store, put

DAY = 86400.0
MAIL = b"Subject: hello\r\n\r\nhello\r\n"


class Rig:
    def __init__(self, post: Post, clock: Clock) -> None:
        self.post = post
        self.store = post.store
        self.clock = clock
        self.settings = QueueSettings()
        self.steady = 0.0
        """What the clock is ahead of the time that passes, because somebody set it."""
        self.station = QueueStation(
            self.settings, identity(), post.store, lambda: clock.now - self.steady
        )

    def leap(self, seconds: float) -> None:
        """Set the clock; no time passes."""
        self.clock.now += seconds
        self.steady += seconds

    async def inbox(self) -> list[Message]:
        """Return the sender's INBOX."""
        octets = await self.store.index.read(_inbox, self.post.account)
        return [message_from_bytes(o) for o in octets]

    async def move(self, transfer: Transfer, *events: Event, reply: Reply) -> None:
        for event in events:
            await self.store.index.write(
                transfers.advance, transfer.id, event, self.clock(), reply=reply
            )

    async def offered(self) -> Transfer:
        share = await self.post.share(await self.post.item(put(self.store, b"film")))
        ok = Reply(250, "0.0", "taken")
        await self.move(share, Event.CLAIM, Event.OFFER_TAKEN, reply=ok)
        return share


def _inbox(tx: Tx, account: int) -> list[bytes]:
    inbox = mailboxes.find(tx, account, "INBOX")
    assert inbox is not None
    found, _, _ = messages.lines(tx, inbox.id)
    contents = [messages.content(tx, line.content_id) for line in found]
    return [
        b"".join(p.octets for p in c.rope.pieces if isinstance(p, Constant))
        for c in contents
    ]


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = Clock()
    with open_store(tmp_path, clock) as store:
        yield Rig(await Post(store, clock).open_account(), clock)


def text_of(message: Message) -> str:
    part = next(p for p in message.walk() if p.get_content_type() == "text/plain")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return " ".join(payload.decode().split())


def status_of(message: Message) -> dict[str, str]:
    """Return the fields of the RFC 3464 part."""
    (report,) = (
        p for p in message.walk() if p.get_content_type() == "message/delivery-status"
    )
    return {k: v for block in report.get_payload() for k, v in block.items()}  # type: ignore[union-attr]


async def test_nothing_due_is_nothing_done(rig: Rig) -> None:
    assert await rig.station.look() > 0
    assert await rig.inbox() == []


async def test_a_failure_is_told_once_in_the_sender_s_inbox(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "maild.queue")
    mail = await rig.post.mail(MAIL)
    refused = Reply(550, "1.1", "no such user")
    await rig.move(mail, Event.CLAIM, Event.FAIL_FOR_GOOD, reply=refused)
    await rig.station.look()
    await rig.station.look()
    (notice,) = await rig.inbox()
    assert notice.get_content_type() == "multipart/report"
    assert notice["To"] == str(ALICE)
    assert notice["Maild-Trace"] == mail.trace
    assert notice["Auto-Submitted"] == "auto-replied"
    assert "could not be delivered" in text_of(notice)
    assert "550 5.1.1 no such user" in text_of(notice)
    status = status_of(notice)
    assert status["Action"] == "failed"
    assert status["Status"] == "5.1.1"
    assert status["Final-Recipient"] == f"rfc822; {BOB}"
    assert "sender non-delivery notification: to=<alice@a.example>" in caplog.text


async def test_an_offer_that_is_not_answered_expires(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "maild.queue")
    share = await rig.offered()
    pause = await rig.station.look()
    assert pause <= LIFETIMES.offer
    rig.clock.now += LIFETIMES.offer - 1
    await rig.station.look()
    assert (await rig.post.now(share)).state is State.OFFERED
    rig.clock.now += 1
    await rig.station.look()
    assert (await rig.post.now(share)).state is State.EXPIRED
    (notice,) = await rig.inbox()
    assert "did not answer the offer in time; nothing was sent" in text_of(notice)
    assert status_of(notice)["Status"] == "5.4.7"
    assert f"{share.id}: expired (" in caplog.text


async def test_a_declined_offer_is_told(rig: Rig) -> None:
    share = await rig.offered()
    answer = Answer(
        share.id, share.nonce or "", ALICE, BOB, False, None, 0, 0, share.trace
    )
    await rig.store.index.write(transfers.answered, answer, BOB, rig.clock())
    assert (await rig.post.now(share)).state is State.DECLINED
    await rig.station.look()
    (notice,) = await rig.inbox()
    assert "bob@b.example declined the offer; nothing was sent" in text_of(notice)
    assert "film.mov" in notice["Subject"]


async def test_a_delay_is_told_once_and_the_failure_after_it(rig: Rig) -> None:
    mail = await rig.post.mail(MAIL)
    down = Reply(451, "4.1", "connection to b.example refused")
    await rig.move(mail, Event.CLAIM, Event.FAIL_FOR_NOW, reply=down)
    await rig.station.look()
    assert await rig.inbox() == []
    rig.clock.now += rig.settings.delay_warning
    await rig.station.look()
    await rig.station.look()
    (delay,) = await rig.inbox()
    assert status_of(delay)["Action"] == "delayed"
    assert status_of(delay)["Status"] == "4.4.1"
    assert "further attempts will be made" in text_of(delay)
    rig.clock.now += LIFETIMES.queue
    await rig.station.look()
    _, failure = await rig.inbox()
    assert status_of(failure)["Action"] == "failed"
    assert status_of(failure)["Status"] == "5.4.7"
    assert "connection to b.example refused" in text_of(failure)
    assert (await rig.post.now(mail)).state is State.FAILED


async def test_nobody_is_told_about_answers_or_the_null_path(rig: Rig) -> None:
    refused = Reply(550, "1.1", "no such user")
    for kind, sender in ((Kind.ANSWER, ALICE), (Kind.MAIL, None)):
        mail = await rig.post.mail(MAIL, kind=kind, sender=sender)
        await rig.move(mail, Event.CLAIM, Event.FAIL_FOR_GOOD, reply=refused)
    await rig.station.look()
    assert await rig.inbox() == []


async def test_nobody_is_told_what_they_did_themselves(rig: Rig) -> None:
    mail = await rig.post.mail(MAIL)
    await rig.move(mail, Event.CANCEL, reply=Reply(250, "0.0", ""))
    await rig.station.look()
    assert await rig.inbox() == []


async def test_what_is_over_is_forgotten_in_the_end(rig: Rig) -> None:
    mail = await rig.post.mail(MAIL)
    await rig.move(mail, Event.CANCEL, reply=Reply(250, "0.0", ""))
    event = TraceEvent(rig.clock(), mail.trace, mail.id, "test", "happened")
    await rig.store.index.write(trace.note, event)
    await rig.station.look()
    assert await rig.store.index.read(trace.story, mail.trace)
    rig.clock.now += rig.settings.keep_finished + 1
    await rig.station.look()
    assert await rig.store.index.read(transfers.everything) == []
    assert await rig.store.index.read(trace.story, mail.trace) == []


async def test_blobs_that_nobody_needs_are_collected(rig: Rig) -> None:
    sealed = put(rig.store, b"x" * 100_000)
    rig.clock.now += 2 * 3600
    await rig.station.look()
    with pytest.raises(Exception, match="blob"):
        rig.store.blobs.state(sealed.id)


async def test_a_clock_that_leaps_ends_nothing(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    share = await rig.offered()
    sealed = put(rig.store, b"x" * 100_000)
    kept = Envelope("key", Up.UPLOAD, rig.post.account, "a@a", "a@a", None, "7BIT")
    checkpoint = Checkpoint(kept, "upload-1", b"", 0, None, None, 5 * DAY)
    await rig.store.index.write(checkpoints.keep, checkpoint, rig.clock())
    await rig.station.look()
    rig.leap(30 * DAY)
    for _ in range(3):
        await rig.station.look()
        rig.clock.now += HOUSEKEEPING / 4
    assert "the clock has leapt 2592000 s ahead" in caplog.text
    assert (await rig.store.index.read(transfers.get, share.id)).state is State.OFFERED
    assert rig.store.blobs.state(sealed.id).sealed
    assert len(await rig.store.index.read(checkpoints.everything)) == 1
    rig.leap(-30 * DAY)  # somebody has set it right
    rig.clock.now += HOUSEKEEPING
    await rig.station.look()
    assert (await rig.store.index.read(transfers.get, share.id)).state is State.OFFERED
    assert len(await rig.store.index.read(checkpoints.everything)) == 1


async def test_a_clock_that_stays_where_it_leapt_is_believed(rig: Rig) -> None:
    share = await rig.offered()
    await rig.station.look()
    rig.leap(30 * DAY)
    await rig.station.look()
    rig.clock.now += HOUSEKEEPING
    await rig.station.look()
    assert (await rig.store.index.read(transfers.get, share.id)).state is State.EXPIRED


async def test_a_wake_up_is_enough(rig: Rig) -> None:
    started = asyncio.Event()
    task = asyncio.create_task(rig.station.run(started.set))
    try:
        async with asyncio.timeout(20):
            await started.wait()
            mail = await rig.post.mail(MAIL)
            inbox = await rig.store.index.read(
                mailboxes.find, rig.post.account, "INBOX"
            )
            assert inbox is not None
            with rig.store.changes.watch(f"mailbox:{inbox.id}") as watch:
                refused = Reply(550, "1.1", "no such user")
                await rig.move(mail, Event.CLAIM, Event.FAIL_FOR_GOOD, reply=refused)
                while not await rig.inbox():
                    await watch.wait(5.0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_a_look_that_fails_is_not_the_last(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()

    def broken(_now: float) -> None:
        failed.set()
        raise PermissionError("a path /and/a/secret")

    monkeypatch.setattr(rig.store.blobs, "collect", broken)
    mail = await rig.post.mail(MAIL)
    started = asyncio.Event()
    task = asyncio.create_task(rig.station.run(started.set))
    try:
        async with asyncio.timeout(20):
            await started.wait()
            assert await asyncio.to_thread(failed.wait, 20)
            rig.clock.now += LIFETIMES.queue + 1
            with rig.store.changes.watch("queue") as watch:
                await rig.post.mail(MAIL)
                while (await rig.post.now(mail)).state is not State.FAILED:
                    await watch.wait(1.0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert "PermissionError" in caplog.text
