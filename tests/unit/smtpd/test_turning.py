# SPDX-License-Identifier: Apache-2.0
"""The two ends of an offer meet here, and nobody else gets anywhere."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
from scramp import ScramClient

from maild.backoff import NO_DELAYS
from maild.mail.offer import Answer, Withdrawal
from maild.mail.reply import Reply
from maild.mail.turn import End, claim, password
from maild.smtpd import turning
from maild.smtpd.listener import Turns
from maild.store import appointments, passages
from maild.store.appointments import Appointment
from maild.store.house import Store
from maild.turn import meeting
from maild.turn.callers import Callers
from maild.turn.gate import OfferGate, Party
from maild.turn.meeting import Meeting
from maild.turn.splice import Half
from tests.unit.smtpd.live import BOB, NOW, STRANGER, Live, Streams, an_offer, live
from tests.unit.smtpd.speaker import PATIENCE, Speaker

SIZE = 1_000_000
OFFER = an_offer(SIZE, None, "offer-0001")
HOME = "a.example"
"""Where bob, who was offered something, lives."""


def turns(store: Store, *, most: int = 10, idle: float = 60.0) -> Turns:
    async def known(offer_id: str) -> list[Appointment]:
        return await store.index.read(appointments.passing, offer_id, store.clock())

    return Turns(
        OfferGate(known, store.clock, NO_DELAYS),
        Meeting(store, most=most, idle=idle),
        Callers(),
    )


async def passes(station: Live, offer_id: str = OFFER.id, *, spent: int = 0) -> None:
    """Let an accepted offer have passed here."""
    offer = replace(OFFER, id=offer_id)
    index = station.store.index
    await index.write(passages.offered, offer, NOW)
    answer = Answer(
        offer_id=offer_id,
        nonce=offer.nonce,
        sender=STRANGER,
        recipient=BOB,
        accepted=True,
        ticket="ab" * 16,
        size=SIZE,
        expires=int(NOW) + 1000,
        trace=offer.trace,
    )
    passage = await index.write(passages.answered, answer, NOW)
    assert passage is not None
    await index.write(passages.carried, passage, spent)


async def proves(
    speaker: Speaker, end: End, *, offer_id: str = OFFER.id, nonce: str = OFFER.nonce
) -> Reply:
    """Log in as one end of an offer; returns the last reply."""
    about = nonce, offer_id, STRANGER, BOB, end
    client = ScramClient(["SCRAM-SHA-256"], str(claim(*about)), password(*about))
    return await scram(speaker, client)


async def scram(speaker: Speaker, client: ScramClient) -> Reply:
    first = coded(client.get_client_first())
    reply = await speaker.says(f"AUTH SCRAM-SHA-256 {first}", 334)
    client.set_server_first(base64.b64decode(reply.text).decode())
    speaker.send(coded(client.get_client_final()).encode() + b"\r\n")
    reply = await speaker.reply()
    if reply.code == 334:
        client.set_server_final(base64.b64decode(reply.text).decode())
        return await speaker.says("", 235)
    return reply


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def end_of(station: Live, end: End) -> Speaker:
    speaker = await Speaker.hello(station)
    assert (await proves(speaker, end)).code == 235
    return speaker


async def met(station: Live) -> tuple[Speaker, Speaker]:
    """Return source and destination, joined."""
    destination = await end_of(station, End.DESTINATION)
    destination.send(f"ATRN {HOME}\r\n".encode())
    source = await end_of(station, End.SOURCE)
    await source.says(f"XCONNECT {HOME}", 250)
    assert (await destination.reply()).code == 250
    return source, destination


async def is_closed(speaker: Speaker) -> bool:
    try:
        return await asyncio.wait_for(speaker.reader.read(1), PATIENCE) == b""
    except ConnectionError:
        return True


async def waits(station: Live, count: int = 1) -> None:
    """Wait until so many connections wait here."""
    turned = station.station._turns
    assert turned is not None
    async with asyncio.timeout(PATIENCE):
        while turned.meeting.connections != count:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
async def closing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Close what a test has opened, whatever has become of it."""
    opened: list[Speaker] = []
    begin = Speaker.__init__

    def remembered(speaker: Speaker, streams: Streams) -> None:
        begin(speaker, streams)
        opened.append(speaker)

    monkeypatch.setattr(Speaker, "__init__", remembered)
    yield
    for speaker in opened:
        await speaker.close()


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, turns=turns) as running:
        await passes(running)
        yield running


