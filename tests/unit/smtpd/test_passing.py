# SPDX-License-Identifier: Apache-2.0
"""What passes a rendezvous, for whom, and that nothing and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.address import Address, parse_address
from maild.mail.compose import (
    Facts,
    answer_message,
    offer_message,
    withdrawal_message,
)
from maild.mail.offer import Answer, Offer, Withdrawal
from maild.mail.reply import Reply
from maild.mail.transfer import Event, Kind, State
from maild.store import exchanges, messages, passages, transfers
from maild.store.exchanges import Person
from maild.store.rope import Constant
from maild.store.transfers import Transfer
from tests.unit.smtpd.live import NOW, Live, live
from tests.unit.smtpd.speaker import Speaker

TRACE = "0123456789abcdef"
FACTS = Facts("made@x.example", NOW, TRACE)
ALICE = parse_address("alice@x.example")
BOB = parse_address("bob@y.example")
CAROL = parse_address("carol@y.example")
NONCE = "5" * 32
OFFER = Offer(
    "offer-0001", NONCE, ALICE, BOB, "film.mov", "video/quicktime", 1000, None,
    int(NOW), int(NOW) + 1000, "x.example", TRACE, rendezvous="rcs.example",
)  # fmt: skip
ANSWER = Answer(
    "offer-0001", NONCE, ALICE, BOB, True, "ab" * 16, 1000, int(NOW) + 1000, TRACE
)
WITHDRAWAL = Withdrawal("offer-0001", NONCE, ALICE, BOB, TRACE)


@pytest.fixture
async def rendezvous(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, rendezvous=frozenset({"rcs.example"})) as running:
        await introduce(running)
        yield running


async def introduce(running: Live) -> None:
    """Let alice and bob have told each other their addresses."""
    one = Person(Address("+14155550101", "rcs.example"), ALICE)
    other = Person(Address("+14155550102", "rcs.example"), BOB)
    await running.store.index.write(exchanges.made, one, other, NOW)


async def passing(
    station: Live, sender: Address, to: Address, octets: bytes, code: int = 250
) -> Reply:
    speaker = await Speaker.hello(station)
    await speaker.envelope(str(to), str(sender))
    reply = await speaker.chunk(octets, code)
    await speaker.close()
    return reply


async def offered(station: Live, offer: Offer = OFFER, code: int = 250) -> Reply:
    octets = offer_message(offer, FACTS, None).octets
    return await passing(station, ALICE, BOB, octets, code)


async def answered(station: Live, answer: Answer = ANSWER, code: int = 250) -> Reply:
    octets = answer_message(answer, FACTS).octets
    return await passing(station, BOB, ALICE, octets, code)


async def queued(station: Live) -> list[Transfer]:
    return await station.store.index.read(transfers.everything)


async def state(station: Live) -> str:
    found = await station.store.index.read(passages.find, "offer-0001", ALICE, BOB)
    return "" if found is None else found.state


async def test_an_offer_passes_as_it_came(rendezvous: Live) -> None:
    await offered(rendezvous)
    (relay,) = await queued(rendezvous)
    assert (relay.kind, relay.state) == (Kind.RELAY, State.QUEUED)
    assert (relay.sender, relay.recipient) == (ALICE, BOB)
    assert (relay.trace, relay.via, relay.account_id) == (TRACE, "", None)
    assert relay.content_id is not None
    octets = await rendezvous.octets(relay.content_id)
    sent = offer_message(OFFER, FACTS, None).octets
    assert octets.startswith(b"Received: from peer.example")  # no Return-Path
    assert octets.endswith(sent)
    assert await state(rendezvous) == "offered"


async def test_an_offer_that_comes_again_is_queued_once(rendezvous: Live) -> None:
    for _ in range(2):
        await offered(rendezvous)
    assert len(await queued(rendezvous)) == 1
    reply = await offered(rendezvous, replace(OFFER, nonce="6" * 32), 550)
    assert reply.status == "5.7.7"


async def test_answer_and_withdrawal_pass_if_they_know_the_nonce(
    rendezvous: Live,
) -> None:
    assert (
        await answered(rendezvous, code=550)
    ).status == "5.7.1"  # nothing passed yet
    await offered(rendezvous)
    forged = replace(ANSWER, nonce="6" * 32)
    assert (await answered(rendezvous, forged, 550)).status == "5.7.1"
    assert await state(rendezvous) == "offered"
    await answered(rendezvous)
    assert await state(rendezvous) == "accepted"
    octets = withdrawal_message(WITHDRAWAL, FACTS).octets
    await passing(rendezvous, ALICE, BOB, octets)
    assert await state(rendezvous) == "withdrawn"
    to = [str(relay.recipient) for relay in await queued(rendezvous)]
    assert sorted(to) == [str(ALICE), str(BOB), str(BOB)]


async def test_only_so_many_wait_for_an_answer(
    rendezvous: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages, "MOST_OPEN", 2)
    for number in range(2):
        await offered(rendezvous, replace(OFFER, id=f"offer-{number:04}"))
    more = replace(OFFER, id="offer-0009")
    assert (await offered(rendezvous, more, 450)).status == "4.7.28"
    await answered(rendezvous)
    await offered(rendezvous, more)


@pytest.mark.parametrize(
    ("sender", "to"),
    [(ALICE, CAROL), (CAROL, BOB), (parse_address("m@m.example"), BOB)],
)
async def test_a_stranger_passes_nothing(
    rendezvous: Live, sender: Address, to: Address
) -> None:
    """Who guesses learns by no recipient, and by nothing that is not shown to it."""
    offer = replace(OFFER, sender=sender, recipient=to, home=sender.domain)
    octets = offer_message(offer, FACTS, None).octets
    assert (await passing(rendezvous, sender, to, octets, 550)).status == "5.7.1"
    late = replace(offer, expires=int(NOW))
    octets = offer_message(late, FACTS, None).octets
    assert (await passing(rendezvous, sender, to, octets, 554)).status == "5.4.7"
    assert await queued(rendezvous) == []
    speaker = await Speaker.hello(rendezvous)
    await speaker.says("MAIL FROM:<>", 250)
    assert (await speaker.says(f"RCPT TO:<{BOB}>", 550)).status == "5.7.1"
    await speaker.close()


async def test_a_server_without_the_role_passes_nothing(tmp_path: Path) -> None:
    async with live(tmp_path) as station:
        await introduce(station)
        speaker = await Speaker.hello(station)
        await speaker.says(f"MAIL FROM:<{ALICE}>", 250)
        assert (await speaker.says(f"RCPT TO:<{BOB}>", 550)).status == "5.7.1"
        await speaker.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"Subject: hi\r\n\r\nordinary mail\r\n",
        b'Content-Type: application/vnd.maild+json\r\n\r\n{"maild":1,"kind":"x"}\r\n',
    ],
)
async def test_nothing_else_passes(rendezvous: Live, octets: bytes) -> None:
    reply = await passing(rendezvous, ALICE, BOB, octets, 550)
    assert reply.status == "5.7.1"
    assert await queued(rendezvous) == []


async def test_nothing_large_passes(rendezvous: Live) -> None:
    speaker = await Speaker.hello(rendezvous)
    await speaker.says(f"MAIL FROM:<{ALICE}> SIZE=70000", 250)
    assert (await speaker.says(f"RCPT TO:<{BOB}>", 552)).status == "5.3.4"
    await speaker.says("RSET", 250)
    await speaker.envelope(str(BOB), str(ALICE))
    assert (await speaker.chunk(bytes(70_000), 552)).status == "5.3.4"
    await speaker.close()
    assert await queued(rendezvous) == []


async def test_one_recipient_and_no_other_beside(rendezvous: Live) -> None:
    speaker = await Speaker.hello(rendezvous)
    await speaker.envelope(str(BOB), str(ALICE))
    await speaker.says("RCPT TO:<bob@a.example>", 452)
    await speaker.says("RSET", 250)
    await speaker.envelope("bob@a.example", str(ALICE))
    await speaker.says(f"RCPT TO:<{BOB}>", 452)
    await speaker.close()


async def test_what_is_attached_does_not_pass(rendezvous: Live) -> None:
    octets = offer_message(OFFER, FACTS, None).octets
    octets = octets.replace(b"text/plain", b"application/x-sh")
    reply = await passing(rendezvous, ALICE, BOB, octets, 554)
    assert reply.status == "5.6.1"


@pytest.mark.parametrize(
    ("events", "reply", "told"),
    [
        (
            (Event.FAIL_FOR_GOOD,),
            Reply(552, "2.3", "larger than is taken"),
            "550 5.2.3 larger than is taken",
        ),
        ((Event.EXPIRE,), None, "550 5.4.7 "),
    ],
)
async def test_who_offered_is_told_what_could_not_be_passed_on(
    rendezvous: Live, events: tuple[Event, ...], reply: Reply | None, told: str
) -> None:
    await offered(rendezvous)
    (relay,) = await queued(rendezvous)
    for event in events:
        await rendezvous.store.index.write(
            transfers.advance, relay.id, event, NOW, reply=reply
        )
    (answer,) = [t for t in await queued(rendezvous) if t.kind is Kind.ANSWER]
    assert (answer.sender, answer.recipient) == (BOB, ALICE)
    assert answer.content_id is not None
    content = await rendezvous.store.index.read(messages.content, answer.content_id)
    (piece,) = content.rope.pieces
    assert isinstance(piece, Constant)
    assert f'"refused": "{told}'.encode() in piece.octets
    assert NONCE.encode() in piece.octets
    assert await state(rendezvous) == "declined"
    check = rendezvous.store.blobs.check
    assert await asyncio.to_thread(lambda: list(check())) == []


async def test_an_answer_that_cannot_be_passed_on_is_told_to_nobody(
    rendezvous: Live,
) -> None:
    await offered(rendezvous)
    await answered(rendezvous)
    relay = next(t for t in await queued(rendezvous) if t.recipient == ALICE)
    refusal = Reply(550, "1.1", "no such user")
    await rendezvous.store.index.write(
        transfers.advance, relay.id, Event.FAIL_FOR_GOOD, NOW, reply=refusal
    )
    assert {t.kind for t in await queued(rendezvous)} == {Kind.RELAY}
