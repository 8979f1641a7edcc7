# SPDX-License-Identifier: Apache-2.0
"""Accounts are kept within their quota, and nobody gets room that is promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.mail.compose import Facts, offer_message
from maild.smtpd.promises import AROUND
from maild.store import accounts, consent, quota
from maild.store.quota import Use
from tests.unit.smtpd.live import NOW, STRANGER, Live, an_offer, live
from tests.unit.smtpd.speaker import Speaker, content, upload_of
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_landing import deliver, digest
from tests.unit.smtpd.test_restart import Push, a_push, arrived, durable
from tests.unit.smtpd.test_restart_upload import LIBRARY, MAIL, go_on, upload, uploaded

SIZE = 1_000_000
OCTETS = content(SIZE)
MESSAGE = upload_of(OCTETS)
SMALL = b"Subject: hi\r\n\r\n" + b"x" * 1000


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def allow(station: Live, account: int, octets: int | None) -> None:
    await station.store.index.write(quota.set_quota, account, octets)


async def used(station: Live, account: int) -> Use:
    return await station.store.index.read(quota.use, account)


async def declare(
    speaker: Speaker, code: int, size: int | None, name: str = "0"
) -> str:
    """Begin an upload of ``size`` octets; return the status of the refusal."""
    mail = MAIL.replace("<0f1e", f"<{name}")
    await speaker.says(mail if size is None else f"{mail} SIZE={size}", 250)
    return (await speaker.says(f"RCPT TO:<{LIBRARY}>", code)).status


async def test_an_upload_that_does_not_fit_is_refused_at_once(station: Live) -> None:
    speaker = await Speaker.alice(station)
    await allow(station, station.alice, 100_000 + AROUND)
    assert await declare(speaker, 552, 100_001) == "5.2.2"
    await speaker.says("RSET", 250)
    await deliver(station, SMALL, STRANGER, "alice@a.example")
    assert await declare(speaker, 452, 100_000) == "4.2.2"
    await speaker.says("RSET", 250)
    await declare(speaker, 250, 50_000)
    await speaker.close()


async def test_an_upload_of_untold_size_is_refused_when_it_is_too_much(
    station: Live,
) -> None:
    await allow(station, station.alice, 100_000 + AROUND)
    speaker = await Speaker.alice(station)
    await declare(speaker, 250, None)
    await speaker.chunk(MESSAGE[:90_000], 250, last=False)
    reply = await speaker.chunk(MESSAGE[90_000:200_000], 452, last=False)
    assert reply.status == "4.2.2"
    await speaker.says("RSET", 250)
    await speaker.close()
    assert (await used(station, station.alice)).held == 0


async def test_many_at_once_never_get_more_than_there_is(station: Live) -> None:
    """Each wants 60 %; whoever is first gets it, and all the others are refused."""
    await allow(station, station.alice, len(MESSAGE) * 10 // 6)
    speakers = [await Speaker.alice(station) for _ in range(20)]

    async def one(number: int, speaker: Speaker) -> int:
        mail = MAIL.replace("<0f1e", f"<{number}")
        speaker.send(f"{mail} SIZE={len(MESSAGE)}\r\n".encode())
        await speaker.reply()
        speaker.send(f"RCPT TO:<{LIBRARY}>\r\n".encode())
        reply = await speaker.reply()
        if reply.code == 250:
            speaker.send(b"BDAT %d LAST\r\n%s" % (len(MESSAGE), MESSAGE))
            reply = await speaker.reply()
        await speaker.close()
        return reply.code

    codes = await asyncio.gather(*(one(*pair) for pair in enumerate(speakers)))
    assert sorted(codes) == [250, *[452] * 19]
    await uploaded(station, OCTETS)
    use = await used(station, station.alice)
    assert use.quota is not None
    assert use.octets <= use.quota


async def test_what_is_promised_is_given_back(station: Live) -> None:
    await allow(station, station.alice, len(MESSAGE) + AROUND)
    first, second = [await Speaker.alice(station) for _ in range(2)]
    await declare(first, 250, len(MESSAGE), "1")
    assert await declare(second, 452, len(MESSAGE), "2") == "4.2.2"
    await first.says("RSET", 250)
    await second.says(f"RCPT TO:<{LIBRARY}>", 250)
    await second.close()  # cut off, before any octet
    await until(lambda: not station.station.promises)
    await declare(first, 250, len(MESSAGE), "1")
    await first.chunk(MESSAGE, 250)
    await uploaded(station, OCTETS)
    assert not station.station.promises
    await first.close()


async def test_an_interrupted_upload_counts_and_goes_on(station: Live) -> None:
    await allow(station, station.alice, len(MESSAGE) + AROUND)
    start = MESSAGE.index(OCTETS)
    speaker = await upload(station, MESSAGE, start + 500_000)
    await durable(station, 500_000)
    await speaker.close()
    await until(lambda: not station.station.promises)
    other = await Speaker.alice(station)
    assert await declare(other, 452, len(MESSAGE), "2") == "4.2.2"
    await other.close()
    offset, _ = await go_on(station, MESSAGE)
    assert offset == start + 500_000
    await uploaded(station, OCTETS)


async def test_a_full_account_gets_no_mail_until_there_is_room(station: Live) -> None:
    await allow(station, station.bob, len(SMALL) * 2)
    speaker = await Speaker.hello(station)
    await speaker.says("MAIL FROM:<carol@b.example> SIZE=100000", 250)
    reply = await speaker.says("RCPT TO:<bob@a.example>", 552)
    assert reply.status == "5.2.2"
    await speaker.says("RSET", 250)
    await deliver(station, SMALL, STRANGER, "bob@a.example")
    await speaker.says(f"MAIL FROM:<carol@b.example> SIZE={len(SMALL)}", 250)
    reply = await speaker.says("RCPT TO:<bob@a.example>", 452)
    assert reply.status == "4.2.2"
    await speaker.says("RCPT TO:<alice@a.example>", 250)  # others go on
    await speaker.chunk(SMALL, 250)
    await speaker.envelope("bob@a.example")  # of untold size: found out at its end
    reply = await speaker.chunk(SMALL, 452)
    assert reply.status == "4.2.2"
    assert len(await station.lines(station.bob, "INBOX")) == 1
    await allow(station, station.bob, None)
    await deliver(station, SMALL, STRANGER, "bob@a.example")
    await speaker.close()


async def offered(station: Live, size: int) -> list[str]:
    """Let carol offer bob something; return the states of his offers."""
    offer = an_offer(size, None, "offer-0001")
    facts = Facts("made@b.example", NOW, offer.trace)
    octets = offer_message(offer, facts, None).octets
    await deliver(station, octets, STRANGER, "bob@a.example")
    found = await station.store.index.read(consent.open_offers, station.bob, NOW)
    return [state for _, state in found]


@pytest.mark.parametrize("bob_first", [False, True])
async def test_who_may_be_full_is_alone_when_no_size_is_told(
    station: Live, *, bob_first: bool
) -> None:
    """Or a message would be refused for all because one of them has no room."""
    await allow(station, station.bob, len(SMALL) * 4)
    both = ["alice@a.example", "bob@a.example"]
    first, second = both[::-1] if bob_first else both
    speaker = await Speaker.hello(station)
    await speaker.envelope(first)
    assert (await speaker.says(f"RCPT TO:<{second}>", 452)).status == "4.5.3"
    await speaker.chunk(SMALL, 250)
    await speaker.says(f"MAIL FROM:<{STRANGER}> SIZE={len(SMALL)}", 250)
    await speaker.says("RCPT TO:<alice@a.example>", 250)
    await speaker.says("RCPT TO:<bob@a.example>", 250)
    await speaker.chunk(SMALL, 250)
    await speaker.close()


@pytest.mark.parametrize(("room", "state"), [(1, "accepted"), (-1, "open")])
async def test_what_is_welcome_is_only_accepted_where_it_fits(
    station: Live, room: int, state: str
) -> None:
    await station.store.index.write(
        accounts.set_policy, station.bob, "anyone", 10 * SIZE
    )
    await allow(station, station.bob, 5 * SIZE)
    assert await offered(station, 5 * SIZE - room * 100_000) == [state]


async def refused(station: Live, push: Push) -> str:
    speaker = await Speaker.secure(station)
    await speaker.says(push.mail, 250)
    reply = await speaker.says("RCPT TO:<bob@a.example>", 452)
    await speaker.close()
    return reply.status


async def test_a_push_waits_until_the_account_has_room(station: Live) -> None:
    push = await a_push(station, SIZE)
    await allow(station, station.bob, SIZE // 2)  # less than when it was accepted
    assert await refused(station, push) == "4.2.2"
    await allow(station, station.bob, 2 * SIZE)
    speaker = await push.begin(station, len(push.message) - 1)
    await speaker.close()
    await push.go_on(station)
    await arrived(station, push)
    assert (await used(station, station.bob)).reserved == 0


async def test_a_push_that_was_cut_waits_for_room_where_it_was(station: Live) -> None:
    push = await a_push(station, SIZE)
    start = push.message.index(push.octets)
    speaker = await push.begin(station, start + 500_000)
    await durable(station, 500_000)
    await speaker.close()
    await allow(station, station.bob, SIZE // 2)
    for _ in range(2):
        speaker = await Speaker.secure(station)
        reply = await speaker.says(push.mail, 452)
        assert reply.status == "4.2.2"
        await speaker.close()
    await allow(station, station.bob, 2 * SIZE)
    offset, _ = await push.go_on(station)
    assert offset == start + 500_000
    await arrived(station, push)


async def test_an_accepted_offer_keeps_its_room(station: Live) -> None:
    """Neither mail nor another push gets what has been accepted."""
    push = await a_push(station, SIZE)
    await allow(station, station.bob, SIZE + 5000)
    speaker = await Speaker.hello(station)
    await speaker.says("MAIL FROM:<carol@b.example> SIZE=100000", 250)
    assert (await speaker.says("RCPT TO:<bob@a.example>", 452)).status == "4.2.2"
    await speaker.close()
    await deliver(station, SMALL, STRANGER, "bob@a.example")
    begun = await push.begin(station, len(push.message) - 1)
    await begun.chunk(push.message[-1:], 250)
    assert (await station.items(station.bob))[0].sha256 == digest(push.octets)
    await begun.close()


# The device


async def test_two_pushes_do_not_get_the_same_room(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is promised shrinks as octets land, and ends with the transaction."""
    first = await a_push(station, SIZE)
    second = await a_push(station, SIZE, "offer-0002")
    free = len(first.message) * 3 // 2
    landed = 0
    monkeypatch.setattr(
        station.store.blobs, "room", lambda promised: free - landed - promised
    )
    speaker = await first.begin(station, 100)
    assert await refused(station, second) == "4.3.1"
    await speaker.chunk(first.message[100:500_000], 250, last=False)
    landed = 500_000
    assert await refused(station, second) == "4.3.1"  # what has landed is not there
    free += 600_000
    other = await second.begin(station, 100)
    free -= 600_000
    await other.close()
    await until(lambda: len(station.station.promises) == 1)
    await speaker.chunk(first.message[500_000:], 250)
    assert not station.station.promises
    await speaker.close()


async def test_a_small_size_gets_no_more_room(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = await a_push(station, SIZE)
    push.mail = push.mail.replace(f"SIZE={len(push.message)}", "SIZE=1")
    monkeypatch.setattr(station.store.blobs, "room", lambda _promised: SIZE // 2)
    assert await refused(station, push) == "4.3.1"
    await allow(station, station.bob, SIZE // 2)
    assert await refused(station, push) == "4.2.2"


async def test_one_large_promise_does_not_refuse_everything(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = await station.accepted_offer(size := 4 * 10**10)
    monkeypatch.setattr(station.store.blobs, "room", lambda promised: 10**11 - promised)
    speaker = await Speaker.secure(station)
    mail = f"MAIL FROM:<carol@b.example> TRANSID=<{proof}@b.example> SIZE={size}"
    await speaker.says(mail, 250)
    await speaker.says("RCPT TO:<bob@a.example>", 250)
    await deliver(station, SMALL, STRANGER, "bob@a.example")
    await speaker.close()