async def test_what_one_says_the_other_hears(station: Live) -> None:
    source, destination = await met(station)
    there, back = os.urandom(600_000), os.urandom(300_000)
    source.writer.write(there)
    destination.writer.write(back)
    async with asyncio.timeout(PATIENCE):
        assert await destination.reader.readexactly(len(there)) == there
        assert await source.reader.readexactly(len(back)) == back
    source.writer.write_eof()  # half a connection may still answer
    assert await is_closed(destination)
    destination.writer.write(b"bye")
    assert await asyncio.wait_for(source.reader.readexactly(3), PATIENCE) == b"bye"
    destination.writer.close()
    assert await is_closed(source)
    await waits(station, 0)
    await station.store.index.write(lambda _: None)  # behind what is being written
    (passage,) = await station.store.index.read(passages.everything)
    assert passage.octets == len(there) + len(back) + 3


async def test_the_source_may_come_first(station: Live) -> None:
    source = await end_of(station, End.SOURCE)
    source.send(f"XCONNECT {HOME}\r\n".encode())
    await waits(station)
    destination = await end_of(station, End.DESTINATION)
    await destination.says("ATRN", 250)
    assert (await source.reply()).code == 250
    destination.send(b"220 here\r\n")
    assert (await source.reply()).text == "here"


async def test_offered_only_where_ends_meet(station: Live, tmp_path: Path) -> None:
    speaker = Speaker(await station.connect())
    await speaker.reply()
    said = (await speaker.says("EHLO peer.example", 250)).text.splitlines()
    assert {"ATRN", "XCONNECT", "AUTH SCRAM-SHA-256"} <= set(said)
    async with live(tmp_path / "other") as without:
        speaker = Speaker(await without.connect())
        await speaker.reply()
        said = (await speaker.says("EHLO peer.example", 250)).text.splitlines()
        assert not [s for s in said if s.startswith(("ATRN", "XCONNECT", "AUTH"))]
        for command in ("ATRN", f"XCONNECT {HOME}", "AUTH SCRAM-SHA-256"):
            await speaker.says(command, 502)


async def test_who_does_not_know_the_nonce_looks_like_who_knows_no_offer(
    station: Live,
) -> None:
    said = []
    for about in ({"nonce": "nonce-guessed"}, {"offer_id": "offer-9999"}):
        for end in End:
            speaker = await Speaker.hello(station)
            said.append(await proves(speaker, end, **about))
    assert {(r.code, r.text) for r in said} == {(535, "authentication failed")}


async def test_the_right_name_with_a_wrong_proof(station: Live) -> None:
    about = OFFER.nonce, OFFER.id, STRANGER, BOB, End.SOURCE
    other = *about[:-1], End.DESTINATION
    speaker = await Speaker.hello(station)
    client = ScramClient(["SCRAM-SHA-256"], str(claim(*about)), password(*other))
    assert (await scram(speaker, client)).code == 535
    await speaker.says(f"XCONNECT {HOME}", 530)


async def test_what_was_heard_cannot_be_said_again(station: Live) -> None:
    """SCRAM's proof is good for the server's nonce of that exchange alone."""
    about = OFFER.nonce, OFFER.id, STRANGER, BOB, End.SOURCE
    client = ScramClient(["SCRAM-SHA-256"], str(claim(*about)), password(*about))
    first = coded(client.get_client_first())
    heard = await Speaker.hello(station)
    reply = await heard.says(f"AUTH SCRAM-SHA-256 {first}", 334)
    client.set_server_first(base64.b64decode(reply.text).decode())
    final = coded(client.get_client_final())
    await heard.says(final, 334)
    thief = await Speaker.hello(station)
    await thief.says(f"AUTH SCRAM-SHA-256 {first}", 334)
    await thief.says(final, 535)


async def test_no_account_logs_in_there(station: Live) -> None:
    speaker = await Speaker.hello(station)
    await speaker.says("AUTH PLAIN AGFsaWNlAHg=", 504)
    client = ScramClient(["SCRAM-SHA-256"], "alice@a.example", "correct horse")
    assert (await scram(speaker, client)).code == 535


async def test_without_login(station: Live) -> None:
    speaker = await Speaker.hello(station)
    await speaker.says("ATRN", 530)
    await speaker.says(f"XCONNECT {HOME}", 530)


async def test_only_ones_own_domain_and_end(station: Live) -> None:
    source = await end_of(station, End.SOURCE)
    await source.says("XCONNECT b.example", 450)
    await source.says("XCONNECT [127.0.0.1]", 501)
    await source.says("ATRN", 503)
    destination = await end_of(station, End.DESTINATION)
    await destination.says("ATRN b.example", 450)
    await destination.says(f"ATRN {HOME},b.example", 450)
    await destination.says(f"XCONNECT {HOME}", 503)


async def test_a_login_opens_nothing_else(station: Live) -> None:
    """No relay: the offer is no account."""
    source = await end_of(station, End.SOURCE)
    await source.says("MAIL FROM:<carol@b.example>", 250)
    await source.says("RCPT TO:<dave@d.example>", 550)
    await source.says(f"XCONNECT {HOME}", 503)


async def test_an_offer_that_is_over(station: Live) -> None:
    source = await end_of(station, End.SOURCE)
    gone = Withdrawal(OFFER.id, OFFER.nonce, STRANGER, BOB, OFFER.trace)
    await station.store.index.write(passages.withdrawn, gone)
    await source.says(f"XCONNECT {HOME}", 450)
    speaker = await Speaker.hello(station)
    assert (await proves(speaker, End.DESTINATION)).code == 535


async def test_each_end_has_one_connection_the_newest(station: Live) -> None:
    old = await end_of(station, End.DESTINATION)
    old.send(b"ATRN\r\n")
    await waits(station)
    new = await end_of(station, End.DESTINATION)
    new.send(b"ATRN\r\n")
    assert (await old.reply()).code == 421
    source = await end_of(station, End.SOURCE)
    await source.says(f"XCONNECT {HOME}", 250)
    assert (await new.reply()).code == 250


async def test_who_comes_again_ends_what_was_joined(station: Live) -> None:
    source, destination = await met(station)
    again = await end_of(station, End.SOURCE)
    again.send(f"XCONNECT {HOME}\r\n".encode())
    assert await is_closed(source)
    assert await is_closed(destination)
    destination = await end_of(station, End.DESTINATION)
    await destination.says("ATRN", 250)
    assert (await again.reply()).code == 250


async def test_more_than_was_offered_does_not_pass(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "SLACK", 0)
    source, destination = await met(station)
    source.send(bytes(SIZE + SIZE // 8 + 1))
    assert await drained(destination) <= SIZE + SIZE // 8
    await waits(station, 0)
    again = await end_of(station, End.SOURCE)  # nor by another connection
    await again.says(f"XCONNECT {HOME}", 450)


async def drained(speaker: Speaker) -> int:
    """Read to the end, which may be a reset; return how many octets came."""
    count = 0
    async with asyncio.timeout(PATIENCE):
        try:
            while octets := await speaker.reader.read(65536):
                count += len(octets)
        except ConnectionError:
            pass
    return count


async def test_nobody_comes(station: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turning, "SOURCE_WAITS", 0.01)
    monkeypatch.setattr(turning, "DESTINATION_WAITS", 0.01)
    source = await end_of(station, End.SOURCE)
    await source.says(f"XCONNECT {HOME}", 450)
    await source.says("NOOP", 250)
    destination = await end_of(station, End.DESTINATION)
    await destination.says("ATRN", 453)
    await destination.says("ATRN", 453)
    await destination.says("QUIT", 221)


async def test_who_waits_is_silent(station: Live) -> None:
    destination = await end_of(station, End.DESTINATION)
    destination.send(b"ATRN\r\n")
    await waits(station)
    destination.send(b"220 too early\r\n")
    assert await is_closed(destination)
    await waits(station, 0)


async def test_nothing_may_follow_in_one_packet(station: Live) -> None:
    destination = await end_of(station, End.DESTINATION)
    destination.send(b"ATRN\r\n220 too early\r\n")
    assert (await destination.reply()).code == 503
    assert await is_closed(destination)


async def test_who_waited_and_left_is_not_met(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turning, "SOURCE_WAITS", 0.01)
    destination = await end_of(station, End.DESTINATION)
    destination.send(b"ATRN\r\n")
    await waits(station)
    await destination.close()
    await waits(station, 0)
    source = await end_of(station, End.SOURCE)
    await source.says(f"XCONNECT {HOME}", 450)


async def test_only_so_many_wait(tmp_path: Path) -> None:
    async with live(tmp_path, turns=partial(turns, most=1)) as station:
        await passes(station)
        await passes(station, "offer-0002")
        first = await end_of(station, End.DESTINATION)
        first.send(b"ATRN\r\n")
        await waits(station)
        second = await Speaker.hello(station)
        await proves(second, End.DESTINATION, offer_id="offer-0002")
        await second.says("ATRN", 451)
        await second.says("NOOP", 250)


async def test_idle_connections_are_parted(tmp_path: Path) -> None:
    async with live(tmp_path, turns=partial(turns, idle=0.1)) as station:
        await passes(station)
        source, destination = await met(station)
        assert await is_closed(source)
        assert await is_closed(destination)


async def test_offers_of_one_id_are_told_apart(station: Live) -> None:
    """Whoever makes an offer with the id of another one meets its own recipient."""
    forged = replace(OFFER, nonce="nonce-forged", recipient=STRANGER, sender=BOB)
    await station.store.index.write(passages.offered, forged, NOW)
    source, destination = await met(station)
    source.send(b"220 still\r\n")
    assert (await destination.reply()).text == "still"


async def test_a_server_that_stops_says_nothing_to_who_is_joined(
    tmp_path: Path,
) -> None:
    async with live(tmp_path, turns=turns) as station:
        await passes(station)
        source, destination = await met(station)
    assert await asyncio.wait_for(source.reader.read(), PATIENCE) == b""
    assert await asyncio.wait_for(destination.reader.read(), PATIENCE) == b""


async def test_who_has_just_gone_is_met_by_nobody(tmp_path: Path) -> None:
    """Between the end of a connection and its own task's hearing of it."""
    known = Appointment(OFFER.id, STRANGER, BOB, OFFER.nonce, SIZE, 0, "trace")
    async with live(tmp_path) as running:
        place = Meeting(running.store, most=10, idle=60.0)
        halves = [Half(Mock(spec=asyncio.Transport), "peer") for _ in End]
        first = asyncio.create_task(
            place.join(Party(HOME, End.DESTINATION, known), halves[0], 60.0)
        )
        await asyncio.sleep(0)
        halves[0].connection_lost(None)
        assert await place.join(Party(HOME, End.SOURCE, known), halves[1], 0.0) is None
        with pytest.raises(ConnectionResetError):
            await first
        assert place.connections == 0
